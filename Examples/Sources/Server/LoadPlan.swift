// SPDX-License-Identifier: Apache-2.0

import Framing
import URing

/// The requests of a load, each by its connection and its number there.
struct LoadPlan: ~Copyable {
    let connectionCount: Int
    let idleCount: Int
    let requestCount: Int
    let depth: Int
    let duration: Duration
    let untilClosed: Bool
    let row = AnswerRow()
    private let payloadByteCount: Int
    private let answerByteCount: Int
    private let varies: Bool

    init(_ shape: LoadShape, requestCount: Int, idleCount: Int, varies: Bool, untilClosed: Bool) {
        connectionCount = shape.connections
        self.idleCount = idleCount
        self.requestCount = requestCount
        depth = shape.depth
        duration = .seconds(shape.seconds)
        self.untilClosed = untilClosed
        payloadByteCount = shape.payload
        answerByteCount = shape.answer
        self.varies = varies
    }

    /// A request: its payload is a part of the row.
    struct Request {
        var payloadPlace: Int
        var payloadByteCount: Int
        var answerByteCount: Int
    }

    func request(_ number: Int, of connection: Int) -> Request {
        let place = connection &* 1031 &+ number &* 127 & 0xffff
        guard varies else {
            return Request(payloadPlace: place, payloadByteCount: payloadByteCount, answerByteCount: answerByteCount)
        }
        return Request(
            payloadPlace: place, payloadByteCount: part(of: payloadByteCount, place &* 7919 &+ number),
            // Of an answer of nothing, nobody can tell that it has come.
            answerByteCount: 1 + part(of: answerByteCount - 1, place &* 104_729 &+ number))
    }

    private func part(of largest: Int, _ seed: Int) -> Int {
        Int(truncatingIfNeeded: UInt(bitPattern: seed &* 0x9e37_79b9) >> 7) % (largest + 1)
    }

    /// The sizes, for a sentence.
    var size: String { "\(varies ? "up to " : "")\(payloadByteCount) bytes, answered with \(varies ? "up to " : "")\(answerByteCount)" }
}
