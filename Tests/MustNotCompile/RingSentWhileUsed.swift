// SPDX-License-Identifier: Apache-2.0
// Rule: a ring belongs to one isolation region. It can move to another one as a whole, and is not used from here as well.

import URing

func send(_ ring: consuming sending Ring<Int>) {}

func sendAndUse() throws {
    var ring = try Ring<Int>(entries: 8)  // error: 'ring' used after consume
    try ring.prepare(Nop(), tag: 1)
    send(ring)  // error: sending 'ring' risks causing data races
    try ring.submit()
}

func sendBorrowed(_ ring: consuming Ring<Int>) {
    send(ring)  // error: sending 'ring' risks causing data races
}
