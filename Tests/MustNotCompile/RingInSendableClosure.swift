// SPDX-License-Identifier: Apache-2.0
// Rule: a ring is not Sendable, so no closure that may run at the same time elsewhere captures one.

import URing

func run(_ body: @Sendable () -> Int) {}

func capture() throws {
    let ring = try Ring<Int>(entries: 8)
    run { ring.readyCount }  // error: capture of 'ring' with non-Sendable type 'Ring<Int>'
}
