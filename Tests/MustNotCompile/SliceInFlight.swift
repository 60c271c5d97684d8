// SPDX-License-Identifier: Apache-2.0
// Rule: a slice of a registered buffer that is given to an operation is the operation's, until the completion gives it back.

import URing

func readWhileTheKernelWrites(_ ring: inout Ring<Int>, _ buffers: borrowing RegisteredBuffers, _ file: borrowing Descriptor) throws -> Int {
    guard let slice = buffers.take() else { return 0 }  // error: 'slice' used after consume
    try ring.prepare(Read(file, into: slice), tag: 1)
    try ring.submit()
    return slice.count
}

func oneSliceForTwoOperations(_ ring: inout Ring<Int>, _ buffers: borrowing RegisteredBuffers, _ file: borrowing Descriptor) throws {
    guard let slice = buffers.take() else { return }  // error: 'slice' consumed more than once
    try ring.prepare(Read(file, into: slice), tag: 1)
    try ring.prepare(Read(file, into: slice), tag: 2)
}

func splitInFlight(_ ring: inout Ring<Int>, _ buffers: borrowing RegisteredBuffers, _ file: borrowing Descriptor) throws {
    guard var slice = buffers.take() else { return }  // error: 'slice' used after consume
    try ring.prepare(Write(file, from: slice), tag: 1)
    _ = slice.split(at: 100)
}
