// SPDX-License-Identifier: Apache-2.0

import Framing
import URing

/// The requests of a load, each by its connection and its number there.
struct LoadPlan: ~Copyable {
    let connectionCount: Int
    let idleCount: Int
    /// How many requests each connection makes at most.
    let requestCount: Int
    /// How many requests each connection has under way, if there is no schedule.
    let depth: Int
    /// When requests are due, if that does not depend on answers.
    let schedule: RequestSchedule?
    let duration: Duration
    let untilClosed: Bool
    let row = AnswerRow()
    private let payloadByteCount: Int
    private let answerByteCount: Int
    private let varies: Bool
    /// Where the answer to a payload from each place of the row begins, or -1 as long as nobody asked: payloads of one size are few.
    private var answerPlaces: [Int32]

    init(_ shape: LoadShape, requestCount: Int, idleCount: Int, varies: Bool, untilClosed: Bool) {
        connectionCount = shape.connections
        self.idleCount = idleCount
        self.requestCount = requestCount
        depth = shape.depth ?? 1
        schedule = shape.rate.map { RequestSchedule(rate: $0, connectionCount: shape.connections) }
        duration = .seconds(shape.seconds)
        self.untilClosed = untilClosed
        payloadByteCount = shape.payload
        answerByteCount = shape.answer
        self.varies = varies
        answerPlaces = Array(repeating: -1, count: AnswerRow.byteCount)
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

    /// What has to come back for a request.
    mutating func answer(to request: Request) -> Answer {
        let index = request.payloadPlace % AnswerRow.byteCount
        if !varies && answerPlaces[index] >= 0 { return Answer(place: Int(answerPlaces[index]), byteCount: request.answerByteCount) }
        let answer = row.answer(
            toPayload: request.payloadByteCount, from: request.payloadPlace, byteCount: request.answerByteCount)
        if !varies { answerPlaces[index] = Int32(answer.place) }
        return answer
    }

    private func part(of largest: Int, _ seed: Int) -> Int {
        Int(truncatingIfNeeded: UInt(bitPattern: seed &* 0x9e37_79b9) >> 7) % (largest + 1)
    }

    /// The sizes, for a sentence.
    var size: String { "\(varies ? "up to " : "")\(payloadByteCount) bytes, answered with \(varies ? "up to " : "")\(answerByteCount)" }
}
