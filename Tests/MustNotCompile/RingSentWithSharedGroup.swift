// SPDX-License-Identifier: Apache-2.0
// Rule: a notification group and its ring share counters, so neither goes to another thread while the other stays.

import URing

func send(_ ring: consuming sending Ring<Int>) {}
func send(_ group: consuming sending NotificationGroup<Int>) {}

func sendRingAndKeepGroup() throws {
    var ring = try Ring<Int>(entries: 8)
    var group = ring.makeNotificationGroup()
    send(ring)  // error: sending 'ring' risks causing data races
    _ = group.nextCompletion()
}

func sendGroupAndKeepRing() throws {
    var ring = try Ring<Int>(entries: 8)
    let group = ring.makeNotificationGroup()
    send(group)  // error: sending 'group' risks causing data races
    try ring.submit()
}
