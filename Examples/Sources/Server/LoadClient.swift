// SPDX-License-Identifier: Apache-2.0

import Framing
import Support
import SystemPackage
import URing

/// Makes requests over many connections on one ring, and compares every byte that comes back.
struct LoadClient: ~Copyable {
    /// What an operation is doing, and for which connection.
    private enum Tag {
        case connect(Int)
        case send(Int)
        case receive(Int)
        case shutdown
    }

    /// How much is sent at a time.
    private static let outputByteCount = 16 * 1024
    /// How many connections are made at a time: a listener's queue is not endless.
    private static let connectCount = 128

    private let server: SocketAddress
    private let plan: LoadPlan
    private let patience: Duration

    private var ring: Ring<Tag>
    private let buffers: BufferRing
    private var connections: [LoadConnection] = []
    private var result: LoadResult
    private var now = ContinuousClock.now
    private var isOver = false
    private var connectingCount = 0
    private var busyCount = 0
    private var openCount = 0

    init(server: SocketAddress, _ plan: consuming LoadPlan, patience: Duration) throws {
        var ring = try Ring<Tag>(entries: 1024)
        let buffers = try ring.makeBufferRing(count: 256, byteCount: 16 * 1024)
        var connections: [LoadConnection] = []
        for number in 0..<(plan.connectionCount + plan.idleCount) {
            let socket = try attempt("Cannot make a socket (see `ulimit -n`)") { () throws(Errno) in
                let socket = try Descriptor.socket(server.domain, .stream)
                try socket.setOption(.noDelay, to: true)
                return socket
            }
            connections.append(LoadConnection(socket, number: number))
        }
        self.ring = ring
        self.buffers = buffers
        self.server = server
        result = LoadResult(connectionCount: plan.connectionCount, size: plan.size)
        self.plan = plan
        self.patience = patience
        self.connections = connections
    }

    /// Makes all connections.
    mutating func connect() throws {
        var next = 0
        while openCount < connections.count {
            while next < connections.count && connectingCount < LoadClient.connectCount {
                try ring.prepare(Connect(connections[next].socket, to: server), tag: .connect(next))
                connectingCount += 1
                next += 1
            }
            try wait()
        }
    }

    /// Makes all requests, or as many as there is time for.
    mutating func run() throws -> LoadResult {
        let start = ContinuousClock.now
        now = start
        let deadline = start + plan.duration
        busyCount = plan.connectionCount
        for index in 0..<plan.connectionCount { try makeRequests(connections[index]) }
        while busyCount > 0 {
            try wait()
            if now >= deadline && !isOver {
                isOver = true
                // Who had everything answered could have made more until now.
                for index in 0..<plan.connectionCount { noteEnd(of: connections[index]) }
            }
        }
        result.elapsed = .now - start
        return result
    }

    /// Ends all connections: the server must have nothing more to say.
    mutating func end() throws {
        for connection in connections where !connection.hasEnded { try shutDown(connection) }
        while openCount > 0 { try wait() }
    }

    /// Deals with what has completed, and waits for something first if nothing has.
    private mutating func wait() throws {
        let wait = try ring.submit(waitingFor: 1, timeout: patience)
        now = .now
        var isSilent = true
        while let completion = ring.nextReadyCompletion() {
            isSilent = false
            switch completion.tag {
            case .connect(let index): try connected(connections[index], completion.take(Connect.self))
            case .send(let index): try sent(connections[index], completion.take(Send<Buffer>.self))
            case .receive(let index): try received(connections[index], completion.event(ReceiveMultishot.self))
            case .shutdown: break
            }
        }
        if isSilent && wait.timedOut {
            throw Failure("The server at \(server) has been silent for \(patience); \(result.latencies.count) requests were answered.")
        }
    }

    private mutating func connected(_ connection: LoadConnection, _ completed: consuming Completed<Connect>) throws {
        try completed.result.get(whenDoing: "Cannot connect to \(server)")
        connectingCount -= 1
        openCount += 1
        try receive(connection)
    }

    // MARK: Asking

    /// Sends as many requests as are allowed to be under way.
    private mutating func makeRequests(_ connection: LoadConnection) throws {
        guard !connection.isSending && connection.hasMore(plan, isOver: isOver) else { return }
        var output = connection.output.take() ?? Buffer(byteCapacity: LoadClient.outputByteCount)
        output.truncate(to: 0)
        connection.write(to: &output, plan, isOver: isOver, now: now)
        try ring.prepare(Send(connection.socket, from: output), tag: .send(connection.number))
        connection.isSending = true
    }

    private mutating func sent(_ connection: LoadConnection, _ completed: consuming Completed<Send<Buffer>>) throws {
        if plan.untilClosed, case .failure = completed.result {
            connection.isSending = false
            return
        }
        completed.operation.start += try completed.result.get(whenDoing: "Sending on connection \(connection.number) failed")
        if completed.operation.start < completed.operation.memory.count {
            try ring.prepare(completed.operation, tag: .send(connection.number))
            return
        }
        connection.output = consume completed.operation.memory
        connection.isSending = false
        try makeRequests(connection)
        noteEnd(of: connection)
    }

    // MARK: Comparing answers

    private mutating func receive(_ connection: LoadConnection) throws {
        try ring.prepare(ReceiveMultishot(connection.socket, into: buffers), tag: .receive(connection.number))
    }

    private mutating func received(_ connection: LoadConnection, _ event: consuming Event<ReceiveMultishot>) throws {
        switch consume event {
        case .more(let received):
            try compare(received, connection)
        case .finished(let completed):
            let ending = completed.ending
            try compare(completed.result, connection)
            switch ending {
            case .endOfStream: return try ended(connection)
            case .failed(let errno): throw Failure("Receiving on connection \(connection.number) failed: \(errno)")
            default: try receive(connection)
            }
        }
        guard !connection.isDone else { return }
        try makeRequests(connection)
        noteEnd(of: connection)
    }

    private mutating func compare(_ received: consuming Result<BufferLease, Errno>, _ connection: LoadConnection) throws {
        guard case .success(let lease) = consume received else { return }
        try connection.compare(lease.span, plan, now: now, &result)
    }

    /// The server has ended a connection.
    private mutating func ended(_ connection: LoadConnection) throws {
        openCount -= 1
        if connection.hasEnded { return }
        connection.hasEnded = true
        guard plan.untilClosed || connection.number >= plan.connectionCount && connection.isDone else {
            throw Failure("The server closed connection \(connection.number) before the end.")
        }
        guard !connection.isWithinAnswer else {
            throw Failure("The server closed connection \(connection.number) in the middle of an answer.")
        }
        try ring.prepare(Shutdown(connection.socket, .both), tag: .shutdown)
        noteDone(connection)
    }

    private mutating func shutDown(_ connection: LoadConnection) throws {
        connection.hasEnded = true
        try ring.prepare(Shutdown(connection.socket, .sending), tag: .shutdown)
    }

    private mutating func noteEnd(of connection: LoadConnection) {
        if !connection.isSending && !connection.isWaiting && !connection.hasMore(plan, isOver: isOver) { noteDone(connection) }
    }

    private mutating func noteDone(_ connection: LoadConnection) {
        guard !connection.isDone && connection.number < plan.connectionCount else { return }
        connection.isDone = true
        busyCount -= 1
    }
}
