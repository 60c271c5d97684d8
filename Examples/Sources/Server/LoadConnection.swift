// SPDX-License-Identifier: Apache-2.0

import Framing
import Support
import URing

/// A connection of a load: what it has asked, and how far the answers have come.
final class LoadConnection {
    /// An answer to come.
    private struct Expected {
        var answer: Answer
        var askedAt: ContinuousClock.Instant
    }

    let number: Int
    let socket: Descriptor
    /// The buffer that requests are sent from, when no send has it.
    var output: Buffer?
    var isSending = false
    /// Whether all its requests are answered, or it makes no more.
    var isDone = false
    /// Whether the server has ended it, or it has told the server that it ends.
    var hasEnded = false

    private var requestCount = 0
    /// The request that is being written, and how much of its payload is.
    private var request: LoadPlan.Request?
    private var written = 0
    /// The answers to come, in a ring: as many as requests are under way.
    private var expected: [Expected] = []
    private var first = 0
    private var waitingCount = 0
    /// How much of the first answer has come.
    private var position = 0

    init(_ socket: consuming Descriptor, number: Int) {
        self.socket = socket
        self.number = number
    }

    var isWaiting: Bool { waitingCount > 0 }
    var isWithinAnswer: Bool { position > 0 }

    /// Whether there is something to be sent.
    func hasMore(_ plan: borrowing LoadPlan, isOver: Bool) -> Bool {
        !hasEnded && (request != nil || waitingCount < plan.depth && requestCount < plan.requestCount && !isOver)
    }

    /// Writes requests as far as there is room, and as they are allowed to be under way.
    func write(to output: inout Buffer, _ plan: borrowing LoadPlan, isOver: Bool, now: ContinuousClock.Instant) {
        while hasMore(plan, isOver: isOver) {
            if request == nil {
                guard output.freeCapacity >= RequestParser.headerByteCount else { return }
                begin(plan, now: now, &output)
            }
            guard let current = request else { return }
            let count = min(current.payloadByteCount - written, output.freeCapacity)
            plan.row.append(count, from: current.payloadPlace + written, to: &output)
            written += count
            guard written == current.payloadByteCount else { return }
            request = nil
        }
    }

    private func begin(_ plan: borrowing LoadPlan, now: ContinuousClock.Instant, _ output: inout Buffer) {
        let next = plan.request(requestCount, of: number)
        RequestParser.appendHeader(payloadByteCount: next.payloadByteCount, answerByteCount: next.answerByteCount, to: &output)
        let answer = plan.row.answer(toPayload: next.payloadByteCount, from: next.payloadPlace, byteCount: next.answerByteCount)
        let place = (first + waitingCount) % plan.depth
        let item = Expected(answer: answer, askedAt: now)
        if place < expected.count { expected[place] = item } else { expected.append(item) }
        waitingCount += 1
        requestCount += 1
        request = next
        written = 0
    }

    /// Compares the next bytes that came with what has to come.
    func compare(_ bytes: Span<UInt8>, _ plan: borrowing LoadPlan, now: ContinuousClock.Instant, _ result: inout LoadResult) throws {
        var done = 0
        while done < bytes.count {
            guard waitingCount > 0 else { throw Failure("The server sent bytes on connection \(number) that were not asked for.") }
            let answer = expected[first].answer
            let count = min(answer.byteCount - position, bytes.count - done)
            guard plan.row.matches(bytes.extracting(done..<(done + count)), from: answer.place + position) else {
                throw Failure(
                    "Wrong byte: within bytes \(position) to \(position + count) of an answer on connection \(number), "
                        + "to request \(requestCount - waitingCount).")
            }
            position += count
            done += count
            result.verifiedByteCount += count
            guard position == answer.byteCount else { return }
            result.latencies.add(now - expected[first].askedAt)
            first = (first + 1) % plan.depth
            waitingCount -= 1
            position = 0
        }
    }
}
