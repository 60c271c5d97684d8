// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import URing

private enum Tag {
    case stop
    case accept
    case pause
    case handOver
    case shardEnded
}

/// Accepts connections on the program's first thread, and hands them to the other threads in turn.
///
/// A connection is never a number here: it is accepted into this ring's file table, and sent from there into that of another ring.
public struct Acceptor<Report: Sendable>: ~Copyable {
    /// Whether there is an accept in flight.
    private enum Accepting {
        case not
        case armed(Token<AcceptMultishot<DirectDescriptor>>)
        case pausing
    }

    /// How many connections may be on their way before no more are accepted until some have arrived: as many again can have been accepted
    /// by then as there is room for completions.
    private static var pauseCount: Int { 512 }

    private var ring: Ring<Tag>
    private let table: FileTable
    private let listener: FileHold
    private let handle: RingHandle

    private var shards: [ShardThread<Report>] = []
    private var nextShard = 0
    private var accepting = Accepting.not
    private var refusedCount = 0

    /// Makes an acceptor without shards.
    ///
    /// - Parameters:
    ///   - listener: What accepts.
    ///   - stop: A descriptor that can be read when the program is to end.
    /// - Throws: A ``Failure``, or a ring's error, if there is no room for so much.
    public init(listener: borrowing Descriptor, stop: UnownedDescriptor) throws {
        var ring = try Ring<Tag>(entries: 256)
        // Connections stay here only until another ring has them.
        let table = try attempt("Cannot have \(2 * Self.pauseCount) connections on their way") { () throws(FileTableError) in
            try ring.makeFileTable(count: 2 * Self.pauseCount)
        }
        let handle = try ring.makeHandle(messageTag: .shardEnded)
        try ring.prepare(Read(stop, into: Buffer(byteCapacity: 128)), tag: .stop)
        self.table = table
        self.handle = handle
        self.ring = ring
        self.listener = listener.hold()
    }

    /// Starts another thread, and waits until it serves.
    ///
    /// - Parameter makeShard: Makes what serves there, on that thread.
    /// - Throws: What making it throws, or a ``Failure`` if there is no thread.
    public mutating func startShard<Serving: Shard & ~Copyable>(
        _ makeShard: @escaping @Sendable () throws -> Serving
    ) throws where Serving.Report == Report {
        let shard = try ShardThread<Report>(number: shards.count, acceptor: handle, makeShard)
        try shard.waitUntilServing()
        shards.append(shard)
    }

    /// Where to send messages to the shards, in the order in which they were started.
    public var handles: [RingHandle] {
        get throws { try shards.map { try $0.handle } }
    }

    /// Hands out connections until the stop descriptor can be read, and then ends the threads.
    ///
    /// - Returns: What the threads have to say, and how many connections were turned away.
    /// - Throws: A ``Failure`` if accepting or a thread has failed.
    public mutating func run() throws -> (reports: [Report], refusedCount: Int) {
        try startAccepting()
        loop: while true {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .stop: break loop
                case .accept: try accept(completion.event(AcceptMultishot<DirectDescriptor>.self))
                // The accept itself says that it was cancelled.
                case .pause: break
                case .handOver: try handedOver(completion.take(SendRingDescriptor.self))
                case .shardEnded:
                    // None ends by itself but for an error.
                    _ = try shards[shardNumber(completion.takeMessage())].report()
                }
            }
        }
        return (try stopShards(), refusedCount)
    }

    private mutating func startAccepting() throws {
        accepting = .armed(try ring.prepare(AcceptMultishot(listener, into: table), tag: .accept))
    }

    private mutating func accept(_ event: consuming Event<AcceptMultishot<DirectDescriptor>>) throws {
        switch consume event {
        case .more(let result):
            try handOver(result)
            try pauseIfManyAreOnTheirWay()
        case .finished(let completed):
            accepting = .not
            let ending = completed.ending
            try handOver(completed.result)
            switch ending {
            case .rearm, .completionQueueFull, .failed(.connectionAbort), .cancelled: try goOnAccepting()
            // The kernel has turned this one away. The next connection that is handed over leaves a slot, see `handedOver`.
            case .tableFull:
                refusedCount += 1
                if table.usedCount == 0 { try startAccepting() }
            case .failed(let errno): throw Failure("Cannot accept connections: \(errno)")
            // The other reasons are not an accept's.
            default: break
            }
        }
    }

    private mutating func pauseIfManyAreOnTheirWay() throws {
        guard table.usedCount >= Self.pauseCount, case .armed(let accept) = accepting else { return }
        try ring.prepare(Cancel(accept), tag: .pause)
        accepting = .pausing
    }

    /// Accepts again when there is room for it.
    private mutating func goOnAccepting() throws {
        guard case .not = accepting, table.usedCount < Self.pauseCount else { return }
        try startAccepting()
    }

    private mutating func handOver(_ result: consuming Result<DirectDescriptor, Errno>) throws {
        guard case .success(let connection) = consume result else { return }
        try ring.prepare(SendRingDescriptor(connection, to: shards[nextShard].handle), tag: .handOver)
        nextShard = (nextShard + 1) % shards.count
    }

    /// Gives this ring's slot back, which closes a connection that the other ring has no slot for.
    private mutating func handedOver(_ completed: consuming Completed<SendRingDescriptor>) throws {
        switch completed.result {
        case .success: break
        case .failure(.fileTableFull): refusedCount += 1
        case .failure(let errno): throw Failure("Cannot hand a connection to another thread: \(errno)")
        }
        drop(completed)
        try goOnAccepting()
    }

    /// Asks the threads to end, and waits for their messages that they have.
    private mutating func stopShards() throws -> [Report] {
        for shard in shards {
            let handle = try shard.handle
            try attempt("Cannot reach a thread") { () throws(Errno) in try handle.send(0, label: ShardMessage.stop) }
        }
        var reports: [Int: Report] = [:]
        while reports.count < shards.count {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextReadyCompletion() {
                guard case .shardEnded = completion.tag else { continue }
                let number = shardNumber(completion.takeMessage())
                reports[number] = try shards[number].report()
            }
        }
        return shards.indices.compactMap { reports[$0] }
    }

    private func shardNumber(_ message: consuming RingMessage) -> Int {
        guard case .value(let number, _) = consume message else { return 0 }
        return Int(number)
    }
}

private func drop<Value: ~Copyable>(_: consuming Value) {}
