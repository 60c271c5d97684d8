// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import URing

/// Makes requests over many connections on one ring, and compares every byte that comes back.
///
/// Each connection receives while it sends: a server that sends back what it has received takes no more of a large request when nobody takes
/// that.
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
        /// The buffer of the request, when it is sent, and that of the answer, when it has come.
        var request: Buffer?
        var answer: Buffer?

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
            try request(index, with: makeBuffer(), answer: makeBuffer(), at: start)
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

    private func makeBuffer() -> Buffer {
        var buffer = Buffer(byteCapacity: byteCount)
        buffer.append(repeating: 0, count: byteCount)
        return buffer
    }

    private mutating func request(
        _ index: Int, with buffer: consuming Buffer, answer: consuming Buffer, at time: ContinuousClock.Instant
    ) throws {
        let connection = connections[index]
        var bytes = buffer.mutableSpan
        pattern.fill(&bytes, connection: index, request: connection.requestsDone)
        // Were bytes reported that nobody wrote, they would be zeros, and not what was received the last time.
        var answerBytes = answer.mutableSpan
        answerBytes.update(repeating: 0)
        connection.sentAt = time
        try ring.prepare(Send(connection.socket, from: buffer), tag: .send(index))
        try ring.prepare(Receive(connection.socket, into: answer), tag: .receive(index))
    }

    private mutating func sent(_ index: Int, _ completed: consuming Completed<Send<Buffer>>) throws {
        completed.operation.start += try completed.result.get(whenDoing: "Sending on connection \(index) failed")
        if completed.operation.start < completed.operation.memory.count {
            try ring.prepare(completed.operation, tag: .send(index))
            return
        }
        connections[index].request = Optional(completed.operation.memory)
        try goOn(index)
    }

    private mutating func received(_ index: Int, _ completed: consuming Completed<Receive<Buffer>>) throws {
        let count = try completed.result.get(whenDoing: "Receiving on connection \(index) failed")
        guard count > 0 else { throw Failure("The server closed connection \(index) in the middle of a request.") }
        completed.operation.start = completed.operation.memory.count
        if completed.operation.memory.freeCapacity > 0 {
            try ring.prepare(completed.operation, tag: .receive(index))
            return
        }
        connections[index].answer = Optional(completed.operation.memory)
        try goOn(index)
    }

    /// Looks at an answer that has come whole, and makes the next request.
    private mutating func goOn(_ index: Int) throws {
        let connection = connections[index]
        // A part of a send may be on its way although the answer is there.
        guard connection.request != nil, let answer = connection.answer.take(), let request = connection.request.take() else { return }
        let now = ContinuousClock.now
        result.latencies.add(now - connection.sentAt)
        try compare(answer, connection: index, request: connection.requestsDone)
        result.verifiedByteCount += byteCount
        connection.requestsDone += 1
        if connection.requestsDone < requestCount && now < deadline {
            try self.request(index, with: request, answer: answer, at: now)
        }
    }

    private func compare(_ answer: borrowing Buffer, connection index: Int, request: Int) throws {
        guard let mismatch = pattern.mismatch(in: answer.span, connection: index, request: request) else { return }
        throw Failure(
            """
            Wrong byte: of request \(request) of connection \(index), byte \(mismatch.index) came back as \(mismatch.actual) instead of \
            \(mismatch.expected).
            """)
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
