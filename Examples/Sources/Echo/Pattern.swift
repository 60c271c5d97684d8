// SPDX-License-Identifier: Apache-2.0

/// Bytes for requests: each request has its own place in a table of random bytes, so one that came to the wrong place shows.
struct Pattern {
    private static let placeCount = 4096
    private let table: [UInt8]

    init(byteCount: Int) {
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        table = (0..<(byteCount + Pattern.placeCount)).map { _ in
            // Marsaglia's xorshift.
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state >> 32)
        }
    }

    /// Writes a request.
    func fill(_ bytes: inout MutableSpan<UInt8>, connection: Int, request: Int) {
        let place = Pattern.place(connection: connection, request: request)
        let source = table.span.extracting(place..<(place + bytes.count))
        for index in bytes.indices { bytes[index] = source[index] }
    }

    /// The first byte that is not as it was sent.
    func mismatch(in bytes: Span<UInt8>, connection: Int, request: Int) -> (index: Int, actual: UInt8, expected: UInt8)? {
        let place = Pattern.place(connection: connection, request: request)
        let expected = table.span.extracting(place..<(place + bytes.count))
        // Without a way out of the loop it becomes vector instructions.
        var difference: UInt8 = 0
        for index in bytes.indices { difference |= bytes[index] ^ expected[index] }
        guard difference != 0 else { return nil }
        for index in bytes.indices where bytes[index] != expected[index] {
            return (index, bytes[index], expected[index])
        }
        return nil
    }

    private static func place(connection: Int, request: Int) -> Int {
        (connection &* 1031 &+ request &* 127) & (placeCount - 1)
    }
}
