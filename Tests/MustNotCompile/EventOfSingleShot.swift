// SPDX-License-Identifier: Apache-2.0
// Rule: event(_:) is for operations that complete repeatedly; one that completes once is taken.

import URing

func event(_ completion: consuming Completion<Int>) {
    _ = completion.event(Nop.self)  // error: instance method 'event' requires that 'Nop' conform to 'RepeatingOperation'
}
