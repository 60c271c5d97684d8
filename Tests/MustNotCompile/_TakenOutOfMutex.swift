// SPDX-License-Identifier: Apache-2.0
// expect: compiles
// A defect of the compiler, see decision 95: what comes out shares counters with what stays. When this does not compile any more, the defect
// is mended.

import Synchronization
import URing

func nextCompletion(_ ring: borrowing Mutex<Ring<Int>>) -> Completion<Int>? {
    ring.withLock { $0.nextCompletion() }
}
