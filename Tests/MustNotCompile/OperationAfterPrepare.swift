// SPDX-License-Identifier: Apache-2.0
// Rule: preparing an operation consumes it. From then on the ring owns it with everything in it, until its last completion.

import URing

func prepareTwice(_ ring: inout Ring<Int>, _ buffer: consuming Buffer, _ file: borrowing Descriptor) throws {
    let read = Read(file, into: buffer)  // error: 'read' consumed more than once
    try ring.prepare(read, tag: 1)
    try ring.prepare(read, tag: 2)
}

func lookAfterPrepare(_ ring: inout Ring<Int>, _ buffer: consuming Buffer, _ file: borrowing Descriptor) throws -> Int {
    let read = Read(file, into: buffer)  // error: 'read' used after consume
    try ring.prepare(read, tag: 1)
    return read.memory.count
}

func changeAfterPrepare(_ ring: inout Ring<Int>, _ buffer: consuming Buffer, _ file: borrowing Descriptor) throws {
    var read = Read(file, into: buffer)
    try ring.prepare(read, tag: 1)
    read.position = 512  // error: 'read' after it has been consumed
}
