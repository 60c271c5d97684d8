// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

@Suite struct IncrementalBufferRingTests {
    private static let first = pattern(100, seed: 1)
    private static let second = pattern(50, seed: 2)

    /// The completion of the first receive is read first, and waits in the ring for that of its timeout.
    @Test(arguments: [4096, 150])
    func aCompletionThatWaitsForItsTimeoutHasItsOwnBytes(byteCount: Int) throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 1, byteCount: byteCount, mode: .incremental())
        let a = try DescriptorPair.sockets()
        let b = try DescriptorPair.sockets()
        #expect(a.second.sendNow(Self.first) == 100 && b.second.sendNow(Self.second) == 50)
        try ring.prepare(ReceiveProvided(a.first, into: pool), tag: 1, timeout: .after(.seconds(5)))
        try ring.prepare(ReceiveProvided(b.first, into: pool), tag: 2)
        try ring.submit(waitingFor: 3, timeout: .seconds(5))
        var leases = LeaseStack()
        while let completion = ring.nextCompletion() {
            let expected = completion.tag == 1 ? Self.first : Self.second
            let lease = try completion.take(ReceiveProvided.self).result.get()
            #expect(lease.copyBytes() == expected)
            leases.append(lease)
        }
        #expect(leases.count == 2)
        #expect(pool.availableCount == (byteCount == 150 ? 0 : 1))
        leases.removeAll()
        #expect(pool.availableCount == 1 && pool.leaseCount == 0)
    }

    @Test func completionsAreTakenInAnyOrder() throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 1, byteCount: 150, mode: .incremental())
        let a = try DescriptorPair.sockets()
        let b = try DescriptorPair.sockets()
        #expect(a.second.sendNow(Self.first) == 100 && b.second.sendNow(Self.second) == 50)
        try ring.prepare(ReceiveProvided(a.first, into: pool), tag: 1)
        try ring.prepare(ReceiveProvided(b.first, into: pool), tag: 2)
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        let first = try ring.nextCompletionWaiting()
        let second = try ring.nextCompletionWaiting()
        #expect(first.tag == 1 && second.tag == 2)
        let later = try second.take(ReceiveProvided.self).result.get()
        let earlier = try first.take(ReceiveProvided.self).result.get()
        #expect(earlier.copyBytes() == Self.first && later.copyBytes() == Self.second)
        drop(earlier)
        #expect(pool.availableCount == 0)
        drop(later)
        try expectWhole(pool)
    }

    /// The second completion is the one with which the kernel is done with the buffer.
    @Test func aBufferStaysAwayWhileACompletionNamesIt() throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 1, byteCount: 150, mode: .incremental())
        let a = try DescriptorPair.sockets()
        let b = try DescriptorPair.sockets()
        #expect(a.second.sendNow(Self.first) == 100 && b.second.sendNow(Self.second) == 50)
        try ring.prepare(ReceiveProvided(a.first, into: pool), tag: 1)
        try ring.prepare(ReceiveProvided(b.first, into: pool), tag: 2)
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        let first = try ring.nextCompletionWaiting()
        drop(try ring.nextCompletionWaiting())
        #expect(pool.availableCount == 0 && pool.leaseCount == 1)
        // So another receive finds no buffer, and writes nowhere.
        #expect(b.second.sendNow(Self.second) == 50)
        let refused = try ring.run(ReceiveProvided(b.first, into: pool), tag: 3)
        #expect(refused.entry.errno == .noBufferSpace)
        let lease = try first.take(ReceiveProvided.self).result.get()
        #expect(lease.copyBytes() == Self.first)
        drop(lease)
        try expectWhole(pool)
    }

    @Test func membersOfAChainHaveTheirOwnBytes() throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 4096, mode: .incremental())
        let a = try DescriptorPair.sockets()
        let b = try DescriptorPair.sockets()
        #expect(a.second.sendNow(Self.first) == 100 && b.second.sendNow(Self.second) == 50)
        try ring.link { chain in
            try chain.prepare(ReceiveProvided(a.first, into: pool), tag: 1)
            try chain.prepare(ReceiveProvided(b.first, into: pool), tag: 2)
        }
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        let first = try ring.nextCompletionWaiting()
        let second = try ring.nextCompletionWaiting()
        #expect(first.tag == 1 && second.tag == 2)
        #expect(try second.take(ReceiveProvided.self).result.get().copyBytes() == Self.second)
        #expect(try first.take(ReceiveProvided.self).result.get().copyBytes() == Self.first)
        #expect(pool.availableCount == 2 && pool.leaseCount == 0)
    }

    /// The kernel posts what a multishot receives at once, and what others do at the end of the submission, unless it sees to the order.
    @Test(arguments: RingKind.allCases)
    func operationsOfAllKindsShareABuffer(kind: RingKind) throws {
        try withRing(kind) { ring in
            let pool = try ring.makeBufferRing(count: 1, byteCount: 4096, mode: .incremental())
            let a = try DescriptorPair.sockets()
            let b = try DescriptorPair.sockets()
            let c = try DescriptorPair.sockets()
            let pipe = try DescriptorPair.pipe()
            #expect(a.second.sendNow(pattern(100, seed: 1)) == 100 && b.second.sendNow(pattern(90, seed: 2)) == 90)
            #expect(c.second.sendNow(pattern(80, seed: 3)) == 80)
            _ = try ring.run(Write(pipe.second, from: Buffer(copying: pattern(70, seed: 4)))).result.get()
            try ring.prepare(ReceiveProvided(a.first, into: pool), tag: 1, timeout: .after(.seconds(5)))
            try ring.prepare(ReceiveMultishot(b.first, into: pool), tag: 2)
            try ring.prepare(ReceiveBundle(c.first, into: pool), tag: 3)
            try ring.prepare(ReadProvided(pipe.first, into: pool), tag: 4)
            var bytes: [Int: [UInt8]] = [:]
            while bytes.count < 4 {
                let completion = try ring.nextCompletionWaiting()
                let tag = completion.tag
                switch tag {
                case 1: bytes[tag] = try completion.take(ReceiveProvided.self).result.get().copyBytes()
                case 2: bytes[tag] = try completion.event(ReceiveMultishot.self).expectMore().copyBytes()
                case 3: bytes[tag] = try completion.take(ReceiveBundle.self).result.get().copyBytes()
                default: bytes[tag] = try completion.take(ReadProvided.self).result.get().copyBytes()
                }
            }
            for tag in 1...4 { #expect(bytes[tag] == pattern(110 - 10 * tag, seed: tag), "\(tag)") }
        }
    }

    @Test func anOperationIsPreparedAgain() throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 1, byteCount: 4096, mode: .incremental())
        let pair = try DescriptorPair.sockets()
        var leases = LeaseStack()
        try ring.prepare(ReceiveProvided(pair.first, into: pool), tag: 1)
        for round in 0..<40 {
            #expect(pair.second.sendNow(pattern(100, seed: round)) == 100)
            try ring.prepareAgain(ring.nextCompletionWaiting(), as: ReceiveProvided.self) { _, result in
                let lease = try result.get()
                #expect(lease.copyBytes() == pattern(100, seed: round))
                leases.append(lease)
            }
        }
        #expect(pool.leaseCount == 40 && pool.availableCount == 1)
    }

    @Test func anOperationIsCancelledByItsName() throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 1, byteCount: 4096, mode: .incremental())
        let pair = try DescriptorPair.sockets()
        let token = try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        try ring.prepare(Cancel(token), tag: 2)
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        while let completion = ring.nextCompletion() {
            #expect(completion.entry.errno == (completion.tag == 1 ? .canceled : nil))
        }
        #expect(ring.inFlightCount == 0)
    }

    @Test func whatTheRingsEndFindsGivesItsBuffersBack() throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 150, mode: .incremental())
        let a = try DescriptorPair.sockets()
        let b = try DescriptorPair.sockets()
        let c = try DescriptorPair.sockets()
        #expect(a.second.sendNow(Self.first) == 100 && b.second.sendNow(Self.second) == 50 && c.second.sendNow(Self.first) == 100)
        try ring.prepare(ReceiveProvided(a.first, into: pool), tag: 1, timeout: .after(.seconds(5)))
        try ring.prepare(ReceiveMultishot(b.first, into: pool), tag: 2)
        try ring.prepare(ReceiveBundle(c.first, into: pool), tag: 3)
        try ring.submit(waitingFor: 4, timeout: .seconds(5))
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        // The buffer that is full, and of the other what is left.
        #expect(pool.leaseCount == 0 && pool.availableCount == 2)
    }

    @Test func aCompletionOutlivesItsRing() throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 1, byteCount: 150, mode: .incremental())
        let pair = try DescriptorPair.sockets()
        #expect(pair.second.sendNow(Self.first) == 100)
        try ring.prepare(ReceiveProvided(pair.first, into: pool), tag: 1)
        try ring.submit()
        let completion = try ring.nextCompletionWaiting()
        ring.close()
        drop(pool)
        #expect(try completion.take(ReceiveProvided.self).result.get().copyBytes() == Self.first)
    }

    @Test func recordsAreCountedAndGivenOutOnce() async {
        var records = BufferRecords()
        for index in 0..<BufferRecords.maximumCount {
            #expect(records.add(BufferRecord(identifier: 3, leaseCount: 1, start: UInt32(index), byteCount: 1)) == index)
        }
        #expect(records.remove(700).start == 700 && records.remove(65535).start == 65535)
        #expect(records.add(BufferRecord(identifier: 4, leaseCount: 1, start: 0, byteCount: 1)) == 65535)
        #expect(records.add(BufferRecord(identifier: 5, leaseCount: 1, start: 0, byteCount: 1)) == 700)
        #expect(records.remove(700).identifier == 5)
        expectSentence(
            "Take or drop completions of an incremental pool before there are more than 65536 of them.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var records = BufferRecords()
                for _ in 0...BufferRecords.maximumCount {
                    _ = records.add(BufferRecord(identifier: 0, leaseCount: 1, start: 0, byteCount: 1))
                }
            })
        expectSentence(
            "A completion of an incremental pool comes from the ring that read it, and has its bytes once.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var records = BufferRecords()
                let number = records.add(BufferRecord(identifier: 0, leaseCount: 1, start: 0, byteCount: 1))
                _ = records.remove(Int(number))
                _ = records.remove(Int(number))
            })
    }
}
