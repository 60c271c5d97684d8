// SPDX-License-Identifier: Apache-2.0

import Framing
import URing

/// A connection of one shard, and what is going on with it.
///
/// A value in an array, not an object: each request touches it many times, and what objects cost at each of them would add up.
struct Connection {
    /// Whether a connection has a receive in flight.
    enum Receiving {
        case armed(Token<ReceiveMultishot>)
        case cancelled
        case ended
    }

    /// What becomes of the bytes that a connection brings.
    enum Input {
        /// They are requests.
        case requests
        /// They are not looked at: the server ends, and this is about the client's end of the connection.
        case ignored
        /// None come any more, or none that make sense.
        case over
    }

    /// What a connection is waited for to do, which there is a time for.
    enum Duty {
        case askAnything
        case finishItsRequest
        case takeItsAnswers
    }

    /// The socket, in an object because arrays have no room for what has one owner.
    final class Socket {
        var descriptor: DirectDescriptor?

        init(_ descriptor: consuming DirectDescriptor) {
            self.descriptor = consume descriptor
        }
    }

    /// Which of the shard's connections this is, as its place is another's when it is gone.
    private(set) var number: UInt64 = 0
    /// The socket; nil in a place that has no connection.
    private(set) var socket: Socket?
    private(set) var parser = RequestParser(byteLimit: 0)
    var answers = AnswerQueue()
    var receiving = Receiving.ended
    var input = Input.requests
    var isSending = false
    /// Whether the client has been told that nothing more is sent.
    var hasShutDown = false
    /// After how many requests the connection moves on to another shard.
    var movesAt = Int.max

    var duty = Duty.askAnything
    /// The tick until which it has to do its duty.
    var deadline = Int.max
    /// The tick of its timer in the wheel.
    var timer = Int.max

    /// Makes a place without a connection.
    init() {}

    init(_ socket: Socket, number: UInt64, parser: RequestParser, movesAt: Int) {
        self.number = number
        self.socket = socket
        self.parser = parser
        self.movesAt = movesAt
    }

    var isOpen: Bool { socket != nil }

    func hold() -> FileHold {
        guard let hold = socket?.descriptor?.hold() else { fatalError("A connection that is closed is not used.") }
        return hold
    }

    /// Whether it receives, and nothing speaks against that.
    func goesOnReceiving(answerLimit: Int) -> Bool {
        guard case .armed = receiving else { return false }
        return answers.count < answerLimit && parser.requestCount < movesAt
    }

    /// Notes what is waited for, and until when.
    ///
    /// - Returns: Whether its timer would come too late for that.
    mutating func expect(_ duty: Duty, until deadline: Int) -> Bool {
        self.duty = duty
        self.deadline = deadline
        return deadline < timer
    }

    var hasAnswered: Bool { !isSending && answers.isEmpty }

    /// Finds the requests in what was received.
    ///
    /// - Returns: How many end in it.
    mutating func look(at lease: borrowing BufferLease) -> Int {
        let before = parser.requestCount
        if !parser.parse(lease.span, into: &answers) { input = .over }
        return parser.requestCount - before
    }
}
