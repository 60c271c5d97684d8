// SPDX-License-Identifier: Apache-2.0

import Framing
import URing

/// A connection of one shard, and what is going on with it.
final class Connection {
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

    /// Which of the shard's connections this is, as its place is another's when it is gone.
    let number: UInt64
    var socket: DirectDescriptor?
    var parser: RequestParser
    var answers = AnswerQueue()
    var receiving = Receiving.ended
    var input = Input.requests
    var isSending = false
    /// Whether the client has been told that nothing more is sent.
    var hasShutDown = false
    /// After how many requests the connection moves on to another shard.
    var movesAt: Int

    var duty = Duty.askAnything
    /// The tick until which it has to do its duty.
    var deadline = Int.max
    /// The tick of its timer in the wheel.
    var timer = Int.max

    init(_ socket: consuming DirectDescriptor, number: UInt64, parser: RequestParser, movesAt: Int) {
        self.number = number
        self.socket = consume socket
        self.parser = parser
        self.movesAt = movesAt
    }

    var hasAnswered: Bool { !isSending && answers.isEmpty }

    func hold() -> FileHold {
        guard let hold = socket?.hold() else { fatalError("A connection that is closed is not used.") }
        return hold
    }
}
