// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import URing

/// The echo server on a ring.
///
/// There is no table of connections: a connection is the operation in flight for it, which holds its socket and its buffer. Both go from
/// the receive to the send and back, without an allocation; when an operation is dropped, the socket is closed and the buffer freed.
struct RingServer: ~Copyable {
    private enum Tag {
        case stop
        case accept
        case receive
        case send
    }

    private var ring: Ring<Tag>
    private let listener: FileHold
    private let connectionLimit: Int
    private let bufferByteCount: Int

    private var openCount = 0
    private var isAccepting = false
    private var report = ServerReport()

    init(listener: borrowing Descriptor, stop: UnownedDescriptor, connectionLimit: Int, bufferByteCount: Int) throws {
        var ring = try Ring<Tag>(entries: 1024)
        try ring.prepare(Read(stop, into: Buffer(byteCapacity: 128)), tag: .stop)
        self.ring = ring
        self.listener = listener.hold()
        self.connectionLimit = connectionLimit
        self.bufferByteCount = bufferByteCount
    }

    /// Serves until the stop descriptor can be read.
    consuming func run() throws -> ServerReport {
        try startAccepting()
        loop: while true {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextCompletion() {
                switch completion.tag {
                case .stop: break loop
                case .accept: try accept(completion.event(AcceptMultishot<Descriptor>.self))
                case .receive: try sendBack(completion.take(Receive<Buffer>.self))
                case .send: try receiveNext(completion.take(Send<Buffer>.self))
                }
            }
        }
        // Cancels what is in flight and waits for the kernel to let go; that closes the connections.
        let leftovers = ring.close()
        if !leftovers.isEmpty { complain("\(leftovers.leakedOperations) operations did not end in time.\n") }
        return report
    }

    private mutating func startAccepting() throws {
        try ring.prepare(AcceptMultishot(listener), tag: .accept)
        isAccepting = true
    }

    private mutating func accept(_ event: consuming Event<AcceptMultishot<Descriptor>>) throws {
        switch consume event {
        case .more(let result):
            try begin(result)
        case .finished(let completed):
            isAccepting = false
            let ending = completed.ending
            try begin(completed.result)
            switch ending {
            case .rearm, .failed(.connectionAbort): try startAccepting()
            // Too many files are open, or memory is short: the end of a connection helps, see `end`.
            case .failed where openCount > 0: break
            case .failed(let errno): throw Failure("Cannot accept connections: \(errno)")
            // Cancelled; the other reasons are not an accept's.
            default: break
            }
        }
    }

    private mutating func begin(_ result: consuming Result<Descriptor, Errno>) throws {
        guard case .success(let socket) = consume result else { return }
        guard openCount < connectionLimit else {
            report.refusedConnections += 1
            return
        }
        openCount += 1
        report.connections += 1
        try ring.prepare(Receive(socket, into: Buffer(byteCapacity: bufferByteCount)), tag: .receive)
    }

    private mutating func sendBack(_ completed: consuming Completed<Receive<Buffer>>) throws {
        guard case .success(let count) = completed.result, count > 0 else { return try end() }
        report.receives += 1
        report.bytes += count
        try ring.prepare(Send(completed.operation.file, from: completed.operation.memory), tag: .send)
    }

    private mutating func receiveNext(_ completed: consuming Completed<Send<Buffer>>) throws {
        guard case .success(let count) = completed.result else { return try end() }
        completed.operation.start += count
        if completed.operation.start < completed.operation.memory.count {
            // The socket took only a part: the same operation sends the rest.
            try ring.prepare(completed.operation, tag: .send)
        } else {
            try ring.prepare(Receive(completed.operation.file, into: completed.operation.memory), tag: .receive)
        }
    }

    /// Counts a connection that ended; its socket is closed with the operation that the caller drops.
    private mutating func end() throws {
        openCount -= 1
        if !isAccepting { try startAccepting() }
    }
}
