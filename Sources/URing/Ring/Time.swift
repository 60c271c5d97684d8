// SPDX-License-Identifier: Apache-2.0

import CURing

extension Duration {
    /// The duration in nanoseconds as far as 63 bits go, which is three centuries, rounded down.
    var wholeNanoseconds: Int64 { divided(by: 1_000_000_000).map { Int64(clamping: $0.quotient) } ?? .max }

    /// The duration in microseconds as far as 32 bits go, rounded up, so that no time but none is zero.
    var microsecondsInWord: UInt32 { word(inUnitsOf: 1_000_000_000_000) }

    /// The same in milliseconds.
    var millisecondsInWord: UInt32 { word(inUnitsOf: 1_000_000_000_000_000) }

    /// The duration as the kernel takes it; negative ones count as none.
    @usableFromInline
    var timespec: curing_timespec {
        if let nanoseconds = divided(by: 1_000_000_000)?.quotient { return curing_timespec(nanoseconds) }
        // Five centuries and more; past what the kernel can say, there is no difference.
        guard attoseconds < Int128(Int64.max) * 1_000_000_000_000_000_000 else { return curing_timespec(seconds: .max, nanoseconds: 0) }
        let (seconds, rest) = components
        return curing_timespec(seconds: seconds, nanoseconds: rest / 1_000_000_000)
    }

    /// The time so much later, as far as durations go.
    func advanced(by other: Duration) -> Duration {
        let (sum, overflow) = attoseconds.addingReportingOverflow(other.attoseconds)
        return Duration(attoseconds: overflow ? .max : sum)
    }

    private func word(inUnitsOf unit: UInt64) -> UInt32 {
        guard let (count, rest) = divided(by: unit), count < UInt32.max else { return .max }
        return UInt32(count) + (rest > 0 ? 1 : 0)
    }

    /// How often so many attoseconds go into the duration, and how many are left; nil if that is too often to say.
    ///
    /// Negative durations count as none. `components` divides any duration, in ten times the instructions.
    private func divided(by divisor: UInt64) -> (quotient: UInt64, remainder: UInt64)? {
        let high = Int64(truncatingIfNeeded: attoseconds >> 64)
        if high < 0 { return (0, 0) }
        guard high < divisor else { return nil }
        return divisor.dividingFullWidth((UInt64(high), UInt64(truncatingIfNeeded: attoseconds)))
    }
}

extension curing_timespec {
    init(_ nanoseconds: UInt64) {
        let second: UInt64 = 1_000_000_000
        self.init(seconds: Int64(nanoseconds / second), nanoseconds: Int64(nanoseconds % second))
    }
}

/// The time since the machine started, without the time it slept.
func monotonicTime() -> Duration { TimeoutClock.monotonic.now }
