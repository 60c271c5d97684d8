// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// A ring with programs attached to it, and the loop that calls them.
///
/// It belongs to one thread, which runs all of its programs; ``MainLoop/start(entries:options:_:)`` makes one on a thread of its own.
public struct ProgramRing: ~Copyable {
    /// What programs can do, and steps as well.
    public var context: ProgramContext
    /// How many completions have been taken, which wraps: the head of the completion queue.
    public private(set) var completionIndex: UInt32 = 0

    /// Makes a ring without programs.
    ///
    /// - Parameters:
    ///   - entries: How many operations can be queued between two system calls.
    ///   - options: How the ring is set up.
    ///   - mainLoop: Where programs post what they have to say.
    /// - Throws: Why there is no ring.
    public init(entries: Int = 64, options: RingOptions = .recommended, mainLoop: borrowing MainLoop) throws {
        context = try ProgramContext(entries: entries, options: options, mainLoop: mainLoop.inbox)
    }

    /// Makes a ring whose programs have no main loop.
    ///
    /// - Parameters:
    ///   - entries: How many operations can be queued between two system calls.
    ///   - options: How the ring is set up.
    /// - Throws: Why there is no ring.
    public init(entries: Int = 64, options: RingOptions = .recommended) throws {
        context = try ProgramContext(entries: entries, options: options, mainLoop: nil)
    }

    init(entries: Int, options: RingOptions, inbox: RingHandle) throws {
        context = try ProgramContext(entries: entries, options: options, mainLoop: inbox)
    }

    /// Calls programs until the last one has finished.
    ///
    /// - Throws: What a program threw. The others have then stopped where they were; dropping the ring cancels what is in flight.
    public mutating func run() throws {
        var step = ProgramStep()
        try run(&step)
    }

    /// Calls a step, submits and waits, again and again, until the step says stop.
    ///
    /// - Throws: What the step threw, and the kernel's word on a submission as a whole.
    public mutating func run(_ step: inout some LoopStep & ~Copyable) throws {
        var waitIndex = completionIndex
        while try step.loopStep(&self, waitIndex: &waitIndex) == .continue {
            let missing = Int(Int32(bitPattern: waitIndex &- completionIndex))
            if missing > 0 {
                try context.ring.submit(waitingFor: missing)
            } else {
                try context.ring.submit()
                // Nothing would ever complete otherwise, if the ring does not show that there is work.
                if context.flags.contains(.deferredTaskRun), !context.flags.contains(.showsPendingTaskRun) {
                    try context.ring.processPending()
                }
            }
        }
    }

    /// Takes the next completion, for a ``LoopStep`` that does without programs; nil when none is ready.
    ///
    /// Never a system call: what the kernel still has comes with the loop's next one, which submits what the step has queued.
    public mutating func nextCompletion() -> ProgramCompletion? {
        guard let completion = context.ring.nextReadyCompletion() else { return nil }
        completionIndex &+= 1
        return completion
    }

    /// Starts the programs that were attached.
    mutating func startPrograms() throws {
        for name in context.programs.takeStarting() {
            guard let program = context.programs[name] else { continue }
            context.current = name
            try program.start(in: &context)
        }
    }

    /// Brings a completion to where it belongs.
    mutating func dispatch(_ completion: consuming ProgramCompletion) throws {
        let tag = completion.tag
        switch tag.route {
        case .mailbox:
            guard case .value(let bits, let label) = completion.takeMessage() else { return }
            let name = ProgramName(bits: bits)
            guard let program = context.programs[name] else { return }
            context.current = name
            try program.received(ProgramMessage(bits: bits, label: label), in: &context)
        case .message:
            if case .failure = completion.take(SendRingMessage.self).result { throw ProgramError.undelivered }
        case .ending:
            return
        default:
            // Without a program, because that has finished, the completion is dropped, with what is in it.
            if let program = context.programs[tag.program] {
                context.current = tag.program
                try program.completed(completion, in: &context)
            }
            if tag.route != .plain { try prepareNext(in: SyncGroup(number: tag.route.rawValue)) }
        }
    }

    /// Gives the kernel the next operation of a group whose program has not finished.
    private mutating func prepareNext(in group: SyncGroup) throws {
        while let operation = context.groups.next(in: group) {
            guard context.programs[operation.tag.program] != nil else { continue }
            return try operation.prepare(on: &context.ring)
        }
    }

    /// Cancels what is in flight; the completions come as always.
    mutating func cancelAll() throws(Errno) {
        try context.ring.prepare(CancelAll(), tag: ProgramTag(program: .ring, label: 0, route: .ending))
    }
}
