// SPDX-License-Identifier: Apache-2.0
// expect: compiles
// The allowed ways between isolation regions, without one `unsafe`: a ring as a whole, a descriptor that nothing holds, and a buffer.

import URing

func give(_ ring: consuming sending Ring<Int>) {}
func give(_ descriptor: consuming TransferableDescriptor) {}
func give(_ buffer: consuming sending Buffer) {}
func requireSendable<Value: Sendable & ~Copyable>(_: borrowing Value) {}

func transfer() throws {
    var ring = try Ring<Int>(entries: 8)
    let descriptor = try Descriptor(opening: "/dev/null")
    try ring.prepare(Nop(), tag: 1)
    give(ring)
    let transferable = descriptor.transfer()
    requireSendable(transferable)
    give(transferable)
    let buffer = Buffer(byteCapacity: 16)
    requireSendable(buffer)
    give(buffer)
}

func transferToken(_ token: Token<Nop>) {
    requireSendable(token)
}

func give(_ lease: consuming TransferableBufferLease) {}

func transferLease(_ lease: consuming BufferLease) {
    let transferable = lease.transfer()
    requireSendable(transferable)
    give(transferable)
}
