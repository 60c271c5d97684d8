// SPDX-License-Identifier: Apache-2.0

import URing

/// What a connection carries: records of one size.
///
/// Each begins with its number on the connection, in 8 bytes, and goes on with bytes that are the same for all, and differ from place to place.
struct Record {
    static let headerByteCount = 8

    let byteCount: Int
    private let body: [UInt8]

    init(byteCount: Int) {
        self.byteCount = byteCount
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        body = (0..<byteCount).map { _ in
            // Marsaglia's xorshift.
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state >> 32)
        }
    }

    /// A buffer with the bytes that all records share.
    func makeBuffer() -> Buffer { Buffer(copying: body) }

    /// Numbers the record in a buffer.
    func number(_ number: UInt64, in buffer: inout Buffer) {
        var bytes = buffer.mutableSpan
        for index in 0..<Record.headerByteCount { bytes[index] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(index))) }
    }

    /// Compares the next bytes of a connection with what they have to be.
    ///
    /// - Parameters:
    ///   - bytes: The bytes.
    ///   - position: How many came before them.
    /// - Returns: Where in the connection the first wrong byte is, if there is one.
    func mismatch(in bytes: Span<UInt8>, at position: Int) -> Int? {
        var done = 0
        while done < bytes.count {
            let (number, start) = (position + done).quotientAndRemainder(dividingBy: byteCount)
            let count = min(byteCount - start, bytes.count - done)
            let part = bytes.extracting(done..<(done + count))
            if differs(part, from: start, number: UInt64(number)) {
                for index in part.indices where part[index] != byte(start + index, number: UInt64(number)) {
                    return position + done + index
                }
            }
            done += count
        }
        return nil
    }

    private func byte(_ index: Int, number: UInt64) -> UInt8 {
        index < Record.headerByteCount ? UInt8(truncatingIfNeeded: number >> (8 * UInt64(index))) : body[index]
    }

    private func differs(_ part: Span<UInt8>, from start: Int, number: UInt64) -> Bool {
        let headerCount = min(max(Record.headerByteCount - start, 0), part.count)
        for index in 0..<headerCount where part[index] != byte(start + index, number: number) { return true }
        let expected = body.span.extracting((start + headerCount)..<(start + part.count))
        let actual = part.extracting(headerCount..<part.count)
        // Without a way out of the loop it becomes vector instructions.
        var difference: UInt8 = 0
        for index in expected.indices { difference |= expected[index] ^ actual[index] }
        return difference != 0
    }
}
