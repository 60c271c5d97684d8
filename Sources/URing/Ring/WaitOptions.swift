// SPDX-License-Identifier: Apache-2.0

import CURing

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
    /// With zero, the wait always wants all. The kernel counts microseconds, and no more than 2^32 of them. It does not look at a deadline before.
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

/// What a wait is like, in the kernel's units.
struct Wait {
    /// When it ends whatever has completed, in nanoseconds since it began or of the clock; never if it is nil.
    let limit: Int64?
    /// Whether the limit is a time of the clock.
    let isAbsolute: Bool
    /// After how many microseconds one completion is enough.
    let minimumMicroseconds: UInt32
    let blockedSignals: SignalSet?
    /// Which entry of the ring's wait region says so too, if one does.
    let registeredIndex: Int?

    /// Describes a wait that lasts until there are enough completions, or a signal comes.
    @inline(__always)
    init() {
        limit = nil
        isAbsolute = false
        minimumMicroseconds = 0
        blockedSignals = nil
        registeredIndex = nil
    }

    init(_ options: WaitOptions, registeredIndex: Int? = nil) {
        var minimum = options.minimumTime.microsecondsInWord
        // The kernel adds the clock's time to a timeout, and does not look whether that fits.
        let longest: Int64 = 1 << 62
        switch options.limit {
        case .timeout(let time)?:
            limit = min(time.wholeNanoseconds, longest)
            // With a longer minimum the kernel would wait for that.
            if time <= options.minimumTime { minimum = 0 }
            isAbsolute = false
        case .deadline(let time)?:
            limit = time.wholeNanoseconds
            isAbsolute = true
        case nil:
            // With a minimum alone the kernel would end the wait then, although nothing has completed.
            limit = minimum > 0 ? longest : nil
            isAbsolute = false
        }
        minimumMicroseconds = minimum
        blockedSignals = options.blockedSignals
        self.registeredIndex = registeredIndex
    }

    /// Whether nothing but completions and signals ends it.
    var isPlain: Bool { !isTimed && blockedSignals == nil }

    /// Whether what ended it can be told by the clock.
    var isTimed: Bool { limit != nil || minimumMicroseconds > 0 }

    /// Whether what ends it depends on when it began.
    var isMeasured: Bool { limit != nil && !isAbsolute || minimumMicroseconds > 0 }

    /// The limit as the kernel takes it, or nothing.
    var time: curing_timespec { curing_timespec(UInt64(limit ?? 0)) }
}
