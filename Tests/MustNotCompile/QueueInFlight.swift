// SPDX-License-Identifier: Apache-2.0
// Rule: while buffers of a send queue are sent, the queue is the operation's: nobody adds to it, takes from it or sends it twice.

import URing

func appendWhileItIsSent(
    _ ring: inout Ring<Int>, _ file: borrowing Descriptor,
    _ queue: consuming SendQueue<Buffer>  // error: 'queue' used after consume
) throws {
    try ring.prepare(SendBundle(file, from: queue), tag: 1)
    queue.append(Buffer(copying: [1]))
}

func takeWhileItIsSent(
    _ ring: inout Ring<Int>, _ file: borrowing Descriptor,
    _ queue: consuming SendQueue<Buffer>  // error: 'queue' used after consume
) throws -> Int {
    try ring.prepare(SendProvided(file, from: queue), tag: 1)
    return queue.takeSent()?.count ?? 0
}

func sendTwice(
    _ ring: inout Ring<Int>, _ file: borrowing Descriptor,
    _ queue: consuming SendQueue<Buffer>  // error: 'queue' consumed more than once
) throws {
    try ring.prepare(SendBundle(file, from: queue), tag: 1)
    try ring.prepare(SendBundle(file, from: queue), tag: 2)
}
