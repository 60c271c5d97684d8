// SPDX-License-Identifier: Apache-2.0
// Rule: a completion is part of its ring's in-flight table, so it stays in the ring's region.

import URing

func send(_ ring: consuming sending Ring<Int>) {}
func send(_ completion: consuming sending Completion<Int>) {}

func sendRingAndKeepCompletion() throws {
    var ring = try Ring<Int>(entries: 8)
    let completion = ring.nextCompletion()
    send(ring)  // error: sending 'ring' risks causing data races
    if let completion { _ = completion.take(Nop.self) }
}

func sendCompletionAndKeepRing() throws {
    var ring = try Ring<Int>(entries: 8)
    if let completion = ring.nextCompletion() {
        send(completion)  // error: sending 'completion' risks causing data races
    }
    try ring.submit()
}
