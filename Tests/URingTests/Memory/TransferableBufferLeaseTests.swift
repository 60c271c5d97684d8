// SPDX-License-Identifier: Apache-2.0

import Synchronization
import SystemPackage
import Testing

@testable import URing

@Suite struct TransferableBufferLeaseTests {
    private final class Kept: Sendable {
        let lease: TransferableBufferLease

        init(_ lease: consuming TransferableBufferLease) { self.lease = lease }
    }

    /// A pool with so many leases of it, one byte in each.
    private func leases(_ count: Int, of pool: borrowing BufferRing, in ring: inout Ring<Int>) throws -> LeaseStack {
        let pair = try DescriptorPair.sockets(.datagram)
        var leases = LeaseStack()
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 0)
        for index in 0..<count {
            #expect(pair.second.sendNow([UInt8(truncatingIfNeeded: index)]) == 1)
            leases.append(try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectMore())
        }
        try ring.cancelAll(on: pair.first)
        while ring.inFlightCount > 0 { drop(try ring.nextCompletionWaiting()) }
        return leases
    }

    @Test func comesBackFromAnotherThread() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 64)
        var leases = try leases(4, of: pool, in: &ring)
        #expect(pool.canRearm == false)
        for index in 0..<4 {
            guard let lease = leases.take(at: 0) else { throw NoCompletion() }
            let handed = Handed<TransferableBufferLease?>(lease.transfer())
            #expect(pool.leaseCount == 4 - index)
            TestThread {
                let lease = handed.value.take()
                #expect(lease?.copyBytes() == [UInt8(index)])
            }.join()
            #expect(pool.leaseCount == 3 - index && pool.canRearm == true && pool.availableCount == index + 1)
        }
        try expectWhole(pool)
    }

    @Test func aReceiveThatIsPreparedFindsWhatCameBack() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 1, byteCount: 64)
        var leases = try leases(1, of: pool, in: &ring)
        let handed = Handed<TransferableBufferLease?>(leases.take(at: 0)?.transfer())
        TestThread { handed.value = nil }.join()
        // Without asking the pool anything.
        let pair = try DescriptorPair.sockets()
        #expect(pair.second.sendNow([7]) == 1)
        let received = try ring.run(ReceiveProvided(pair.first, into: pool)).result.get()
        #expect(received.copyBytes() == [7])
    }

    @Test func isTheMemoryOfASendOfAnotherRing() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        var leases = try leases(2, of: pool, in: &ring)
        drop(leases.take(at: 0))
        let handed = Handed<TransferableBufferLease?>(leases.take(at: 0)?.transfer())
        TestThread {
            do {
                guard let lease = handed.value.take() else { throw NoCompletion() }
                var other = try Ring<Int>(entries: 8)
                let pair = try DescriptorPair.sockets()
                let sent = try other.run(Send(pair.first, from: lease))
                #expect(sent.entry.result == 1 && sent.operation.memory.count == 1)
                #expect(pair.second.receiveBounded() == [1])
            } catch {
                Issue.record(error)
            }
        }.join()
        try expectWhole(pool)
    }

    @Test func outlivesItsPoolAndItsRing() throws {
        var kept: [Kept] = []
        do {
            var ring = try Ring<Int>(entries: 8)
            let pool = try ring.makeBufferRing(count: 4, byteCount: 64)
            var leases = try leases(3, of: pool, in: &ring)
            while leases.count > 0, let lease = leases.take(at: 0) { kept.append(Kept(lease.transfer())) }
        }
        let all = kept
        TestThread { for (index, one) in all.enumerated() { #expect(one.lease.copyBytes() == [UInt8(index)]) } }.join()
        kept.removeAll()
    }

    @Test func whatLeasesShareIsFreedWithTheLast() async {
        await #expect(processExitsWith: .success) {
            var ring = try Ring<Int>(entries: 8)
            let pair = try DescriptorPair.sockets()
            func use() throws {
                for _ in 0..<300 {
                    let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
                    try #require(pair.second.sendNow([1]) == 1)
                    let lease = try ring.run(ReceiveProvided(pair.first, into: pool)).result.get()
                    let transferable = lease.transfer()
                    drop(pool)
                    drop(transferable)
                }
            }
            try use()
            try requireNothingIsLeaked(but: 10_000, by: use)
        }
    }

    @Test func leasesOfOneBufferComeBackFromManyThreadsAtOnce() throws {
        var ring = try Ring<Int>(entries: 8)
        // A few buffers of many pieces each, so that threads meet at the same buffer while the pool takes them in.
        let pool = try ring.makeBufferRing(count: 4, byteCount: 500, mode: .incremental())
        for _ in 0..<20 {
            var leases = try leases(1400, of: pool, in: &ring)
            var kept: [Kept] = []
            while leases.count > 0, let lease = leases.take(at: leases.count - 1) { kept.append(Kept(lease.transfer())) }
            let begin = Flag()
            let parts = (0..<4).map { part in Handed(kept.indices.filter { $0 % 4 == part }.map { kept[$0] }) }
            kept.removeAll()
            let threads = parts.map { part in
                TestThread {
                    while !begin.value {}
                    while !part.value.isEmpty { part.value.removeLast() }
                }
            }
            begin.set()
            var rounds = 0
            while pool.leaseCount > 0 {
                rounds += 1
                if rounds > 100_000_000 { throw NoCompletion() }
            }
            for thread in threads { thread.join() }
            #expect(pool.availableCount == 4)
        }
        try expectWhole(pool)
    }

    @Test func nothingIsTransferredAsNothing() {
        let lease = BufferLease().transfer()
        #expect(lease.count == 0)
        #expect(lease.copyBytes() == [])
    }
}
