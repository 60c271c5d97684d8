// SPDX-License-Identifier: Apache-2.0
// Rule: the memory of a zero-copy send is out of reach until the kernel has let go of it; the result does not give it back.

import URing

func sendAgainAfterTheResult(_ ring: inout Ring<Int>, _ socket: borrowing Descriptor) throws {
    let buffer = Buffer(copying: [1, 2, 3])  // error: 'buffer' consumed more than once
    try ring.prepare(SendZeroCopy(socket, from: buffer), tag: 1)
    try ring.submit(waitingFor: 1)
    guard let completion = ring.nextCompletion(), case .more = completion.event(SendZeroCopy<Buffer>.self) else { return }
    try ring.prepare(SendZeroCopy(socket, from: buffer), tag: 2)
}

func fillAfterTheResult(_ ring: inout Ring<Int>, _ socket: borrowing Descriptor) throws {
    var buffer = Buffer(copying: [1, 2, 3])  // error: 'buffer' used after consume
    try ring.prepare(SendZeroCopy(socket, from: buffer), tag: 1)
    try ring.submit(waitingFor: 1)
    _ = ring.nextCompletion()
    buffer.truncate(to: 0)
}

func sendTheOperationAgain(_ ring: inout Ring<Int>, _ socket: borrowing Descriptor) throws {
    let send = SendZeroCopy(socket, from: Buffer(copying: [1, 2, 3]))  // error: 'send' consumed more than once
    try ring.prepare(send, tag: 1)
    try ring.prepare(send, tag: 2)
}
