// SPDX-License-Identifier: Apache-2.0

import CEventLoop
import SystemPackage
import URing

/// Names a handler that is called when the process has got a signal.
public struct SignalWatch: BitwiseCopyable, Sendable, Hashable {
    /// The signal's number.
    public let signal: Int32
    let number: UInt64
}

/// The signals that a loop handles.
struct SignalTable: ~Copyable {
    struct Entry {
        let name: SignalWatch
        let handler: (inout EventLoop, Int) -> Void
        /// How many deliveries it was called for, or does not care about.
        var seenCount: UInt64
    }

    var entries: [Entry] = []
    /// How many deliveries of all signals have been looked at.
    var seenTotal: UInt64 = 0
    /// Which of the handlers is looked at first, so that one signal does not keep others waiting.
    var next = 0
    /// What signals write to, so that one that comes just before a wait ends it.
    var waker: Int32 = -1
    private var count: UInt64 = 0

    var isEmpty: Bool { entries.isEmpty }

    mutating func append(_ signal: Int32, _ handler: @escaping (inout EventLoop, Int) -> Void) -> SignalWatch {
        count += 1
        let name = SignalWatch(signal: signal, number: count)
        entries.append(Entry(name: name, handler: handler, seenCount: event_loop_signal_count(signal)))
        return name
    }

    deinit {
        for entry in entries { event_loop_signal_release(entry.name.signal) }
        if waker >= 0 { event_loop_waker_close(waker) }
    }
}

extension EventLoop {
    /// Has a handler called when the process gets a signal, in place of what it would do about it otherwise.
    ///
    /// The loop's thread does not block the signal any more. All loops that handle it are told. Every delivery counts; those that come before
    /// the handler's turn are told to it together.
    ///
    /// - Parameters:
    ///   - signal: The signal's number, such as `SIGHUP`.
    ///   - handler: What is called, with the number of deliveries since it was called last.
    /// - Returns: The handler's name.
    /// - Throws: `EINVAL` if there is no such signal, or it cannot be handled.
    @discardableResult
    public mutating func onSignal(_ signal: Int32, _ handler: @escaping (inout EventLoop, Int) -> Void) throws(Errno) -> SignalWatch {
        if signals.waker < 0 {
            signals.waker = try checked(event_loop_waker_make())
            enqueue(add(.signalWake))
        }
        try checked(event_loop_signal_retain(signal))
        looksFirst = true
        return signals.append(signal, handler)
    }

    /// Sees to it that a handler is not called any more; when it was the signal's last, the signal does what it did before.
    public mutating func cancel(_ watch: SignalWatch) {
        guard let index = signals.entries.firstIndex(where: { $0.name == watch }) else { return }
        signals.entries.remove(at: index)
        event_loop_signal_release(watch.signal)
    }

    mutating func runSignal() -> Bool {
        // Read first: a delivery is in its own count before it is in this.
        let total = event_loop_signal_total()
        guard total != signals.seenTotal else { return false }
        for offset in signals.entries.indices {
            let index = (signals.next + offset) % signals.entries.count
            let entry = signals.entries[index]
            let delivered = event_loop_signal_count(entry.name.signal)
            guard delivered != entry.seenCount else { continue }
            signals.entries[index].seenCount = delivered
            signals.next = index + 1
            entry.handler(&self, Int(delivered - entry.seenCount))
            return true
        }
        signals.seenTotal = total
        return false
    }

    mutating func prepareSignalWake(_ place: UInt32) throws(Errno) {
        guard sources[Int(place)].inFlightCount == 0 else { return }
        let waker = UnownedDescriptor(FileDescriptor(rawValue: signals.waker))
        try ring.prepare(Poll(waker, for: .input), tag: Tag(index: place, arming: 0))
        sources[Int(place)].inFlightCount += 1
    }

    mutating func completeSignalWake(_ completion: consuming Completion<Tag>, at place: UInt32) {
        event_loop_clear(signals.waker)
        enqueue(place)
    }
}
