// SPDX-License-Identifier: Apache-2.0

import Sharding
import Support
import SystemPackage
import URing

/// What one thread did.
struct ShardReport: Sendable {
    var connections = 0
    var receives = 0
    var bytes = 0
}

/// The echo server of one thread, whose connections come from another ring.
struct EchoShard: Shard, ~Copyable {
    private enum Tag {
        case message
        case receive
        case send
    }

    private var ring: Ring<Tag>
    private let table: FileTable
    private let bufferByteCount: Int
    private var report = ShardReport()

    init(connectionLimit: Int, bufferByteCount: Int) throws {
        var ring = try Ring<Tag>(entries: 1024)
        table = try attempt("Cannot make a table for \(connectionLimit) connections") { () throws(FileTableError) in
            try ring.makeFileTable(count: connectionLimit)
        }
        self.ring = ring
        self.bufferByteCount = bufferByteCount
    }

    /// Makes what others reach this thread by.
    mutating func makeHandle() throws(Errno) -> RingHandle {
        try ring.makeHandle(messageTag: .message, receivingInto: table)
    }

    /// Serves until a message says to stop.
    consuming func run() throws -> ShardReport {
        loop: while true {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .message:
                    switch completion.takeMessage() {
                    case .directDescriptor(let connection, _): try begin(connection)
                    case .value(_, label: ShardMessage.stop): break loop
                    default: break
                    }
                case .receive: try sendBack(completion.take(Receive<Buffer>.self))
                case .send: try receiveNext(completion.take(Send<Buffer>.self))
                }
            }
        }
        let leftovers = ring.close()
        if !leftovers.isEmpty { complain("\(leftovers.leakedOperations) operations did not end in time.\n") }
        return report
    }

    private mutating func begin(_ connection: consuming DirectDescriptor) throws {
        report.connections += 1
        // The operation holds the slot; when the last one of the connection is dropped, the slot is empty again.
        try ring.prepare(Receive(connection, into: Buffer(byteCapacity: bufferByteCount)), tag: .receive)
    }

    /// Sends back what was received; at the end of the connection it is closed with the operation that is dropped.
    private mutating func sendBack(_ completed: consuming Completed<Receive<Buffer>>) throws {
        guard case .success(let count) = completed.result, count > 0 else { return }
        report.receives += 1
        report.bytes += count
        try ring.prepare(Send(completed.operation.file, from: completed.operation.memory), tag: .send)
    }

    private mutating func receiveNext(_ completed: consuming Completed<Send<Buffer>>) throws {
        guard case .success(let count) = completed.result else { return }
        completed.operation.start += count
        if completed.operation.start < completed.operation.memory.count {
            // The socket took only a part: the same operation sends the rest.
            try ring.prepare(completed.operation, tag: .send)
        } else {
            try ring.prepare(Receive(completed.operation.file, into: completed.operation.memory), tag: .receive)
        }
    }
}
