// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc

extension Duration {
    /// The duration in milliseconds, rounded down.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// The duration as the kernel takes it; negative ones count as none.
    @usableFromInline
    var timespec: curing_timespec {
        let (seconds, attoseconds) = Swift.max(self, .zero).components
        return curing_timespec(seconds: seconds, nanoseconds: attoseconds / 1_000_000_000)
    }
}

/// The time since the machine started, without the time it slept.
func monotonicTime() -> Duration {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
