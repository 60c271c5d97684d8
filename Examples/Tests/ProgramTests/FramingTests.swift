// SPDX-License-Identifier: Apache-2.0

import Framing
import Testing
import URing

@Suite struct FramingTests {
    /// The answers to requests that arrive in pieces of a size.
    private func answers(to bytes: [UInt8], inPiecesOf size: Int, byteLimit: Int = 1000) -> (answers: [UInt8], isUnderstood: Bool) {
        let row = AnswerRow()
        var parser = RequestParser(byteLimit: byteLimit)
        var queue = AnswerQueue()
        var output = Buffer(byteCapacity: 100_000)
        var start = 0
        while start < bytes.count {
            let end = min(start + size, bytes.count)
            let isUnderstood = parser.parse(Buffer(copying: bytes[start..<end]).span, into: &queue)
            queue.write(to: &output, from: row)
            if !isUnderstood { return (output.copyBytes(), false) }
            start = end
        }
        return (output.copyBytes(), true)
    }

    @Test func requestsAreFoundWhereverTheyAreCut() {
        let requests = (0..<40).flatMap { number in
            RequestClient.request(payload: Array(repeating: UInt8(number), count: number * 3), answerByteCount: 5 * number + 1)
        }
        let whole = answers(to: requests, inPiecesOf: requests.count)
        #expect(whole.isUnderstood)
        #expect(whole.answers.count == (0..<40).reduce(0) { $0 + 5 * $1 + 1 })
        for size in [1, 2, 3, 7, 8, 9, 64, 1000] {
            #expect(answers(to: requests, inPiecesOf: size).answers == whole.answers)
        }
    }

    @Test func theAnswerTellsWhetherThePayloadCameInOrder() {
        let answer = { (payload: [UInt8]) in
            answers(to: RequestClient.request(payload: payload, answerByteCount: 16), inPiecesOf: 100).answers
        }
        #expect(answer([1, 2, 3]) != answer([1, 3, 2]))
        #expect(answer([0, 0]) != answer([0]))
        #expect(answer([1, 2, 3]) == answer([1, 2, 3]))
    }

    @Test func aLoadKnowsTheAnswerToAPartOfTheRow() throws {
        let row = AnswerRow()
        var payload = Buffer(byteCapacity: 20_000)
        row.append(20_000, from: 16_000, to: &payload)
        let answer = row.answer(toPayload: 20_000, from: 16_000, byteCount: 30_000)
        var request = Buffer(byteCapacity: RequestParser.headerByteCount)
        RequestParser.appendHeader(payloadByteCount: 20_000, answerByteCount: 30_000, to: &request)
        let actual = answers(to: request.copyBytes() + payload.copyBytes(), inPiecesOf: 4096, byteLimit: 40_000).answers
        #expect(actual.count == 30_000)
        var buffer = Buffer(copying: actual)
        let isRight = row.matches(buffer.span, from: answer.place)
        #expect(isRight)
        var bytes = buffer.mutableSpan
        bytes[29_999] ^= 1
        let isStillRight = row.matches(buffer.span, from: answer.place)
        #expect(!isStillRight)
    }

    @Test("S3-15: each connection of a load with a rate has one request in every interval, at its own time")
    func aScheduleHasItsRate() {
        let schedule = RequestSchedule(rate: 2000, connectionCount: 20)
        // Twenty connections, each with a hundred requests in a second.
        let interval = 10_000_000
        let times = (0..<200).map { schedule.time(ofRequest: $0) }
        #expect(times == times.sorted())
        for round in 0..<10 {
            let numbers = round * 20..<(round + 1) * 20
            #expect(Set(numbers.map { schedule.connection(ofRequest: $0) }) == Set(0..<20))
            #expect(numbers.allSatisfy { times[$0] / interval == round })
            #expect(numbers.allSatisfy { times[$0] == schedule.time(ofRequest: round, on: schedule.connection(ofRequest: $0)) })
        }
        // They do not come one after the other like a clock's ticks.
        let gaps = (1..<20).map { times[$0] - times[$0 - 1] }.sorted()
        #expect(gaps[0] < interval / 20 / 4 && gaps[18] > interval / 20 * 2)
    }

    @Test(arguments: [(1001, 1), (1, 1001), (0xffff_ffff, 0), (0, 0xffff_ffff)])
    func aLengthAboveTheLimitEndsWhatIsUnderstood(payloadByteCount: Int, answerByteCount: Int) {
        let first = RequestClient.request(payload: [1], answerByteCount: 9)
        let bytes = first + RequestClient.header(payloadByteCount: payloadByteCount, answerByteCount: answerByteCount) + first
        let result = answers(to: bytes, inPiecesOf: bytes.count)
        #expect(!result.isUnderstood)
        #expect(result.answers.count == 9)
    }

    @Test func anAnswerOfNothingIsNone() {
        let result = answers(to: RequestClient.request(payload: [1], answerByteCount: 0), inPiecesOf: 9)
        #expect(result.isUnderstood && result.answers.isEmpty)
        let several = [3, 0, 0, 2].flatMap { RequestClient.request(payload: [1], answerByteCount: $0) }
        for size in [1, 9, several.count] { #expect(answers(to: several, inPiecesOf: size).answers.count == 5) }
    }

    @Test("S3-14: timers come due at their tick, however far ahead it is")
    func timersComeDueAtTheirTick() {
        var wheel = TimerWheel(slotCount: 4)
        for tick in [1, 2, 5, 9, 9, 40] { wheel.set(TimerWheel.Timer(place: tick, owner: 7, tick: tick)) }
        var due: [Int] = []
        for tick in 1...50 {
            for timer in wheel.tick() {
                #expect(timer.tick == tick && timer.place == tick && timer.owner == 7)
                due.append(timer.tick)
            }
        }
        #expect(due == [1, 2, 5, 9, 9, 40])
        #expect(wheel.count == 0)
        // One that is past comes with the next tick.
        wheel.set(TimerWheel.Timer(place: 0, owner: 0, tick: 3))
        #expect(wheel.tick().count == 1)
    }
}
