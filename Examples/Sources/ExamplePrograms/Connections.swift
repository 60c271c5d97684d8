// SPDX-License-Identifier: Apache-2.0

import CompletionPrograms
import Synchronization
import SystemPackage
import URing

/// A number that the programs of one ring change and other threads look at.
///
/// The programs read it, compute and write it back with plain loads and stores: they never run at the same time, so nobody can come between.
public final class SharedTally: Sendable {
    private let word = Atomic<Int>(0)

    /// Makes a number that is zero.
    public init() {}

    /// Adds one, for a program.
    func increment() {
        // Release: who sees the number sees what was done before.
        word.store(word.load(ordering: .relaxed) + 1, ordering: .releasing)
    }

    /// The number.
    public var count: Int { word.load(ordering: .acquiring) }
}

/// Accepts connections, and attaches a program for each.
public final class ListenerProgram: CompletionProgram {
    private let listener: Descriptor
    private let connectionCount: Int
    private let byteCount: Int
    private let replies: SharedTally
    private var accepted = 0

    /// Makes a program that accepts so many connections, whose requests have so many bytes.
    public init(listener: consuming Descriptor, connectionCount: Int, byteCount: Int, replies: SharedTally) {
        self.listener = listener
        self.connectionCount = connectionCount
        self.byteCount = byteCount
        self.replies = replies
    }

    public func start(in context: inout ProgramContext) throws {
        try context.prepare(AcceptMultishot(listener))
    }

    public func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        switch completion.event(AcceptMultishot<Descriptor>.self) {
        case .more(let result):
            try attach(result.get(), in: &context)
        case .finished(let completed):
            try attach(completed.result.get(), in: &context)
            if accepted < connectionCount { try start(in: &context) }
        }
        // What is still in flight is the accept, which ends with the last connection.
        if accepted == connectionCount { context.finish() }
    }

    private func attach(_ connection: consuming Descriptor, in context: inout ProgramContext) {
        accepted += 1
        context.attach(ReplyingProgram(connection: connection, byteCount: byteCount, replies: replies))
    }
}

/// Sends back what comes in on a connection, with one operation pending, until the other side closes it.
final class ReplyingProgram: CompletionProgram {
    private let connection: Descriptor
    private let byteCount: Int
    private let replies: SharedTally

    init(connection: consuming Descriptor, byteCount: Int, replies: SharedTally) {
        self.connection = connection
        self.byteCount = byteCount
        self.replies = replies
    }

    func start(in context: inout ProgramContext) throws {
        try receive(into: Buffer(byteCapacity: byteCount), in: &context)
    }

    func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        if completion.is(Receive<Buffer>.self) {
            let receive = completion.take(Receive<Buffer>.self)
            let count = try receive.result.get()
            guard count > 0 else { return context.finish() }
            try context.prepare(Send(connection, from: receive.operation.memory, flags: .waitAll))
        } else {
            let send = completion.take(Send<Buffer>.self)
            _ = try send.result.get()
            replies.increment()
            try receive(into: send.operation.memory, in: &context)
        }
    }

    private func receive(into buffer: consuming Buffer, in context: inout ProgramContext) throws {
        // A request is complete when it has all its bytes; it has fewer when the connection ends.
        try context.prepare(Receive(connection, into: buffer, flags: .waitAll))
    }
}

/// Sends requests over a connection, one after the other's reply, compares, and posts how many replies there were.
public final class RequestingProgram: CompletionProgram {
    /// What it posts: how many replies it got.
    public static let replied: UInt16 = 1

    private let address: SocketAddress
    private let requestCount: Int
    private let byteCount: Int
    private var connection: Descriptor?
    private var replyCount = 0

    /// Makes a program that connects to an address and sends so many requests of so many bytes.
    public init(address: SocketAddress, requestCount: Int, byteCount: Int) {
        self.address = address
        self.requestCount = requestCount
        self.byteCount = byteCount
    }

    public func start(in context: inout ProgramContext) throws {
        let socket = try Descriptor.socket(address.domain, .stream)
        try context.prepare(Connect(socket, to: address))
        connection = consume socket
    }

    public func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        if completion.is(Connect.self) {
            try completion.take(Connect.self).result.get()
            try request(Buffer(byteCapacity: byteCount), in: &context)
        } else if completion.is(Send<Buffer>.self) {
            let send = completion.take(Send<Buffer>.self)
            _ = try send.result.get()
            try context.prepare(Receive(send.operation.file, into: send.operation.memory, flags: .waitAll))
        } else {
            let receive = completion.take(Receive<Buffer>.self)
            let count = try receive.result.get()
            let isWhole = isReply(receive.operation.memory)
            guard count == byteCount, isWhole else { throw ReplyError() }
            replyCount += 1
            if replyCount < requestCount {
                try request(receive.operation.memory, in: &context)
            } else {
                try context.post(ProgramMessage(kind: RequestingProgram.replied, value: UInt32(replyCount)))
                context.finish()
            }
        }
    }

    private func isReply(_ buffer: borrowing Buffer) -> Bool {
        let bytes = buffer.span
        return bytes.indices.allSatisfy { bytes[$0] == pattern }
    }

    private var pattern: UInt8 { UInt8(truncatingIfNeeded: replyCount) }

    private func request(_ buffer: consuming Buffer, in context: inout ProgramContext) throws {
        buffer.truncate(to: 0)
        buffer.append(repeating: pattern, count: byteCount)
        guard let connection = connection?.hold() else { return }
        try context.prepare(Send(connection, from: buffer, flags: .waitAll))
    }
}

/// A reply that is not the request.
public struct ReplyError: Error, CustomStringConvertible {
    /// The error in words.
    public var description: String { "a reply was not what had been sent" }
}
