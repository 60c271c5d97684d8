// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import URing

/// Leases that are kept for a while.
struct LeaseStack: ~Copyable {
    private var leases: [Box] = []

    var count: Int { leases.count }

    mutating func append(_ lease: consuming BufferLease) { leases.append(Box(lease)) }

    /// Keeps what is left of a bundle, lease by lease.
    mutating func append(_ bundle: consuming BufferBundle) {
        var bundle = bundle
        while let lease = bundle.next() { append(lease) }
    }

    /// Takes one out, the first being 0.
    mutating func take(at index: Int) -> BufferLease? { leases.remove(at: index).lease.take() }

    mutating func removeAll() { leases.removeAll() }

    private final class Box {
        var lease: BufferLease?

        init(_ lease: consuming BufferLease) { self.lease = consume lease }
    }
}

extension BufferBundle {
    /// The bytes of all leases, one after the other; the leases go back.
    consuming func copyBytes() -> [UInt8] {
        var bundle = self
        var bytes: [UInt8] = []
        while let lease = bundle.next() { bytes += lease.copyBytes() }
        return bytes
    }

    /// How many bytes each lease has; the leases go back.
    consuming func byteCounts() -> [Int] {
        var bundle = self
        var counts: [Int] = []
        while let lease = bundle.next() { counts.append(lease.count) }
        return counts
    }
}

/// Expects that the kernel has all of a pool's buffers, each of them once.
func expectWhole(_ pool: borrowing BufferRing, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let (count, available, leases) = (pool.count, pool.availableCount, pool.leaseCount)
    #expect(available == count && leases == 0, "\(available) of \(count), \(leases) leases", sourceLocation: sourceLocation)
    let (registration, tail) = (pool.state.registration, pool.state.tail)
    let identifiers = (0..<(try pool.queryAvailableCount())).map { index in
        unsafe Int(registration.entries[Int(tail &- UInt16(index + 1)) & (count - 1)].bid)
    }
    #expect(identifiers.sorted() == Array(0..<count), sourceLocation: sourceLocation)
}

/// A completion that names a buffer.
func named(_ identifier: Int, result: Int32, _ flags: CompletionFlags = []) -> CompletionEntry {
    CompletionEntry(result: result, flags: flags.union([.buffer, CompletionFlags(rawValue: UInt32(identifier) << 16)]))
}
