// SPDX-License-Identifier: Apache-2.0
// Rule: only zero-copy sends have notifications that a group can keep, or that can be merged with the result.

import URing

func plainSendInAGroup(_ ring: inout Ring<Int>, _ socket: borrowing Descriptor, _ group: borrowing NotificationGroup<Int>) throws {
    let send = Send(socket, from: Buffer(copying: [1]))
    try ring.prepare(send, tag: 1, in: group)  // error: requires that 'Send<Buffer>' conform to 'ZeroCopyOperation'
}

func mergedPlainSend(_ socket: borrowing Descriptor) {
    let send = Send(socket, from: Buffer(copying: [1]))
    _ = MergedNotification(send)  // error: requires that 'Send<Buffer>' conform to 'ZeroCopyOperation'
}

func flushByHand(_ ring: inout Ring<Int>) throws {
    let group = ring.makeNotificationGroup()
    try ring.prepare(FlushNotifications(group), tag: 1)  // error: initializer is inaccessible
}
