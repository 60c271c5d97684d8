// SPDX-License-Identifier: Apache-2.0

import CFraming
import URing

/// The endless row of bytes that answers are parts of; payloads of requests can be, too.
public struct AnswerRow: ~Copyable, Sendable {
    /// After how many bytes it repeats.
    public static var byteCount: Int { Int(FRAMING_ROW_BYTES) }

    private let bytes: Buffer

    /// Makes the row, in memory as far as it does not repeat.
    public init() {
        bytes = Buffer(copying: (0..<FRAMING_ROW_BYTES).map(framing_row_byte))
    }

    /// Appends a part of the row to a buffer.
    ///
    /// - Precondition: The buffer has room for it.
    public func append(_ byteCount: Int, from place: Int, to buffer: inout Buffer) {
        var start = place % AnswerRow.byteCount
        var left = byteCount
        while left > 0 {
            let count = min(AnswerRow.byteCount - start, left)
            buffer.append(bytes.bytes.extracting(start..<(start + count)))
            left -= count
            start = 0
        }
    }

    /// Whether bytes are those from a place of the row on.
    public func matches(_ actual: Span<UInt8>, from place: Int) -> Bool {
        var done = 0
        while done < actual.count {
            let start = (place + done) % AnswerRow.byteCount
            let count = min(AnswerRow.byteCount - start, actual.count - done)
            let expected = bytes.span.extracting(start..<(start + count))
            let part = actual.extracting(done..<(done + count))
            // Without a way out of the loop it becomes vector instructions.
            var difference: UInt8 = 0
            for index in part.indices { difference |= part[index] ^ expected[index] }
            if difference != 0 { return false }
            done += count
        }
        return true
    }

    /// The answer to a request whose payload is a part of the row.
    public func answer(toPayload payloadByteCount: Int, from place: Int, byteCount: Int) -> Answer {
        var checksum = framing_checksum_start()
        var done = 0
        while done < payloadByteCount {
            let start = (place + done) % AnswerRow.byteCount
            let count = min(AnswerRow.byteCount - start, payloadByteCount - done)
            let part = bytes.span.extracting(start..<(start + count))
            for index in part.indices { checksum = framing_checksum_add(checksum, part[index]) }
            done += count
        }
        return Answer(place: Int(framing_answer_place(checksum)), byteCount: byteCount)
    }
}

/// What is to be sent for a request, or what is left of it.
public struct Answer: BitwiseCopyable, Sendable, Equatable {
    /// Where in the row it begins.
    public var place: Int
    /// How many bytes it has.
    public var byteCount: Int

    /// Describes an answer.
    public init(place: Int, byteCount: Int) {
        self.place = place
        self.byteCount = byteCount
    }
}

/// Answers in the order in which they are to be sent.
public struct AnswerQueue: Sendable {
    /// The first, which most of the time is the only one; without bytes if there is none.
    @usableFromInline var first = Answer(place: 0, byteCount: 0)
    /// Those behind it, and before `restStart` those that were.
    @usableFromInline var rest: [Answer] = []
    @usableFromInline var restStart = 0

    /// Makes a queue of nothing.
    public init() {}

    /// How many answers are not written to their end.
    @inlinable public var count: Int { isEmpty ? 0 : 1 + rest.count - restStart }

    /// Whether all are written.
    @inlinable public var isEmpty: Bool { first.byteCount == 0 }

    mutating func append(_ answer: Answer) {
        if isEmpty { first = answer } else if answer.byteCount > 0 { rest.append(answer) }
    }

    /// Writes as much as there is room for.
    public mutating func write(to buffer: inout Buffer, from row: borrowing AnswerRow) {
        while !isEmpty && buffer.freeCapacity > 0 {
            let count = min(first.byteCount, buffer.freeCapacity)
            row.append(count, from: first.place, to: &buffer)
            first.place += count
            first.byteCount -= count
            if isEmpty { takeNext() }
        }
    }

    private mutating func takeNext() {
        if restStart == rest.count { return }
        first = rest[restStart]
        restStart += 1
        // A connection that always has more to come would else never give back what is done.
        guard restStart == rest.count || restStart >= 256 else { return }
        rest.removeFirst(restStart)
        restStart = 0
    }
}
