// SPDX-License-Identifier: Apache-2.0
// Rule: a ring does not run in a task beside the one that has it.

import URing

func twoTasks(_ ring: consuming Ring<Int>) {
    Task.detached {  // error: risks causing data races
        _ = ring.readyCount
    }
}
