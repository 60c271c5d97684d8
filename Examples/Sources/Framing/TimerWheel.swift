// SPDX-License-Identifier: Apache-2.0

/// Timers by the thousand, for one timeout of the kernel that ticks.
///
/// Setting one costs an append. A timer that was put off is not taken out: it comes due at its first time, and whoever it is of sets it again.
/// So what happens with every request, the putting off, costs nothing here.
public struct TimerWheel: Sendable {
    /// A timer.
    public struct Timer: BitwiseCopyable, Sendable, Equatable {
        /// Whose it is: a place that may have had other owners before.
        public var place: Int
        /// Which of the place's owners.
        public var owner: UInt64
        /// The tick at which it is due.
        public var tick: Int

        /// Describes a timer.
        public init(place: Int, owner: UInt64, tick: Int) {
            self.place = place
            self.owner = owner
            self.tick = tick
        }
    }

    /// The timers of every `slots.count`th tick.
    private var slots: [[Timer]]
    /// The present tick.
    public private(set) var now = 0
    /// How many timers there are.
    public private(set) var count = 0

    /// Makes a wheel without timers.
    ///
    /// - Parameter slotCount: After how many ticks the wheel has gone round; timers can be set for later than that.
    public init(slotCount: Int = 256) {
        slots = Array(repeating: [], count: slotCount)
    }

    /// Sets a timer; one for a time that is not to come is due with the next tick.
    public mutating func set(_ timer: Timer) {
        slots[max(timer.tick, now + 1) % slots.count].append(timer)
        count += 1
    }

    /// Goes on by one tick, and takes out the timers that are due.
    public mutating func tick() -> [Timer] {
        now += 1
        let index = now % slots.count
        let due = slots[index].filter { $0.tick <= now }
        if !due.isEmpty {
            slots[index].removeAll { $0.tick <= now }
            count -= due.count
        }
        return due
    }
}
