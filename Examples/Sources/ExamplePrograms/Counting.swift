// SPDX-License-Identifier: Apache-2.0

import CompletionPrograms
import URing

/// A number that the programs of one ring count in, without a lock: they never run at the same time.
public final class Tally {
    /// The number.
    public var count = 0

    /// Makes a number that is zero.
    public init() {}
}

/// Counts ticks of a timer in a number that it shares, and posts once how far that had got with its last tick.
public final class CountingProgram: CompletionProgram {
    /// What it posts.
    public static let counted: UInt16 = 1

    private let tickCount: Int
    private let interval: Duration
    private let tally: Tally
    private var count = 0

    /// Makes a program that counts so many ticks, each some time after the one before.
    public init(tickCount: Int, interval: Duration, tally: Tally) {
        self.tickCount = tickCount
        self.interval = interval
        self.tally = tally
    }

    public func start(in context: inout ProgramContext) throws {
        try context.prepare(Timeout(after: interval))
    }

    public func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        let completed = completion.take(Timeout.self)
        _ = try completed.result.get()
        // Read, computed and written back with the operations of all others in flight.
        let counted = tally.count + 1
        count += 1
        if count < tickCount {
            try context.prepare(completed.operation)
        } else {
            try context.post(ProgramMessage(kind: CountingProgram.counted, value: UInt32(counted)))
            context.finish()
        }
        tally.count = counted
    }
}
