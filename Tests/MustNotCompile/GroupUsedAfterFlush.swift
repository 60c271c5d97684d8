// SPDX-License-Identifier: Apache-2.0
// Rule: flushing a group is its cut line: no send is added, and nothing is taken, until the flush gives the group back.

import URing

func addAfterTheFlush(_ ring: inout Ring<Int>, _ socket: borrowing Descriptor) throws {
    let group = ring.makeNotificationGroup()  // error: 'group' used after consume
    try ring.flush(group, tag: 1)
    try ring.prepare(SendZeroCopy(socket, from: Buffer(copying: [1])), tag: 2, in: group)
}

func flushTwice(_ ring: inout Ring<Int>) throws {
    let group = ring.makeNotificationGroup()  // error: 'group' consumed more than once
    try ring.flush(group, tag: 1)
    try ring.flush(group, tag: 2)
}
