// SPDX-License-Identifier: Apache-2.0

/// What identifies a file's contents: its size, and a checksum that does not depend on the order in which the blocks come.
struct FileDigest: Equatable, CustomStringConvertible {
    private(set) var byteCount = 0
    private(set) var checksum: UInt64 = 0

    /// Adds a block, by Fletcher's two sums and its place.
    mutating func add(_ block: Span<UInt8>, at offset: UInt64) {
        var sum: UInt64 = 0
        var sumOfSums: UInt64 = 0
        for index in block.indices {
            sum &+= UInt64(block[index])
            sumOfSums &+= sum
        }
        byteCount += block.count
        checksum &+= FileDigest.mix(offset ^ FileDigest.mix(sum ^ FileDigest.mix(sumOfSums ^ UInt64(block.count))))
    }

    /// Spreads every bit over all others, so that blocks that changed places, or errors that cancel each other, show.
    private static func mix(_ value: UInt64) -> UInt64 {
        var value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }

    var description: String {
        let digits = String(checksum, radix: 16)
        return "\(byteCount) bytes with checksum \(String(repeating: "0", count: 16 - digits.count))\(digits)"
    }
}
