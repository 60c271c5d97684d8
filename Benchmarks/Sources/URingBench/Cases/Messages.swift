// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Foundation
import Support
import Synchronization
import SystemPackage
import URing

extension Case {
    /// Messages there and back between the rings of two threads.
    static let messages = [false, true].map { sharesProcessor in
        Case(
            name: sharesProcessor ? "message-shared" : "message",
            summary: "Messages there and back between two threads on \(sharesProcessor ? "one processor" : "two processors")",
            operations: sharesProcessor ? 20_000 : 5_000,
            engines: [
                Engine(name: "uring") { operations in
                    try measure(operations: operations) { try uring(sharesProcessor: sharesProcessor, operations: operations) }
                },
                Engine(name: "c") { operations in
                    try measure(operations: operations) {
                        try check(baseline_message_uring(ringOptions.flags.rawValue, sharesProcessor, operations), "message")
                    }
                },
                Engine(name: "pipe") { operations in
                    try measure(operations: operations) { try check(baseline_message_pipe(sharesProcessor, operations), "message") }
                },
            ])
    }

    private static func uring(sharesProcessor: Bool, operations: Int) throws {
        var end = try MessageEnd()
        let handle = try end.makeHandle()
        let other = Mailbox<RingHandle>()
        let outcome = Mailbox<Void>()
        Thread.detachNewThread {
            let result = Result {
                try check(baseline_pin(sharesProcessor ? 0 : 1), "sched_setaffinity")
                var end = try MessageEnd()
                other.put(.success(try end.makeHandle()))
                try end.answer(handle, count: operations)
            }
            if case .failure(let error) = result {
                // The other thread would wait for ever: for the handle, or for a message. No message has this number.
                other.put(.failure(error))
                try? handle.send(.max)
            }
            outcome.put(result)
        }
        let peer = try other.take()
        for number in 0..<UInt64(operations) {
            try end.send(2 * number, to: peer)
            try end.expect(2 * number + 1, besides: 1)
        }
        try outcome.take()
    }

    /// Measures a function that exchanges messages with another thread.
    private static func measure(operations: Int, _ body: () throws -> Void) throws -> Sample {
        try check(baseline_pin(0), "sched_setaffinity")
        defer { _ = baseline_unpin() }
        let stopwatch = Stopwatch()
        try body()
        return stopwatch.sample(operations: operations)
    }
}

/// One of two rings that send each other messages.
private struct MessageEnd: ~Copyable {
    private enum Tag: BitwiseCopyable { case sent, message }

    private var ring: Ring<Tag>

    init() throws {
        ring = try Ring(entries: 4, options: ringOptions)
    }

    mutating func makeHandle() throws -> RingHandle {
        try ring.makeHandle(messageTag: .message)
    }

    mutating func send(_ number: UInt64, to other: RingHandle) throws {
        try ring.prepare(SendRingMessage(number, to: other), tag: .sent)
    }

    /// Waits for a message, and for the completions of those that this end has sent.
    mutating func expect(_ number: UInt64, besides sentCount: Int) throws {
        var messageCount = 0
        var left = sentCount + 1
        while left > 0 {
            try ring.submit(waitingFor: left)
            while left > 0, let completion = ring.nextReadyCompletion() {
                left -= 1
                switch completion.tag {
                case .sent: try completion.take(SendRingMessage.self).result.get()
                case .message:
                    guard case .value(number, label: 0) = completion.takeMessage() else { throw Failure("A message is wrong.") }
                    messageCount += 1
                }
            }
        }
        if messageCount != 1 { throw Failure("A message is missing.") }
    }

    /// Answers so many messages, each with the next number.
    mutating func answer(_ other: RingHandle, count: Int) throws {
        try expect(0, besides: 0)
        for number in 1..<UInt64(count) {
            try send(2 * number - 1, to: other)
            try expect(2 * number, besides: 1)
        }
        try send(2 * UInt64(count) - 1, to: other)
        try ring.submit(waitingFor: 1)
        try ring.nextReadyCompletion()?.take(SendRingMessage.self).result.get()
    }
}

/// What one thread puts and another waits for.
private final class Mailbox<Value: Sendable>: Sendable {
    private let contents = Mutex<Result<Value, any Error>?>(nil)
    private let isFull = FutexWord(0)

    /// Puts something in, unless there is something already.
    func put(_ result: Result<Value, any Error>) {
        contents.withLock { if $0 == nil { $0 = result } }
        isFull.value = 1
        isFull.wake()
    }

    /// Waits until something is there.
    func take() throws -> Value {
        while true {
            if let result = contents.withLock({ $0 }) { return try result.get() }
            // A signal ends the wait as well.
            _ = try? isFull.wait(while: 0)
        }
    }
}
