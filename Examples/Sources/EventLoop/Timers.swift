// SPDX-License-Identifier: Apache-2.0

import URing

/// Names a handler that is called at a time.
public struct LoopTimer: BitwiseCopyable, Sendable, Hashable {
    /// When it is due, as `TimeoutClock.monotonic.now` counts it.
    public let deadline: Duration
    /// Which of several with the same deadline it is.
    let number: UInt64
}

/// The timers of a loop, the next one last.
struct TimerList {
    private var timers: [(name: LoopTimer, handler: (inout EventLoop) -> Void)] = []
    private var count: UInt64 = 0

    var isEmpty: Bool { timers.isEmpty }

    var nextDeadline: Duration? { timers.last?.name.deadline }

    mutating func insert(at deadline: Duration, _ handler: @escaping (inout EventLoop) -> Void) -> LoopTimer {
        count += 1
        let name = LoopTimer(deadline: deadline, number: count)
        timers.insert((name, handler), at: position(of: name))
        return name
    }

    mutating func remove(_ name: LoopTimer) {
        let position = position(of: name)
        if position < timers.count && timers[position].name == name { timers.remove(at: position) }
    }

    mutating func popNext() -> ((inout EventLoop) -> Void)? {
        timers.popLast()?.handler
    }

    /// How many are due later than this one.
    private func position(of name: LoopTimer) -> Int {
        var range = 0..<timers.count
        while !range.isEmpty {
            let middle = (range.lowerBound + range.upperBound) / 2
            let other = timers[middle].name
            if (other.deadline, other.number) > (name.deadline, name.number) {
                range = (middle + 1)..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        return range.lowerBound
    }
}

extension EventLoop {
    /// Has a handler called at a time, once.
    ///
    /// - Parameters:
    ///   - deadline: The time, as `TimeoutClock.monotonic.now` counts it; at once if it is past.
    ///   - handler: What is called, after those of earlier deadlines, and those that were scheduled for the same one before.
    /// - Returns: The handler's name.
    @discardableResult
    public mutating func schedule(at deadline: Duration, _ handler: @escaping (inout EventLoop) -> Void) -> LoopTimer {
        looksFirst = true
        return timers.insert(at: deadline, handler)
    }

    /// Has a handler called after a time, once; see ``schedule(at:_:)``.
    @discardableResult
    public mutating func schedule(after time: Duration, _ handler: @escaping (inout EventLoop) -> Void) -> LoopTimer {
        schedule(at: TimeoutClock.monotonic.now + time, handler)
    }

    /// Sees to it that a handler is not called any more.
    public mutating func cancel(_ timer: LoopTimer) {
        timers.remove(timer)
    }

    mutating func runTimer() -> Bool {
        guard let deadline = timers.nextDeadline, deadline <= TimeoutClock.monotonic.now, let handler = timers.popNext() else {
            return false
        }
        handler(&self)
        return true
    }
}
