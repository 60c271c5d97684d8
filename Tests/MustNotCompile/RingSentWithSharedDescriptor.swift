// SPDX-License-Identifier: Apache-2.0
// Rule: the holds of a descriptor are counted without atomics, so the descriptor stays in the region of the ring that has operations on it.

import URing

func send(_ ring: consuming sending Ring<Int>) {}

func sendRingAndKeepDescriptor() throws {
    var ring = try Ring<Int>(entries: 8)
    let descriptor = try Descriptor(opening: "/dev/null")
    try ring.prepare(Read(descriptor, into: Buffer(byteCapacity: 16)), tag: 1)
    send(ring)  // error: sending 'ring' risks causing data races
    _ = descriptor.isHeld
}
