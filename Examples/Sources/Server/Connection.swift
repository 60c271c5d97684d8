// SPDX-License-Identifier: Apache-2.0

import Framing
import SystemPackage
import URing

/// A connection of one shard: what is going on with it, and what it does next.
///
/// A value in an array, not an object, and looked up there once for each completion: what either costs would add up.
struct Connection {
    /// Whether a connection has a receive in flight.
    private enum Receiving {
        case armed(Token<ReceiveMultishot>)
        case cancelled
        case ended
    }

    /// What becomes of the bytes that a connection brings.
    private enum Input {
        /// They are requests.
        case requests
        /// They are not looked at: the server ends, or the client has asked for too much. This is about the client's end of the connection.
        case ignored
        /// None come any more.
        case over
    }

    /// What a connection is waited for to do, which there is a time for.
    enum Duty {
        case askAnything
        case finishItsRequest
        case takeItsAnswers
    }

    /// The socket, in an object because arrays have no room for what has one owner.
    private final class Socket {
        var descriptor: DirectDescriptor?

        init(_ descriptor: consuming DirectDescriptor) {
            self.descriptor = consume descriptor
        }
    }

    /// How many answers may be to come before nothing more is received.
    private static let answerLimit = 256

    /// Where it is: its place among the shard's connections, and the socket's in the file table.
    private var slot = 0
    /// Which of the shard's connections it is, as its place is another's when it is gone.
    private var number: UInt64 = 0
    /// The socket; nil in a place that has no connection.
    private var socket: Socket?
    private var parser = RequestParser(byteLimit: 0)
    private var answers = AnswerQueue()
    private var receiving = Receiving.ended
    private var input = Input.requests
    private var isSending = false
    /// Whether the client has been told that nothing more is sent.
    private var hasShutDown = false
    /// After how many requests the connection moves on to another shard.
    private var movesAt = Int.max

    private var duty = Duty.askAnything
    /// The tick until which it has to do its duty.
    private var deadline = Int.max
    /// The tick of its timer in the wheel.
    private var timer = Int.max

    /// Makes a place without a connection.
    init() {}

    /// Makes a connection.
    ///
    /// - Parameters:
    ///   - descriptor: The socket, in the slot that is the connection's place.
    ///   - number: Which of the shard's connections it is.
    ///   - parser: What has been received of a request elsewhere.
    ///   - moveAfter: After how many requests it moves on to another shard, if ever.
    init(_ descriptor: consuming DirectDescriptor, number: UInt64, parser: RequestParser, moveAfter: Int?) {
        slot = descriptor.slot
        socket = Socket(descriptor)
        self.number = number
        self.parser = parser
        movesAt = moveAfter.map { parser.requestCount + $0 } ?? .max
    }

    var isOpen: Bool { socket != nil }

    private func hold() -> FileHold {
        guard let hold = socket?.descriptor?.hold() else { fatalError("A connection that is closed is not used.") }
        return hold
    }
}

// MARK: Beginning and ending

extension Connection {
    mutating func begin(in shard: inout ShardResources) throws {
        try receive(in: &shard)
        try expect(parser.isWithinRequest ? .finishItsRequest : .askAnything, in: &shard)
        if shard.isStopping { try drain(in: &shard) }
    }

    /// Has the answers leave that are due, and then the connection end.
    mutating func drain(in shard: inout ShardResources) throws {
        if case .requests = input { input = .ignored }
        deadline = shard.drainDeadline
        try setTimer(in: &shard)
        try goOn(in: &shard)
    }

    /// Takes the socket away, and leaves a place without a connection.
    private mutating func remove(from shard: inout ShardResources) -> DirectDescriptor? {
        let socket = socket
        self = Connection()
        shard.openCount -= 1
        return socket?.descriptor.take()
    }

    /// Closes the connection; what is in flight for it is cancelled first, and its completions find nobody.
    private mutating func close(in shard: inout ShardResources) throws {
        if let descriptor = remove(from: &shard) { try shard.ring.close(cancelling: descriptor, tag: .close) }
    }

    /// Closes a connection that has failed; what wanted too much is counted already.
    private mutating func fail(in shard: inout ShardResources) throws {
        if !wantedTooMuch(shard) { shard.report.failed += 1 }
        try close(in: &shard)
    }

    /// Whether it is the client's doing that its bytes are not looked at.
    private func wantedTooMuch(_ shard: borrowing ShardResources) -> Bool {
        if case .ignored = input { !shard.isStopping } else { false }
    }
}

// MARK: Requests and answers

extension Connection {
    private mutating func receive(in shard: inout ShardResources) throws {
        receiving = .armed(try shard.ring.prepare(ReceiveMultishot(hold(), into: shard.buffers), tag: .receive(slot)))
    }

    mutating func received(_ event: consuming Event<ReceiveMultishot>, in shard: inout ShardResources) throws {
        guard isOpen else { return }
        switch consume event {
        case .more(let result):
            look(at: result, &shard.report)
        case .finished(let completed):
            let ending = completed.ending
            look(at: completed.result, &shard.report)
            receiving = .ended
            switch ending {
            // All buffers are back by the time that it is submitted again.
            case .rearm, .completionQueueFull, .outOfBuffers, .cancelled: break
            case .endOfStream: input = .over
            case .failed, .tableFull: return try fail(in: &shard)
            }
        }
        try goOn(in: &shard)
    }

    /// Finds the requests in what was received, and gives the buffer back.
    @inline(__always)
    private mutating func look(at result: consuming Result<BufferLease, Errno>, _ report: inout ShardReport) {
        guard case .requests = input else { return }
        let before = parser.requestCount
        switch consume result {
        case .success(let lease): look(at: lease)
        case .failure: return
        }
        report.requests += parser.requestCount - before
        // What was asked for before what is too large is answered, and then the connection ends as it does with the server.
        if case .ignored = input { report.tooLarge += 1 }
    }

    @inline(__always)
    private mutating func look(at lease: borrowing BufferLease) {
        if !parser.parse(lease.span, into: &answers) { input = .ignored }
    }

    @inline(__always)
    mutating func sent(_ completed: consuming Completed<Send<Buffer>>, in shard: inout ShardResources) throws {
        guard isOpen else { return }
        guard case .success(let count) = completed.result else {
            // The client is gone.
            return try fail(in: &shard)
        }
        completed.operation.start += count
        if completed.operation.start < completed.operation.memory.count {
            // The socket took only a part: the same operation sends the rest.
            try shard.ring.prepare(completed.operation, tag: .send(slot))
            return try expect(.takeItsAnswers, in: &shard)
        }
        shard.giveBack(completed.operation.memory)
        isSending = false
        try goOn(in: &shard)
    }

    private var hasAnswered: Bool { !isSending && answers.isEmpty }

    /// Does what is needed next.
    private mutating func goOn(in shard: inout ShardResources) throws {
        if !isSending && !answers.isEmpty { try send(in: &shard) }
        switch input {
        case .requests: try goOnReceiving(in: &shard)
        case .ignored: try goOnEnding(in: &shard)
        case .over: if hasAnswered { try close(in: &shard) }
        }
        guard isOpen && !isSending, case .requests = input else { return }
        if !parser.isWithinRequest {
            try expect(.askAnything, in: &shard)
        } else if duty != .finishItsRequest {
            // More bytes of the same request do not put it off.
            try expect(.finishItsRequest, in: &shard)
        }
    }

    private mutating func send(in shard: inout ShardResources) throws {
        var output = shard.takeOutput()
        answers.write(to: &output, from: shard.row)
        try shard.ring.prepare(Send(hold(), from: output), tag: .send(slot))
        isSending = true
        try expect(.takeItsAnswers, in: &shard)
    }

    /// Receives as long as the client takes what it is sent, and has not to move.
    @inline(__always)
    private mutating func goOnReceiving(in shard: inout ShardResources) throws {
        let isToWait = answers.count >= Connection.answerLimit
        let isToMove = parser.requestCount >= movesAt
        switch receiving {
        case .armed(let receive):
            guard isToWait || isToMove else { return }
            try shard.ring.prepare(Cancel(receive), tag: .cancel)
            receiving = .cancelled
        case .cancelled: break
        case .ended:
            if isToMove {
                if hasAnswered { try move(from: &shard) }
            } else if !isToWait {
                try receive(in: &shard)
            }
        }
    }

    /// Tells the client, when it has been sent all, that this is the end, and waits for its own: closing while there is something to be
    /// received would take answers from it that it has not read yet.
    private mutating func goOnEnding(in shard: inout ShardResources) throws {
        if case .ended = receiving { try receive(in: &shard) }
        guard hasAnswered && !hasShutDown else { return }
        try shard.ring.prepare(Shutdown(hold(), .sending), tag: .shutdown)
        hasShutDown = true
        try expect(.takeItsAnswers, in: &shard)
    }

    /// Hands the connection over to another shard when nothing is in flight for it; what comes meanwhile stays in the socket.
    private mutating func move(from shard: inout ShardResources) throws {
        guard let (number, next) = shard.moves.leave(parser, shard: shard.number) else {
            movesAt = .max
            return try receive(in: &shard)
        }
        guard let descriptor = remove(from: &shard) else { return }
        shard.report.moved += 1
        shard.leavingCount += 1
        try shard.ring.prepare(SendRingDescriptor(descriptor, to: next, value: number), tag: .move(Int(number)))
    }
}

// MARK: Time

extension Connection {
    /// Gives the connection time for what is expected of it.
    private mutating func expect(_ duty: Duty, in shard: inout ShardResources) throws {
        // At the end there is one time for all.
        guard !shard.isStopping else { return }
        self.duty = duty
        deadline = shard.deadline(of: duty)
        try setTimer(in: &shard)
    }

    private mutating func setTimer(in shard: inout ShardResources) throws {
        // One that comes too early is set again then. None is far off: a nearer deadline takes another, and the wheel keeps both.
        guard deadline < timer else { return }
        timer = min(deadline, shard.now + shard.longestTimer)
        try shard.set(TimerWheel.Timer(place: slot, owner: number, tick: timer))
    }

    /// A timer of this place has come, which may be an earlier connection's.
    mutating func came(_ timer: TimerWheel.Timer, in shard: inout ShardResources) throws {
        guard number == timer.owner && self.timer == timer.tick else { return }
        self.timer = .max
        if deadline > shard.now { return try setTimer(in: &shard) }
        if shard.isStopping { shard.report.cutOff += 1 } else if !wantedTooMuch(shard) { shard.report.timedOut += 1 }
        try close(in: &shard)
    }
}
