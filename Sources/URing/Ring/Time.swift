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
        let high = Int64(truncatingIfNeeded: attoseconds >> 64)
        if high < 0 { return curing_timespec(seconds: 0, nanoseconds: 0) }
        let billion: UInt64 = 1_000_000_000
        guard high < billion else {
            // Five centuries and more.
            let (seconds, attoseconds) = components
            return curing_timespec(seconds: seconds, nanoseconds: attoseconds / 1_000_000_000)
        }
        // `components` does the same for any duration, in ten times the instructions.
        let nanoseconds = billion.dividingFullWidth((UInt64(high), UInt64(truncatingIfNeeded: attoseconds))).quotient
        return curing_timespec(seconds: Int64(nanoseconds / billion), nanoseconds: Int64(nanoseconds % billion))
    }
}

/// The time since the machine started, without the time it slept.
func monotonicTime() -> Duration {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
