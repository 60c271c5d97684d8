// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Waits for another thread, which needs a moment, with a processor of its own or with this one.
///
/// To give the processor up does not give it to a thread of lower priority, so that a real-time thread would wait until the kernel intervenes,
/// after a second.
struct BackOff {
    private var count = 0

    mutating func wait() {
        count += 1
        if count < 100 { sched_yield() } else { usleep(50) }
    }
}
