// SPDX-License-Identifier: Apache-2.0

import Framing
import Support
import URing

/// A connection of a load: what it has asked, and how far the answers have come.
///
/// A value in an array, not an object: the load is to cost less than the servers that it loads.
struct LoadConnection {
    /// The socket, in an object because arrays have no room for what has one owner.
    final class Socket {
        let descriptor: Descriptor

        init(_ descriptor: consuming Descriptor) {
            self.descriptor = descriptor
        }
    }

    /// An answer to come, and since when the request is waiting for it.
    private struct Expected {
        var answer: Answer
        var askedAt: Int
    }

    let number: Int
    let socket: Socket
    /// How many of its requests are due, if the plan has a schedule.
    var dueCount = 0
    var isSending = false
    /// Whether all its requests are answered, or it makes no more.
    var isDone = false
    /// Whether the server has ended it, or it has told the server that it ends.
    var hasEnded = false

    private var requestCount = 0
    /// The request that is being written, and how much of its payload is.
    private var request: LoadPlan.Request?
    private var written = 0
    /// The answers to come, in a ring whose size is a power of two; grows with the number of requests under way.
    private var expected: [Expected] = []
    private var first = 0
    private var waitingCount = 0
    /// How much of the first answer has come.
    private var position = 0

    init(_ socket: consuming Descriptor, number: Int) {
        self.socket = Socket(socket)
        self.number = number
    }

    var isWaiting: Bool { waitingCount > 0 }
    var isWithinAnswer: Bool { position > 0 }

    /// Whether there is something to be sent.
    func hasMore(_ plan: borrowing LoadPlan, isOver: Bool) -> Bool {
        if hasEnded { return false }
        if request != nil { return true }
        if plan.schedule != nil { return requestCount < dueCount }
        return waitingCount < plan.depth && requestCount < plan.requestCount && !isOver
    }

    /// Writes requests as far as there is room, and as they are allowed to be under way.
    ///
    /// When the load began, and what time it is, are nanoseconds of one clock.
    mutating func write(to output: inout Buffer, _ plan: inout LoadPlan, isOver: Bool, start: Int, now: Int) {
        while hasMore(plan, isOver: isOver) {
            if request == nil {
                guard output.freeCapacity >= RequestParser.headerByteCount else { return }
                // With a schedule, a request waits from when it was due, however late it is sent.
                begin(&plan, askedAt: plan.schedule.map { start + $0.time(ofRequest: requestCount, on: number) } ?? now, &output)
            }
            guard let current = request else { return }
            let count = min(current.payloadByteCount - written, output.freeCapacity)
            plan.row.append(count, from: current.payloadPlace + written, to: &output)
            written += count
            guard written == current.payloadByteCount else { return }
            request = nil
        }
    }

    private mutating func begin(_ plan: inout LoadPlan, askedAt: Int, _ output: inout Buffer) {
        let next = plan.request(requestCount, of: number)
        RequestParser.appendHeader(payloadByteCount: next.payloadByteCount, answerByteCount: next.answerByteCount, to: &output)
        expect(Expected(answer: plan.answer(to: next), askedAt: askedAt))
        requestCount += 1
        request = next
        written = 0
    }

    private mutating func expect(_ item: Expected) {
        if waitingCount == expected.count {
            // In their order, and as many places once more.
            expected = Array(expected[first...] + expected[..<first])
            expected += Array(repeating: item, count: max(expected.count, 1))
            first = 0
        }
        expected[(first + waitingCount) & (expected.count - 1)] = item
        waitingCount += 1
    }

    /// Compares the next bytes that came with what has to come.
    mutating func compare(_ bytes: Span<UInt8>, _ plan: borrowing LoadPlan, now: Int, _ result: inout LoadResult) throws {
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
            result.latencies.add(nanoseconds: now - expected[first].askedAt)
            first = (first + 1) & (expected.count - 1)
            waitingCount -= 1
            position = 0
        }
    }
}
