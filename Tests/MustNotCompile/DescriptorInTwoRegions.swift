// SPDX-License-Identifier: Apache-2.0
// Rule: a descriptor's holds are counted without atomics, so one descriptor is not used from two isolation regions.

import URing

func send(_ descriptor: consuming sending Descriptor) {}
func send(_ operation: consuming sending Write<Buffer>) {}

func sendOperationAndKeepDescriptor() throws {
    let descriptor = try Descriptor(opening: "/dev/null", .writeOnly)
    let write = Write(descriptor, from: Buffer(copying: [1]))
    send(write)  // error: sending 'write' risks causing data races
    _ = descriptor.isHeld
}

func sendDescriptorInFlight() throws {
    let descriptor = try Descriptor(opening: "/dev/zero")
    var ring = try Ring<Int>(entries: 8)
    try ring.prepare(Read(descriptor, into: Buffer(byteCapacity: 1)), tag: 1)
    send(descriptor)  // error: sending 'descriptor' risks causing data races
    try ring.submit()
}
