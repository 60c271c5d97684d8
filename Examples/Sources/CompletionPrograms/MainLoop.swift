// SPDX-License-Identifier: Apache-2.0

import CThread
import Synchronization
import SystemPackage
import URing

/// The ring of the application, whose completion queue has nothing in it but what programs wanted it to know.
///
/// Programs run on rings of their own, each on a thread that stands in for the kernel's. What they do among themselves does not wake the
/// application.
public struct MainLoop: ~Copyable {
    private enum Tag {
        case event
        case ended
        case stop
    }

    private var ring: Ring<Tag>
    /// Where programs post.
    let inbox: RingHandle
    private let endings: RingHandle
    private var reactors: [Reactor] = []
    private var runningCount = 0
    /// How many events there have been.
    public private(set) var eventCount = 0

    /// Makes a main loop without reactors.
    ///
    /// - Parameter stop: What can be read when the application is to stop, for which ``nextEvent()`` then throws ``ProgramError/stopped``;
    ///   it is not read here.
    /// - Throws: Why there is no ring, or that the kernel does not let threads send to rings, as before Linux 6.13.
    public init(stop: UnownedDescriptor? = nil) throws {
        var ring = try Ring<Tag>(entries: 8)
        if let stop { try ring.prepare(Poll(stop, for: .input), tag: .stop) }
        let inbox = try ring.makeHandle(messageTag: .event)
        let endings = try ring.makeHandle(messageTag: .ended)
        // A thread that could not say that it has ended would be waited for without end.
        do throws(Errno) { try endings.wake() } catch { throw ProgramError.noMessages(error) }
        self.inbox = inbox
        self.endings = endings
        self.ring = ring
    }

    /// Starts a thread that runs programs, until the last one has finished.
    ///
    /// - Parameters:
    ///   - entries: How many operations can be queued between two system calls.
    ///   - options: How the programs' ring is set up.
    ///   - setUp: Attaches the first programs, on the new thread.
    /// - Returns: What the closure returns, such as addresses of programs.
    /// - Throws: What the closure throws, why there is no ring, or ``ProgramError/noThread(_:)``.
    @discardableResult
    public mutating func start<Value: Sendable>(
        entries: Int = 64, options: RingOptions = .recommended,
        _ setUp: @escaping @Sendable (inout ProgramContext) throws -> Value
    ) throws -> Value {
        let reactor = Reactor()
        let ready = Awaited<Value>()
        let (number, inbox, endings) = (UInt64(reactors.count), inbox, endings)
        // A thread of its own, not one of a queue's: the kernel cancels what a thread has submitted when it ends.
        let status = thread_start {
            do {
                var ring = try ProgramRing(entries: entries, options: options, inbox: inbox)
                ready.set(.success(try setUp(&ring.context)))
                try ring.run()
            } catch {
                // The first of the two is what counts, so this is nothing new for a thread that was ready.
                ready.set(.failure(error))
                reactor.fail(error)
            }
            try? endings.send(number)
        }
        if status < 0 { throw ProgramError.noThread(Errno(rawValue: -status)) }
        reactors.append(reactor)
        runningCount += 1
        return try ready.get()
    }

    /// Waits for what a program has to tell.
    ///
    /// - Returns: The event; nil when all reactors have ended, and everything they posted has been returned.
    /// - Throws: What ended a reactor, or ``ProgramError/stopped``; then the programs go on until the process ends.
    public mutating func nextEvent() throws -> ProgramEvent? {
        while true {
            while let completion = ring.nextCompletion() {
                let tag = completion.tag
                if case .stop = tag { throw ProgramError.stopped }
                guard case .value(let bits, let label) = completion.takeMessage() else { continue }
                switch tag {
                case .event:
                    eventCount += 1
                    return ProgramEvent(program: ProgramName(bits: bits), message: ProgramMessage(bits: bits, label: label))
                case .ended:
                    runningCount -= 1
                    try reactors[Int(bits)].check()
                case .stop: break
                }
            }
            if runningCount == 0 { return nil }
            try ring.submit(waitingFor: 1)
        }
    }
}

/// How a thread with programs ended.
private final class Reactor: Sendable {
    private let failure = Mutex<(any Error)?>(nil)

    func fail(_ error: any Error) {
        failure.withLock { $0 = error }
    }

    func check() throws {
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

/// A value that another thread will have.
private final class Awaited<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let isThere = FutexWord(0)

    /// Sets the value, unless it is set.
    func set(_ newResult: Result<Value, any Error>) {
        result.withLock { $0 = $0 ?? newResult }
        isThere.value = 1
        isThere.wake()
    }

    func get() throws -> Value {
        while true {
            if let result = result.withLock({ $0 }) { return try result.get() }
            // A signal ends the wait as well.
            _ = try? isThere.wait(while: 0)
        }
    }
}
