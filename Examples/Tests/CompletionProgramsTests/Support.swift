// SPDX-License-Identifier: Apache-2.0

import CompletionPrograms
import Foundation
import SystemPackage
import URing

/// A program made of closures.
final class TestProgram: CompletionProgram {
    private let onStart: (inout ProgramContext) throws -> Void
    private let onCompletion: (consuming ProgramCompletion, inout ProgramContext) throws -> Void

    init(
        start: @escaping (inout ProgramContext) throws -> Void,
        completed: @escaping (consuming ProgramCompletion, inout ProgramContext) throws -> Void = { _, _ in }
    ) {
        onStart = start
        onCompletion = completed
    }

    func start(in context: inout ProgramContext) throws {
        try onStart(&context)
    }

    func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        try onCompletion(completion, &context)
    }
}

extension MainLoop {
    /// All that programs post until the last of them has finished.
    mutating func allEvents() throws -> [ProgramMessage] {
        var messages: [ProgramMessage] = []
        while let event = try nextEvent() { messages.append(event.message) }
        return messages
    }
}

/// A file that goes with this value.
final class TemporaryFile: Sendable {
    let path: String

    init(_ bytes: [UInt8] = []) throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("uring-programs-\(UUID().uuidString)").path
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    var contents: [UInt8] {
        get throws { try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))) }
    }

    func open() throws(Errno) -> Descriptor {
        try Descriptor(opening: FilePath(path), .readWrite)
    }
}

/// Bytes that differ from place to place.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ ($0 >> 8) &* 7) }
}

/// Runs something on a thread of its own, which ends with it, and waits for that.
func onThread(_ body: @escaping @Sendable () throws -> Void) throws {
    let outcome = Outcome()
    let done = FutexWord()
    Thread.detachNewThread {
        outcome.set(Result(catching: body))
        done.value = 1
        done.wake()
    }
    while done.value == 0 { _ = try? done.wait(while: 0) }
    try outcome.get()
}

private final class Outcome: @unchecked Sendable {
    private let lock = NSLock()
    private var result: Result<Void, any Error>?

    func set(_ newResult: Result<Void, any Error>) {
        lock.withLock { result = newResult }
    }

    func get() throws {
        try lock.withLock { result }?.get()
    }
}
