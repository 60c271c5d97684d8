// SPDX-License-Identifier: Apache-2.0
// Rule: tokens come from preparing an operation, and completions from the ring: nobody makes one up.

import URing

func token(_ name: AnyToken) {
    _ = Token<Nop>(any: name)  // error: 'Token<Op>' initializer is inaccessible
}

func hold() {
    _ = FileHold(unowned: 3)  // error: 'FileHold' initializer is inaccessible
}
