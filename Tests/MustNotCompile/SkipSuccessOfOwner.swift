// SPDX-License-Identifier: Apache-2.0
// Rule: an operation whose completion is left out owns nothing, neither memory nor a file, because it would never come back.

import URing

func read(_ ring: inout Ring<Int>, _ file: borrowing Descriptor) throws {
    try ring.prepareSkippingSuccess(Read(file, into: Buffer(byteCapacity: 16)))  // error: requires that 'Read<Buffer>' conform to
}

func sync(_ ring: inout Ring<Int>, _ file: borrowing Descriptor) throws {
    try ring.prepareSkippingSuccess(Fsync(file))  // error: requires that 'Fsync' conform to
}

func poll(_ ring: inout Ring<Int>, _ file: borrowing Descriptor) throws {
    try ring.prepareSkippingSuccess(PollMultishot(file, for: .input))  // error: requires that 'PollMultishot' conform to
}

func send(_ ring: inout Ring<Int>, _ socket: borrowing Descriptor) throws {
    let send = SendZeroCopy(socket, from: Buffer(copying: [1]))
    try ring.prepareSkippingSuccess(send)  // error: requires that 'SendZeroCopy<Buffer>' conform to
}
