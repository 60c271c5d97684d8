// SPDX-License-Identifier: Apache-2.0

import CompletionPrograms
import SystemPackage
import URing

/// The example of synchronisation groups in the discussion of 19 May 2021, with its five entries.
///
/// The first and third are of one group, the second and fourth of another, and the fifth is of none. The first two wait for words, so that
/// who holds those decides when each group goes on. Each entry is posted when it completes.
public final class FiveEntriesProgram: CompletionProgram {
    /// What it posts: the number of the entry.
    public static let completed: UInt16 = 1
    /// What it posts with the fifth entry: how many operations are in flight then.
    public static let inFlight: UInt16 = 2

    private let words: [FutexWord]
    private var remaining = 5

    /// Makes a program whose first two entries wait until the first two words are no longer zero.
    public init(words: [FutexWord]) {
        self.words = words
    }

    public func start(in context: inout ProgramContext) throws {
        let (first, second) = (context.makeSyncGroup(), context.makeSyncGroup())
        try context.prepare(FutexWait(words[0], while: 0), label: 1, in: first)
        try context.prepare(FutexWait(words[1], while: 0), label: 2, in: second)
        try context.prepare(Nop(), label: 3, in: first)
        try context.prepare(Nop(), label: 4, in: second)
        try context.prepare(Nop(), label: 5)
    }

    public func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        let label = completion.tag.label
        if completion.is(FutexWait.self) {
            _ = try completion.take(FutexWait.self).result.get()
        } else {
            _ = try completion.take(Nop.self).result.get()
        }
        if label == 5 {
            try context.post(ProgramMessage(kind: FiveEntriesProgram.inFlight, value: UInt32(context.inFlightCount)))
        }
        try context.post(ProgramMessage(kind: FiveEntriesProgram.completed, value: UInt32(label)))
        remaining -= 1
        if remaining == 0 { context.finish() }
    }
}
