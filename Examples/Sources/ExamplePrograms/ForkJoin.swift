// SPDX-License-Identifier: Apache-2.0

import CompletionPrograms
import SystemPackage
import URing

/// Reads at so many places of a file at once, waits until all of them are there, and posts one event for that; and again.
public final class ForkJoinProgram: CompletionProgram {
    /// What it posts for each join: how many bytes the reads got.
    public static let joined: UInt16 = 1

    private let file: Descriptor
    private let readCount: Int
    private let byteCount: Int
    private var joinCount: Int
    /// The barrier: how many reads are not back.
    private var outstanding = 0
    private var sum: UInt32 = 0

    /// Makes a program that reads so many bytes at so many places at once, so many times.
    public init(file: consuming Descriptor, readCount: Int, byteCount: Int, joinCount: Int) {
        self.file = file
        self.readCount = readCount
        self.byteCount = byteCount
        self.joinCount = joinCount
    }

    public func start(in context: inout ProgramContext) throws {
        for index in 0..<readCount {
            let position = UInt64(index * byteCount)
            try context.prepare(Read(file, into: Buffer(byteCapacity: byteCount), at: .offset(position)), label: position)
            outstanding += 1
        }
    }

    public func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        let read = completion.take(Read<Buffer>.self)
        sum += UInt32(try read.result.get())
        outstanding -= 1
        guard outstanding == 0 else { return }
        try context.post(ProgramMessage(kind: ForkJoinProgram.joined, value: sum))
        sum = 0
        joinCount -= 1
        if joinCount > 0 { try start(in: &context) } else { context.finish() }
    }
}
