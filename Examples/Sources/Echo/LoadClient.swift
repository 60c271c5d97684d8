// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import URing

/// Makes requests over many connections on one ring, and compares every byte that comes back.
///
/// Each connection has one buffer, which goes from the send to the receive and back.
struct LoadClient: ~Copyable {
    /// What an operation is doing, and for which connection.
    private enum Tag {
        case connect(Int)
        case send(Int)
        case receive(Int)
        case shutdown(Int)
        case end(Int)
    }

    private final class Connection {
        let socket: Descriptor
        var requestsDone = 0
        var sentAt = ContinuousClock.now

        init(_ socket: consuming Descriptor) {
            self.socket = socket
        }
    }

    private let server: SocketAddress
    private let requestCount: Int
    private let byteCount: Int
    private let duration: Duration
    private let patience: Duration
    private let pattern: Pattern

    private var ring: Ring<Tag>
    private var connections: [Connection] = []
    private var result: LoadResult
    private var deadline = ContinuousClock.now

    init(
        server: SocketAddress, connectionCount: Int, requestCount: Int, byteCount: Int, duration: Duration, patience: Duration
    ) throws {
        var connections: [Connection] = []
        for _ in 0..<connectionCount {
            let socket = try attempt("Cannot make a socket") { () throws(Errno) in
                let socket = try Descriptor.socket(server.domain, .stream)
                try socket.setOption(.noDelay, to: true)
                return socket
            }
            connections.append(Connection(socket))
        }
        let ring = try Ring<Tag>(entries: min(max(connectionCount, 8), 4096))
        self.server = server
        self.requestCount = requestCount
        self.byteCount = byteCount
        self.duration = duration
        self.patience = patience
        self.connections = connections
        pattern = Pattern(byteCount: byteCount)
        result = LoadResult(connectionCount: connectionCount, size: "\(byteCount) bytes")
        self.ring = ring
    }

    /// Makes all connections.
    mutating func connect() throws {
        for index in connections.indices {
            try ring.prepare(Connect(connections[index].socket, to: server), tag: .connect(index))
        }
        try finishAll()
    }

    /// Makes all requests, or as many as there is time for.
    mutating func run() throws -> LoadResult {
        let start = ContinuousClock.now
        deadline = start + duration
        for index in connections.indices {
            var buffer = Buffer(byteCapacity: byteCount)
            buffer.append(repeating: 0, count: byteCount)
            try request(index, with: buffer, at: start)
        }
        try finishAll()
        result.elapsed = .now - start
        return result
    }

    /// Ends all connections: the server must have nothing more to say.
    mutating func end() throws {
        for index in connections.indices {
            try ring.prepare(Shutdown(connections[index].socket, .sending), tag: .shutdown(index))
        }
        try finishAll()
    }

    /// Goes on until nothing is in flight.
    private mutating func finishAll() throws {
        while ring.inFlightCount > 0 {
            let wait = try ring.submit(waitingFor: 1, timeout: patience)
            var isSilent = true
            while let completion = ring.nextReadyCompletion() {
                isSilent = false
                switch completion.tag {
                case .connect: try completion.take(Connect.self).result.get(whenDoing: "Cannot connect to \(server)")
                case .send(let index): try sent(index, completion.take(Send<Buffer>.self))
                case .receive(let index): try received(index, completion.take(Receive<Buffer>.self))
                case .shutdown(let index): try hasShutDown(index, completion.take(Shutdown.self))
                case .end(let index): try ended(index, completion.take(Receive<Buffer>.self))
                }
            }
            if isSilent && wait.timedOut {
                throw Failure("The server at \(server) has been silent for \(patience); \(result.latencies.count) requests were answered.")
            }
        }
    }

    private mutating func request(_ index: Int, with buffer: consuming Buffer, at time: ContinuousClock.Instant) throws {
        let connection = connections[index]
        var bytes = buffer.mutableSpan
        pattern.fill(&bytes, connection: index, request: connection.requestsDone)
        connection.sentAt = time
        try ring.prepare(Send(connection.socket, from: buffer), tag: .send(index))
    }

    private mutating func sent(_ index: Int, _ completed: consuming Completed<Send<Buffer>>) throws {
        completed.operation.start += try completed.result.get(whenDoing: "Sending on connection \(index) failed")
        if completed.operation.start < completed.operation.memory.count {
            try ring.prepare(completed.operation, tag: .send(index))
            return
        }
        // Were bytes reported that nobody wrote, they would be zeros, and not what was sent from this very buffer.
        var buffer = completed.operation.memory
        var bytes = buffer.mutableSpan
        bytes.update(repeating: 0)
        try ring.prepare(Receive(connections[index].socket, into: buffer), tag: .receive(index))
    }

    private mutating func received(_ index: Int, _ completed: consuming Completed<Receive<Buffer>>) throws {
        let count = try completed.result.get(whenDoing: "Receiving on connection \(index) failed")
        guard count > 0 else { throw Failure("The server closed connection \(index) in the middle of a request.") }
        completed.operation.start = completed.operation.memory.count
        if completed.operation.memory.freeCapacity > 0 {
            try ring.prepare(completed.operation, tag: .receive(index))
            return
        }
        let now = ContinuousClock.now
        let connection = connections[index]
        result.latencies.add(now - connection.sentAt)
        let mismatch = pattern.mismatch(
            in: completed.operation.memory.span, connection: index, request: connection.requestsDone)
        if let mismatch {
            throw Failure(
                """
                Wrong byte: of request \(connection.requestsDone) of connection \(index), byte \(mismatch.index) came back as \
                \(mismatch.actual) instead of \(mismatch.expected).
                """)
        }
        result.verifiedByteCount += byteCount
        connection.requestsDone += 1
        if connection.requestsDone < requestCount && now < deadline {
            try request(index, with: completed.operation.memory, at: now)
        }
    }

    private mutating func hasShutDown(_ index: Int, _ completed: consuming Completed<Shutdown>) throws {
        try completed.result.get(whenDoing: "Ending connection \(index) failed")
        try ring.prepare(Receive(completed.operation.file, into: Buffer(byteCapacity: 16)), tag: .end(index))
    }

    private func ended(_ index: Int, _ completed: consuming Completed<Receive<Buffer>>) throws {
        guard try completed.result.get(whenDoing: "Ending connection \(index) failed") == 0 else {
            throw Failure("The server sent bytes on connection \(index) that were not asked for.")
        }
    }
}
