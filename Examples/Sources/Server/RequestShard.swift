// SPDX-License-Identifier: Apache-2.0

import Framing
import Sharding
import Support
import SystemPackage
import URing

/// How each shard serves.
struct ShardSettings: Sendable {
    var connectionLimit: Int
    /// The largest payload, and the largest answer.
    var byteLimit: Int
    /// How many completions a turn waits for, if they come soon.
    var batchCount: Int
    /// The pool that is received into.
    var bufferCount: Int
    var bufferByteCount: Int
    /// How long a request may take to arrive, and a client to take something of an answer.
    var requestTime: Duration
    /// How long there may be no request, if there is a limit.
    var idleTime: Duration?
    /// How long answers have to leave at the end.
    var drainTime: Duration
    /// After how many requests a connection moves on to another shard, if ever.
    var moveAfter: Int?

    /// The time from tick to tick: what has a time takes at most a sixteenth more.
    var tickTime: Duration { min(max(requestTime / 16, .milliseconds(1)), .milliseconds(100)) }

    /// How many ticks are surely as long.
    func ticks(_ time: Duration) -> Int { Int((time / tickTime).rounded(.up)) + 1 }
}

/// The server of one thread.
///
/// Connections come from other rings, as slots of this ring's file table. Each has one operation that receives again and again, into buffers
/// of a pool that all share. What came is looked at and given back at once: of a request nothing is kept but what its answer will be, so
/// nobody can hold buffers that others need. Answers are written into buffers that only connections have that send.
struct RequestShard: Shard, ~Copyable {
    /// What an operation is doing, and for which connection: they go by their slots in the file table.
    enum Tag {
        case message
        case tick
        case receive(Int)
        case cancel
        case send(Int)
        case shutdown
        case move(Int)
        case close
    }

    /// How much is sent at a time.
    private static let outputByteCount = 16 * 1024
    /// How long a turn waits for more completions than one.
    ///
    /// That there is a limit besides is what has the kernel go on until there is one.
    private static let batchWait = WaitOptions(until: .timeout(.seconds(3600)), minimumTime: .microseconds(100))
    /// How many answers a connection may have to come before nothing more is received from it.
    private static let answerLimit = 256

    private let number: Int
    private let settings: ShardSettings
    private let moves: Moves
    private var ring: Ring<Tag>
    private let files: FileTable
    private let buffers: BufferRing
    private let row = AnswerRow()

    /// As many as slots were ever used.
    private var connections: [Connection] = []
    private var openCount = 0
    private var lastNumber: UInt64 = 0
    private var spareOutputs = BufferVector()
    private var wheel = TimerWheel()
    private var isTicking = false
    private let requestTicks: Int
    private let idleTicks: Int?
    private var isStopping = false
    private var report = ShardReport()

    init(number: Int, _ settings: ShardSettings, _ moves: Moves) throws {
        var ring = try Ring<Tag>(entries: 1024)
        let files = try attempt("Cannot have \(settings.connectionLimit) connections (see `ulimit -n`)") { () throws(Errno) in
            try ring.makeFileTable(count: settings.connectionLimit)
        }
        // Small requests lie one behind the other in a buffer, rather than each in one of its own: that spares the processor's caches.
        let buffers = try ring.makeBufferRing(
            count: settings.bufferCount, byteCount: settings.bufferByteCount, mode: .incremental())
        self.files = files
        self.ring = ring
        self.buffers = buffers
        self.number = number
        self.settings = settings
        self.moves = moves
        requestTicks = settings.ticks(settings.requestTime)
        idleTicks = settings.idleTime.map(settings.ticks)
    }

    mutating func makeHandle() throws(Errno) -> RingHandle {
        try ring.makeHandle(messageTag: .message, receivingInto: files)
    }

    consuming func run() throws -> ShardReport {
        while !isStopping || openCount > 0 {
            try submitAndWait()
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .receive(let slot): try received(slot, completion.event(ReceiveMultishot.self))
                case .send(let slot): try sent(slot, completion.take(Send<Buffer>.self))
                case .tick: try ticked(completion.take(Timeout.self))
                case .message: try obey(completion.takeMessage())
                case .move(let slot): try moved(slot, completion.take(SendRingDescriptor.self))
                // A receive that was cancelled says so itself, and so does one whose client has ended.
                case .cancel, .shutdown, .close: break
                }
            }
        }
        // Waits for what is in flight; descriptors and buffers are gone then.
        let leftovers = ring.close()
        if !leftovers.isEmpty { complain("\(leftovers.leakedOperations) operations did not end in time.\n") }
        return report
    }
}

extension RequestShard {
    /// Waits for as many completions as there are connections to bring them, but not long: turns with much to do cost less for each request.
    private mutating func submitAndWait() throws {
        let count = min(openCount, settings.batchCount)
        if count > 1 {
            try ring.submit(waitingFor: count, options: RequestShard.batchWait)
        } else {
            try ring.submit(waitingFor: 1)
        }
    }
}

// MARK: Beginning and ending

extension RequestShard {
    private mutating func obey(_ message: consuming RingMessage) throws {
        switch consume message {
        case .directDescriptor(let socket, let number): try begin(socket, moves.take(number))
        case .value(_, label: ShardMessage.stop): try stop()
        default: break
        }
    }

    private mutating func begin(_ descriptor: consuming DirectDescriptor, _ parser: RequestParser?) throws {
        let slot = descriptor.slot
        while connections.count <= slot { connections.append(Connection()) }
        let parser = parser ?? RequestParser(byteLimit: settings.byteLimit)
        lastNumber += 1
        connections[slot] = Connection(
            Connection.Socket(descriptor), number: lastNumber, parser: parser,
            movesAt: settings.moveAfter.map { parser.requestCount + $0 } ?? .max)
        openCount += 1
        report.connections += 1
        try receive(slot)
        try expect(parser.isWithinRequest ? .finishItsRequest : .askAnything, of: slot)
        if isStopping { try drain(slot) }
    }

    /// Takes a connection's socket away from it, and empties its place.
    private mutating func remove(_ slot: Int) -> DirectDescriptor? {
        let socket = connections[slot].socket
        connections[slot] = Connection()
        openCount -= 1
        return socket?.descriptor.take()
    }

    /// Closes a connection; what is in flight for it is cancelled first, and its completions find nobody.
    private mutating func close(_ slot: Int) throws {
        if let socket = remove(slot) { try ring.close(cancelling: socket, tag: .close) }
    }

    /// Has the answers leave that are due, and then the connections end.
    private mutating func stop() throws {
        isStopping = true
        for slot in connections.indices where connections[slot].isOpen { try drain(slot) }
    }

    private mutating func drain(_ slot: Int) throws {
        if case .requests = connections[slot].input { connections[slot].input = .ignored }
        connections[slot].deadline = wheel.now + settings.ticks(settings.drainTime)
        try setTimer(of: slot)
        try goOn(slot)
    }
}

// MARK: Requests and answers

extension RequestShard {
    private mutating func receive(_ slot: Int) throws {
        let receive = ReceiveMultishot(connections[slot].hold(), into: buffers)
        connections[slot].receiving = .armed(try ring.prepare(receive, tag: .receive(slot)))
    }

    private mutating func received(_ slot: Int, _ event: consuming Event<ReceiveMultishot>) throws {
        guard connections[slot].isOpen else { return }
        switch consume event {
        case .more(let result):
            look(at: result, slot)
        case .finished(let completed):
            let ending = completed.ending
            look(at: completed.result, slot)
            connections[slot].receiving = .ended
            switch ending {
            // All buffers are back by the time that it is submitted again.
            case .rearm, .completionQueueFull, .outOfBuffers, .cancelled: break
            case .endOfStream: connections[slot].input = .over
            case .failed, .tableFull:
                report.failed += 1
                return try close(slot)
            }
        }
        try goOn(slot)
    }

    /// Finds the requests in what was received, and gives the buffer back.
    private mutating func look(at result: consuming Result<BufferLease, Errno>, _ slot: Int) {
        guard case .requests = connections[slot].input else { return }
        switch consume result {
        case .success(let lease): report.requests += connections[slot].look(at: lease)
        case .failure: return
        }
        // What was asked for before what is too large is answered.
        if case .over = connections[slot].input { report.tooLarge += 1 }
    }

    private mutating func sent(_ slot: Int, _ completed: consuming Completed<Send<Buffer>>) throws {
        guard connections[slot].isOpen else { return }
        guard case .success(let count) = completed.result else {
            // The client is gone.
            report.failed += 1
            return try close(slot)
        }
        completed.operation.start += count
        if completed.operation.start < completed.operation.memory.count {
            // The socket took only a part: the same operation sends the rest.
            try ring.prepare(completed.operation, tag: .send(slot))
            return try expect(.takeItsAnswers, of: slot)
        }
        if spareOutputs.count < BufferVector.maximumCount { spareOutputs.append(completed.operation.memory) }
        connections[slot].isSending = false
        try goOn(slot)
    }

    /// Does what a connection needs next.
    private mutating func goOn(_ slot: Int) throws {
        if !connections[slot].isSending && !connections[slot].answers.isEmpty { try send(slot) }
        switch connections[slot].input {
        case .requests:
            if !connections[slot].goesOnReceiving(answerLimit: RequestShard.answerLimit) { try goOnReceiving(slot) }
        case .ignored: try goOnEnding(slot)
        case .over:
            if connections[slot].hasAnswered { return try close(slot) }
        }
        guard !connections[slot].isSending else { return }
        if !connections[slot].parser.isWithinRequest {
            try expect(.askAnything, of: slot)
        } else if connections[slot].duty != .finishItsRequest {
            // More bytes of the same request do not put it off.
            try expect(.finishItsRequest, of: slot)
        }
    }

    private mutating func send(_ slot: Int) throws {
        var output = spareOutputs.popLast() ?? Buffer(byteCapacity: RequestShard.outputByteCount)
        output.truncate(to: 0)
        connections[slot].answers.write(to: &output, from: row)
        connections[slot].isSending = true
        try ring.prepare(Send(connections[slot].hold(), from: output), tag: .send(slot))
        try expect(.takeItsAnswers, of: slot)
    }

    /// Receives as long as the client takes what it is sent, and has not to move.
    private mutating func goOnReceiving(_ slot: Int) throws {
        let isToMove = connections[slot].parser.requestCount >= connections[slot].movesAt
        switch connections[slot].receiving {
        case .armed(let receive):
            guard connections[slot].answers.count >= RequestShard.answerLimit || isToMove else { return }
            try ring.prepare(Cancel(receive), tag: .cancel)
            connections[slot].receiving = .cancelled
        case .cancelled: break
        case .ended:
            if isToMove {
                if connections[slot].hasAnswered { try move(slot) }
            } else if connections[slot].answers.count < RequestShard.answerLimit {
                try self.receive(slot)
            }
        }
    }

    /// Tells the client, when it has been sent all, that this is the end, and waits for its own: closing while there is something to be
    /// received would take answers from it that it has not read yet.
    private mutating func goOnEnding(_ slot: Int) throws {
        if case .ended = connections[slot].receiving { try receive(slot) }
        guard connections[slot].hasAnswered && !connections[slot].hasShutDown else { return }
        try ring.prepare(Shutdown(connections[slot].hold(), .sending), tag: .shutdown)
        connections[slot].hasShutDown = true
    }
}

// MARK: Moving to another shard

extension RequestShard {
    /// Hands over a connection for which nothing is in flight; what comes meanwhile stays in the socket.
    private mutating func move(_ slot: Int) throws {
        guard let (number, next) = moves.leave(connections[slot].parser, shard: number) else {
            connections[slot].movesAt = .max
            return try receive(slot)
        }
        guard let socket = remove(slot) else { return }
        report.moved += 1
        try ring.prepare(SendRingDescriptor(socket, to: next, value: number), tag: .move(Int(number)))
    }

    /// Takes the connection back if the other shard has no room for it or has ended.
    private mutating func moved(_ number: Int, _ completed: consuming Completed<SendRingDescriptor>) throws {
        guard case .failure = completed.result else { return }
        report.moved -= 1
        report.connections -= 1
        try begin(completed.operation.descriptor, moves.take(UInt32(number)))
    }
}

// MARK: Time

extension RequestShard {
    /// Gives a connection time for what is expected of it.
    private mutating func expect(_ duty: Connection.Duty, of slot: Int) throws {
        // A place without a connection has nothing to do, and at the end there is one time for all.
        guard connections[slot].isOpen && !isStopping else { return }
        let deadline =
            switch duty {
            case .askAnything: idleTicks.map { wheel.now + $0 } ?? .max
            case .finishItsRequest, .takeItsAnswers: wheel.now + requestTicks
            }
        if connections[slot].expect(duty, until: deadline) { try setTimer(of: slot) }
    }

    private mutating func setTimer(of slot: Int) throws {
        let tick = connections[slot].deadline
        // One that comes too early is set again then.
        guard tick < connections[slot].timer else { return }
        connections[slot].timer = tick
        wheel.set(TimerWheel.Timer(place: slot, owner: connections[slot].number, tick: tick))
        if !isTicking {
            try ring.prepare(Timeout(after: settings.tickTime), tag: .tick)
            isTicking = true
        }
    }

    private mutating func ticked(_ completed: consuming Completed<Timeout>) throws {
        for timer in wheel.tick() {
            let slot = timer.place
            guard connections[slot].number == timer.owner, connections[slot].timer == timer.tick else { continue }
            connections[slot].timer = .max
            if connections[slot].deadline > wheel.now {
                try setTimer(of: slot)
            } else {
                if isStopping { report.cutOff += 1 } else { report.timedOut += 1 }
                try close(slot)
            }
        }
        // Nothing ticks for a server that has nobody to wait for.
        if wheel.count > 0 { try ring.prepare(completed.operation, tag: .tick) } else { isTicking = false }
    }
}
