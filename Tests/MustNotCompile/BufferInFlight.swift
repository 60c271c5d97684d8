// SPDX-License-Identifier: Apache-2.0
// Rule: memory that is given to an operation is the operation's. Nobody reads or writes it beside the kernel, and nobody frees it; it
// comes back with the completion.

import URing

func readWhileTheKernelWrites(_ ring: inout Ring<Int>, _ file: borrowing Descriptor) throws -> Int {
    let buffer = Buffer(byteCapacity: 4096)  // error: 'buffer' used after consume
    try ring.prepare(Read(file, into: buffer), tag: 1)
    try ring.submit()
    return buffer.count
}

func writeWhileTheKernelReads(_ ring: inout Ring<Int>, _ file: borrowing Descriptor) throws {
    var buffer = Buffer(copying: [1, 2, 3])  // error: 'buffer' used after consume
    try ring.prepare(Write(file, from: buffer), tag: 1)
    buffer.append(repeating: 0, count: 1)
}

func oneBufferForTwoOperations(_ ring: inout Ring<Int>, _ file: borrowing Descriptor) throws {
    let buffer = Buffer(byteCapacity: 4096)  // error: 'buffer' consumed more than once
    try ring.prepare(Read(file, into: buffer), tag: 1)
    try ring.prepare(Read(file, into: buffer), tag: 2)
}
