// SPDX-License-Identifier: Apache-2.0

import CFraming
import URing

/// Finds the requests in what a connection brings, wherever it is cut.
///
/// It keeps nothing of a payload but the checksum, so how long a request is costs no memory.
public struct RequestParser: BitwiseCopyable, Sendable {
    /// How many bytes a request has before its payload.
    public static let headerByteCount = Int(FRAMING_HEADER_BYTES)

    /// The largest payload, and the largest answer.
    private let byteLimit: Int
    /// The header's bytes so far, the first of them lowest.
    private var header: UInt64 = 0
    @usableFromInline var headerCount = 0
    private var payloadLeft = 0
    private var checksum = framing_checksum_start()
    /// How many requests were found.
    public private(set) var requestCount = 0

    /// Makes a parser for a new connection.
    ///
    /// - Parameter byteLimit: The largest payload, and the largest answer.
    public init(byteLimit: Int) {
        self.byteLimit = byteLimit
    }

    /// Whether a part of a request is there, and the rest is not.
    @inlinable public var isWithinRequest: Bool { headerCount > 0 }

    /// Looks at the next bytes, and adds the answers to the requests that end in them.
    ///
    /// - Returns: False if a request is above the limit; what follows it cannot be made sense of.
    public mutating func parse(_ bytes: Span<UInt8>, into answers: inout AnswerQueue) -> Bool {
        var done = 0
        // A request without a payload is complete with the last byte of its header.
        while done < bytes.count {
            if headerCount < RequestParser.headerByteCount {
                done += takeHeader(from: bytes.extracting(done...))
                if headerCount < RequestParser.headerByteCount { return true }
                payloadLeft = Int(UInt32(truncatingIfNeeded: header))
                if payloadLeft > byteLimit || answerByteCount > byteLimit { return false }
            }
            let count = min(payloadLeft, bytes.count - done)
            let part = bytes.extracting(done..<(done + count))
            var sum = checksum
            for index in part.indices { sum = framing_checksum_add(sum, part[index]) }
            checksum = sum
            done += count
            payloadLeft -= count
            if payloadLeft == 0 { end(into: &answers) }
        }
        return true
    }

    /// Takes what is there of the header, and says how much that is.
    private mutating func takeHeader(from bytes: Span<UInt8>) -> Int {
        if headerCount == 0 && bytes.count >= RequestParser.headerByteCount {
            // With a number of bytes that is known beforehand, the loop becomes one load.
            header = 0
            for index in 0..<RequestParser.headerByteCount { header |= UInt64(bytes[index]) &<< UInt64(8 &* index) }
            headerCount = RequestParser.headerByteCount
            return RequestParser.headerByteCount
        }
        let part = bytes.extracting(first: RequestParser.headerByteCount - headerCount)
        for index in part.indices { header |= UInt64(part[index]) &<< UInt64(8 &* (headerCount &+ index)) }
        headerCount += part.count
        return part.count
    }

    private var answerByteCount: Int { Int(header >> 32) }

    private mutating func end(into answers: inout AnswerQueue) {
        answers.append(Answer(place: Int(framing_answer_place(checksum)), byteCount: answerByteCount))
        header = 0
        headerCount = 0
        checksum = framing_checksum_start()
        requestCount += 1
    }

    /// Appends a request's header to a buffer.
    ///
    /// - Precondition: The buffer has room for it, and both counts have 32 bits.
    public static func appendHeader(payloadByteCount: Int, answerByteCount: Int, to buffer: inout Buffer) {
        let header = UInt64(answerByteCount) << 32 | UInt64(payloadByteCount)
        let start = buffer.count
        buffer.append(repeating: 0, count: headerByteCount)
        var bytes = buffer.mutableSpan
        for index in 0..<headerByteCount { bytes[start + index] = UInt8(truncatingIfNeeded: header &>> UInt64(8 &* index)) }
    }
}
