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
    private var plan: LoadPlan
    /// How long the server may be silent, in nanoseconds.
    private let patience: Int

    private var ring: Ring<Tag>
    private let buffers: BufferRing
    private var spareOutputs = BufferVector()
    private var connections: [LoadConnection] = []
    private var result: LoadResult
    /// When the load began, and the present turn: all times are nanoseconds of the ring's clock.
    private var start = 0
    private var now = LoadClient.time
    /// When something completed for the last time, or when the server is asked next if it has answered everything.
    private var heardAt = LoadClient.time
    private var isOver = false
    /// How many requests were due so far, and when the next one is, if the plan has a schedule.
    private var dueCount = 0
    private var nextDue = Int.max
    private var connectingCount = 0
    private var busyCount = 0
    private var openCount = 0

    init(server: SocketAddress, _ plan: consuming LoadPlan, patience: Duration) throws {
        var ring = try Ring<Tag>(entries: 1024)
        let buffers = try ring.makeBufferRing(count: 256, byteCount: 16 * 1024)
        try ring.registerDescriptor()
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
        self.patience = patience.inNanoseconds
        self.connections = connections
    }

    /// Makes all connections.
    mutating func connect() throws {
        var next = 0
        while openCount < connections.count {
            while next < connections.count && connectingCount < LoadClient.connectCount {
                try ring.prepare(Connect(connections[next].socket.descriptor, to: server), tag: .connect(next))
                connectingCount += 1
                next += 1
            }
            try wait()
        }
    }

    /// Makes all requests, or as many as there is time for.
    mutating func run() throws -> LoadResult {
        now = LoadClient.time
        start = now
        heardAt = now
        busyCount = plan.connectionCount
        if plan.schedule != nil { try runScheduled() } else { try runInTurns() }
        result.elapsed = .nanoseconds(now - start)
        return result
    }

    /// Makes each request when another one has been answered.
    private mutating func runInTurns() throws {
        let deadline = start + plan.duration.inNanoseconds
        for index in 0..<plan.connectionCount { try makeRequests(index) }
        while busyCount > 0 {
            try wait()
            if now >= deadline && !isOver { noteOver() }
        }
    }

    /// Makes each request when it is due.
    private mutating func runScheduled() throws {
        noteNextDue()
        while busyCount > 0 {
            while nextDue <= now { try makeDueRequest() }
            // The server has nothing to say before the next request.
            if result.latencies.count == dueCount && !isOver { heardAt = nextDue }
            try wait(until: nextDue)
        }
    }

    private mutating func makeDueRequest() throws {
        guard let index = plan.schedule?.connection(ofRequest: dueCount) else { return }
        connections[index].dueCount += 1
        dueCount += 1
        noteNextDue()
        try makeRequests(index)
    }

    /// Looks up when the next request is due, and ends the load's requests if none is.
    private mutating func noteNextDue() {
        guard let schedule = plan.schedule else { return }
        let time = schedule.time(ofRequest: dueCount)
        guard dueCount < plan.requestCount * plan.connectionCount && time < plan.duration.inNanoseconds else {
            nextDue = .max
            return noteOver()
        }
        nextDue = start + time
    }

    /// Makes no more requests than are due.
    private mutating func noteOver() {
        isOver = true
        // Who had everything answered could have made more until now.
        for index in 0..<plan.connectionCount { noteEnd(of: index) }
    }

    /// Ends all connections: the server must have nothing more to say.
    mutating func end() throws {
        for index in connections.indices where !connections[index].hasEnded { try shutDown(index) }
        heardAt = LoadClient.time
        while openCount > 0 { try wait() }
    }

    private static var time: Int { TimeoutClock.monotonic.now.inNanoseconds }

    /// Deals with what has completed, and waits for something first if nothing has, until a time at most.
    private mutating func wait(until limit: Int = .max) throws {
        let end = min(limit, heardAt + patience)
        try ring.submit(waitingFor: 1, options: WaitOptions(until: .deadline(.nanoseconds(end))))
        now = LoadClient.time
        while let completion = ring.nextReadyCompletion() {
            switch completion.tag {
            case .connect(let index):
                heardAt = now
                try connected(index, completion.take(Connect.self))
            case .send(let index):
                // With a schedule there is always something more to send, and room for it for a long time whether the server lives or not.
                if plan.schedule == nil { heardAt = now }
                try sent(index, completion.take(Send<Buffer>.self))
            case .receive(let index):
                heardAt = now
                try received(index, completion.event(ReceiveMultishot.self))
            case .shutdown: break
            }
        }
        guard now < heardAt + patience else {
            let (time, count) = (Duration.nanoseconds(patience), result.latencies.count)
            throw Failure("The server at \(server) has been silent for \(time); \(count) requests were answered.")
        }
    }

    private mutating func connected(_ index: Int, _ completed: consuming Completed<Connect>) throws {
        try completed.result.get(whenDoing: "Cannot connect to \(server)")
        connectingCount -= 1
        openCount += 1
        try receive(index)
    }

    // MARK: Asking

    /// Sends as many requests as are allowed to be under way.
    private mutating func makeRequests(_ index: Int) throws {
        guard !connections[index].isSending && connections[index].hasMore(plan, isOver: isOver) else { return }
        var output = spareOutputs.popLast() ?? Buffer(byteCapacity: LoadClient.outputByteCount)
        output.truncate(to: 0)
        connections[index].write(to: &output, &plan, isOver: isOver, start: start, now: now)
        try ring.prepare(Send(connections[index].socket.descriptor, from: output), tag: .send(index))
        connections[index].isSending = true
    }

    private mutating func sent(_ index: Int, _ completed: consuming Completed<Send<Buffer>>) throws {
        if plan.untilClosed, case .failure = completed.result {
            connections[index].isSending = false
            return
        }
        completed.operation.start += try completed.result.get(whenDoing: "Sending on connection \(index) failed")
        if completed.operation.start < completed.operation.memory.count {
            try ring.prepare(completed.operation, tag: .send(index))
            return
        }
        if spareOutputs.count < BufferVector.maximumCount { spareOutputs.append(completed.operation.memory) }
        connections[index].isSending = false
        try makeRequests(index)
        noteEnd(of: index)
    }

    // MARK: Comparing answers

    private mutating func receive(_ index: Int) throws {
        try ring.prepare(ReceiveMultishot(connections[index].socket.descriptor, into: buffers), tag: .receive(index))
    }

    private mutating func received(_ index: Int, _ event: consuming Event<ReceiveMultishot>) throws {
        switch consume event {
        case .more(let received):
            try compare(received, index)
        case .finished(let completed):
            let ending = completed.ending
            try compare(completed.result, index)
            switch ending {
            case .endOfStream: return try ended(index)
            case .failed(let errno): throw Failure("Receiving on connection \(index) failed: \(errno)")
            default: try receive(index)
            }
        }
        guard !connections[index].isDone else { return }
        try makeRequests(index)
        noteEnd(of: index)
    }

    private mutating func compare(_ received: consuming Result<BufferLease, Errno>, _ index: Int) throws {
        guard case .success(let lease) = consume received else { return }
        try connections[index].compare(lease.span, plan, now: now, &result)
    }

    /// The server has ended a connection.
    private mutating func ended(_ index: Int) throws {
        openCount -= 1
        if connections[index].hasEnded { return }
        connections[index].hasEnded = true
        guard plan.untilClosed || index >= plan.connectionCount && connections[index].isDone else {
            throw Failure("The server closed connection \(index) before the end.")
        }
        guard !connections[index].isWithinAnswer else {
            throw Failure("The server closed connection \(index) in the middle of an answer.")
        }
        try ring.prepare(Shutdown(connections[index].socket.descriptor, .both), tag: .shutdown)
        noteDone(index)
    }

    private mutating func shutDown(_ index: Int) throws {
        connections[index].hasEnded = true
        try ring.prepare(Shutdown(connections[index].socket.descriptor, .sending), tag: .shutdown)
    }

    private mutating func noteEnd(of index: Int) {
        // With a schedule, a connection may have everything answered and yet more to ask.
        if plan.schedule != nil && !isOver { return }
        if connections[index].isSending || connections[index].isWaiting { return }
        if !connections[index].hasMore(plan, isOver: isOver) { noteDone(index) }
    }

    private mutating func noteDone(_ index: Int) {
        guard !connections[index].isDone && index < plan.connectionCount else { return }
        connections[index].isDone = true
        busyCount -= 1
    }
}
