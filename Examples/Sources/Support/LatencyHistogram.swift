// SPDX-License-Identifier: Apache-2.0

/// Counts durations in classes that are at most 1/32 wide, so that any number of them takes little memory.
public struct LatencyHistogram {
    /// Classes between one power of two and the next.
    private static let steps = 32
    private static let stepBits = 5

    /// How many durations were counted.
    public private(set) var count = 0
    private var maximum = 0
    private var classes = [Int](repeating: 0, count: steps * 60)

    /// Makes a histogram of nothing.
    public init() {}

    /// Counts a duration.
    public mutating func add(_ duration: Duration) { add(nanoseconds: duration.inNanoseconds) }

    /// Counts a duration, given in nanoseconds; one below zero counts as none.
    public mutating func add(nanoseconds: Int) {
        let nanoseconds = max(0, nanoseconds)
        classes[LatencyHistogram.index(of: nanoseconds)] += 1
        count += 1
        maximum = max(maximum, nanoseconds)
    }

    /// The duration that so large a part of all durations does not exceed, rounded up to the end of its class.
    public func quantile(_ part: Double) -> Duration {
        let wanted = Int((part * Double(count)).rounded(.up))
        guard wanted < count else { return .nanoseconds(maximum) }
        var seen = 0
        for index in classes.indices {
            seen += classes[index]
            if seen >= wanted { return .nanoseconds(min(maximum, LatencyHistogram.end(of: index))) }
        }
        return .nanoseconds(maximum)
    }

    /// Small values have classes of their own; above, the leading bits of a value and their place make its class.
    private static func index(of nanoseconds: Int) -> Int {
        guard nanoseconds >= steps else { return nanoseconds }
        let shift = Int.bitWidth - 1 - nanoseconds.leadingZeroBitCount - stepBits
        return (shift + 1) * steps + (nanoseconds >> shift) - steps
    }

    private static func end(of index: Int) -> Int {
        guard index >= steps else { return index }
        let shift = index / steps - 1
        return ((index % steps + steps + 1) << shift) - 1
    }
}

extension Duration {
    /// The duration in whole nanoseconds, rounded towards zero; for what is not longer than some centuries.
    public var inNanoseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
    }
}
