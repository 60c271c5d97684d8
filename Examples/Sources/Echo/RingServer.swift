// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import URing

/// The echo server on a ring.
///
/// One operation accepts all connections, into the ring's file table. Each connection has one operation that receives again and again, into
/// whichever buffer of the pool the kernel picks when there is something, so idle connections have no buffer. The lease of a filled
/// buffer goes on to a send as it is, and the buffer is the kernel's again when that is done. No message allocates anything.
struct RingServer: ~Copyable {
    /// What an operation is doing, and for which connection: they go by their slots in the file table.
    private enum Tag {
        case stop
        case accept
        case receive(Int)
        case cancel
        case send(Int)
        case close
    }

    /// A connection and what is going on with it.
    private final class Connection {
        var socket: DirectDescriptor?
        /// What was received while earlier bytes are being sent: of two sends at a time, one could overtake the other.
        var unsent = LeaseQueue()
        var isSending = false
        var receiving = Receiving.ended
        /// Whether there is nothing more to be received.
        var hasEnded = false

        init(_ socket: consuming DirectDescriptor) {
            self.socket = consume socket
        }

        func hold() -> FileHold {
            guard let hold = socket?.hold() else { fatalError("A connection that is closed is not used.") }
            return hold
        }
    }

    /// Whether a connection has a receive in flight.
    private enum Receiving {
        case armed(Token<ReceiveMultishot>)
        case cancelled
        case ended
    }

    private var ring: Ring<Tag>
    private let listener: FileHold
    private let files: FileTable
    private let buffers: BufferRing
    /// How many buffers a connection may have unsent before it is made to wait, so that a slow one leaves some to the others.
    private let unsentLimit: Int

    private var connections: [Connection?]
    private var places: LeaseQueue.Places
    /// Connections that are to receive when there are buffers.
    private var waiting: [Int] = []
    private var isAccepting = false
    private var report = ServerReport()

    init(
        listener: borrowing Descriptor, stop: UnownedDescriptor, connectionLimit: Int, bufferCount: Int, bufferByteCount: Int
    ) throws {
        var ring = try Ring<Tag>(entries: 1024)
        let files = try attempt("Cannot have \(connectionLimit) connections") { () throws(FileTableError) in
            try ring.makeFileTable(count: connectionLimit)
        }
        let buffers = try ring.makeBufferRing(count: bufferCount, byteCount: bufferByteCount)
        try ring.prepare(Read(stop, into: Buffer(byteCapacity: 128)), tag: .stop)
        self.listener = listener.hold()
        self.files = files
        self.buffers = buffers
        unsentLimit = max(1, bufferCount / 8)
        connections = Array(repeating: nil, count: connectionLimit)
        places = LeaseQueue.Places(count: bufferCount)
        waiting.reserveCapacity(connectionLimit)
        self.ring = ring
    }

    /// Serves until the stop descriptor can be read.
    consuming func run() throws -> ServerReport {
        try accept()
        loop: while true {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .stop: break loop
                case .accept: try accepted(completion.event(AcceptMultishot<DirectDescriptor>.self))
                case .receive(let slot): try received(slot, completion.event(ReceiveMultishot.self))
                case .send(let slot): try sent(slot, completion.take(Send<BufferLease>.self))
                // The receive itself says that it was cancelled.
                case .cancel: break
                case .close: if !isAccepting { try accept() }
                }
            }
            try receiveWhereThereAreBuffers()
        }
        report.exhaustions = Int(buffers.exhaustionCount)
        // Cancels what is in flight and waits for the kernel to let go; that closes the connections.
        let leftovers = ring.close()
        if !leftovers.isEmpty { complain("\(leftovers.leakedOperations) operations did not end in time.\n") }
        return report
    }

    // MARK: Accepting

    private mutating func accept() throws {
        try ring.prepare(AcceptMultishot(listener, into: files), tag: .accept)
        isAccepting = true
    }

    private mutating func accepted(_ event: consuming Event<AcceptMultishot<DirectDescriptor>>) throws {
        switch consume event {
        case .more(let result):
            try begin(result)
        case .finished(let completed):
            isAccepting = false
            let ending = completed.ending
            try begin(completed.result)
            switch ending {
            case .rearm, .completionQueueFull, .failed(.connectionAbort): try accept()
            // The kernel has turned this one away, and is to do the same with others until a slot is free.
            case .tableFull:
                report.refusedConnections += 1
                try accept()
            // Memory is short: it goes on when a connection has been closed.
            case .failed where files.usedCount > 0: break
            case .failed(let errno): throw Failure("Cannot accept connections: \(errno)")
            // Cancelled, at the end; the other reasons are not an accept's.
            case .cancelled, .endOfStream, .outOfBuffers: break
            }
        }
    }

    private mutating func begin(_ result: consuming Result<DirectDescriptor, Errno>) throws {
        switch consume result {
        case .success(let socket):
            let slot = socket.slot
            report.connections += 1
            connections[slot] = Connection(socket)
            waiting.append(slot)
        case .failure: break
        }
    }

    // MARK: Echoing

    /// Has as many waiting connections receive as there are buffers: leases that went back are the only sign that there are some again.
    private mutating func receiveWhereThereAreBuffers() throws {
        let count = min(waiting.count, buffers.availableCount)
        for slot in waiting.prefix(count) {
            guard let connection = connections[slot] else { continue }
            connection.receiving = .armed(try ring.prepare(ReceiveMultishot(connection.hold(), into: buffers), tag: .receive(slot)))
        }
        waiting.removeFirst(count)
    }

    private mutating func received(_ slot: Int, _ event: consuming Event<ReceiveMultishot>) throws {
        guard let connection = connections[slot] else { return }
        switch consume event {
        case .more(let result):
            keep(result, for: connection)
        case .finished(let completed):
            let ending = completed.ending
            keep(completed.result, for: connection)
            connection.receiving = .ended
            switch ending {
            // It goes on when everything is sent and there is a buffer.
            case .rearm, .completionQueueFull, .outOfBuffers, .cancelled: break
            case .endOfStream, .failed, .tableFull: connection.hasEnded = true
            }
        }
        try goOn(connection, slot)
    }

    private mutating func keep(_ result: consuming Result<BufferLease, Errno>, for connection: Connection) {
        switch consume result {
        case .success(let lease):
            if lease.isEmpty { return }
            report.receives += 1
            report.bytes += lease.count
            connection.unsent.append(lease, in: &places)
        case .failure: break
        }
    }

    private mutating func sent(_ slot: Int, _ completed: consuming Completed<Send<BufferLease>>) throws {
        guard let connection = connections[slot] else { return }
        guard case .success(let count) = completed.result else {
            // The client is gone.
            _ = consume completed
            return try close(connection, slot)
        }
        completed.operation.start += count
        if completed.operation.start < completed.operation.memory.count {
            // The socket took only a part: the same operation sends the rest.
            try ring.prepare(completed.operation, tag: .send(slot))
            return
        }
        // The buffer goes back to the pool, and the socket is not held any more.
        _ = consume completed
        connection.isSending = false
        try goOn(connection, slot)
    }

    /// Does what a connection needs next.
    private mutating func goOn(_ connection: Connection, _ slot: Int) throws {
        if !connection.isSending, let lease = connection.unsent.removeFirst(in: &places) {
            try ring.prepare(Send(connection.hold(), from: lease), tag: .send(slot))
            connection.isSending = true
        }
        switch connection.receiving {
        case .armed(let receive):
            guard connection.unsent.count >= unsentLimit else { return }
            try ring.prepare(Cancel(receive), tag: .cancel)
            connection.receiving = .cancelled
        case .cancelled: break
        case .ended:
            if connection.isSending { return }
            if connection.hasEnded { try close(connection, slot) } else { waiting.append(slot) }
        }
    }

    /// Closes a connection; what is in flight for it is cancelled first, and its completions find nobody.
    private mutating func close(_ connection: Connection, _ slot: Int) throws {
        guard let socket = connection.socket.take() else { return }
        connection.unsent.removeAll(in: &places)
        connections[slot] = nil
        try ring.close(cancelling: socket, tag: .close)
    }
}
