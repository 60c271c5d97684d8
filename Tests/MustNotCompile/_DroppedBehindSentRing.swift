// SPDX-License-Identifier: Apache-2.0
// expect: compiles
// A defect of the compiler, see decision 94: these are two uses of one region. When this does not compile any more, the defect is mended.

import URing

func send(_ ring: consuming sending Ring<Int>) {}

func sendRingAndDropDescriptor() throws {
    var ring = try Ring<Int>(entries: 8)
    let descriptor = try Descriptor(opening: "/dev/null")
    try ring.prepare(Read(descriptor, into: Buffer(byteCapacity: 16)), tag: 1)
    send(ring)
    // The descriptor is dropped here, beside the operation's hold.
}
