// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc

extension Duration {
    /// The duration in microseconds as far as 32 bits go, rounded up, so that no time but none is zero.
    var microsecondsInWord: UInt32 {
        let (seconds, attoseconds) = clamped(to: .microseconds(UInt32.max)).components
        return UInt32(seconds * 1_000_000 + (attoseconds + 999_999_999_999) / 1_000_000_000_000)
    }

    /// The same in milliseconds.
    var millisecondsInWord: UInt32 {
        let (seconds, attoseconds) = clamped(to: .milliseconds(UInt32.max)).components
        return UInt32(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }

    private func clamped(to longest: Duration) -> Duration { Swift.min(Swift.max(self, .zero), longest) }

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
