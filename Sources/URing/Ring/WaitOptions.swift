// SPDX-License-Identifier: Apache-2.0

/// How a wait for completions goes, and what ends it besides them.
public struct WaitOptions: Sendable, Hashable {
    /// When a wait ends whatever has completed.
    public enum Limit: Sendable, Hashable {
        /// So long after it began.
        case timeout(Duration)
        /// At a time of the ring's clock, as ``TimeoutClock/now`` counts it; at once if it is past (Linux 6.12).
        ///
        /// The clock is ``TimeoutClock/monotonic``, unless ``Ring/useClock(_:)`` chose another.
        case deadline(Duration)
    }

    /// When the wait ends whatever has completed; never if it is nil.
    public var limit: Limit?
    /// After how long one completion is enough to end the wait, however many are wanted (Linux 6.12).
    ///
    /// With zero, the wait always wants all. The kernel counts microseconds, and no more than 2^32 of them.
    public var minimumTime: Duration
    /// The signals that are blocked as long as the thread waits, in place of those that it blocks otherwise.
    ///
    /// With this, a signal that the thread blocks at all other times can end a wait, and none is missed in between. Nil leaves the
    /// thread's set alone.
    public var blockedSignals: SignalSet?

    /// Describes a wait.
    ///
    /// - Parameters:
    ///   - limit: When it ends whatever has completed.
    ///   - minimumTime: After how long one completion is enough to end it.
    ///   - blockedSignals: The signals that are blocked meanwhile, in place of those that the thread blocks otherwise.
    public init(until limit: Limit? = nil, minimumTime: Duration = .zero, blockedSignals: SignalSet? = nil) {
        self.limit = limit
        self.minimumTime = minimumTime
        self.blockedSignals = blockedSignals
    }
}

extension WaitOptions {
    /// The limit's time, if there is a limit.
    var time: Duration? {
        switch limit {
        case .timeout(let time)?, .deadline(let time)?: time
        case nil: nil
        }
    }

    /// Whether the limit is a time of the clock.
    var isAbsolute: Bool {
        if case .deadline? = limit { return true }
        return false
    }
}
