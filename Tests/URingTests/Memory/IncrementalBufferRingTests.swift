// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

@Suite struct IncrementalBufferRingTests {
    private static let first = pattern(100, seed: 1)
    private static let second = pattern(50, seed: 2)

    @Test func completionsAreTakenInAnyOrder() throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 1, byteCount: 150, mode: .incremental())
        let a = try DescriptorPair.sockets()
        let b = try DescriptorPair.sockets()
        #expect(a.second.sendNow(Self.first) == 100 && b.second.sendNow(Self.second) == 50)
        try ring.prepare(ReceiveMultishot(a.first, into: pool), tag: 1)
        try ring.prepare(ReceiveMultishot(b.first, into: pool), tag: 2)
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        let first = try ring.nextCompletionWaiting()
        let second = try ring.nextCompletionWaiting()
        #expect(first.tag == 1 && second.tag == 2)
        let later = try second.event(ReceiveMultishot.self).expectMore()
        let earlier = try first.event(ReceiveMultishot.self).expectMore()
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
        try ring.prepare(ReceiveMultishot(a.first, into: pool), tag: 1)
        try ring.prepare(ReceiveMultishot(b.first, into: pool), tag: 2)
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        let first = try ring.nextCompletionWaiting()
        drop(try ring.nextCompletionWaiting())
        #expect(pool.availableCount == 0 && pool.leaseCount == 1)
        // So another receive finds no buffer, and writes nowhere.
        #expect(b.second.sendNow(Self.second) == 50)
        while ring.inFlightCount > 1 {
            let refused = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectFinished()
            #expect(refused.ending == .outOfBuffers)
        }
        let lease = try first.event(ReceiveMultishot.self).expectMore()
        #expect(lease.copyBytes() == Self.first)
        drop(lease)
        try expectWhole(pool)
    }

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
            try ring.prepare(ReceiveMultishot(a.first, into: pool), tag: 1)
            try ring.prepare(ReceiveMultishot(b.first, into: pool), tag: 2)
            try ring.prepare(ReceiveMultishot(c.first, into: pool), tag: 3)
            try ring.prepare(ReadMultishot(pipe.first, into: pool), tag: 4)
            var bytes: [Int: [UInt8]] = [:]
            while bytes.count < 4 {
                let completion = try ring.nextCompletionWaiting()
                let tag = completion.tag
                switch tag {
                case 1...3: bytes[tag] = try completion.event(ReceiveMultishot.self).expectMore().copyBytes()
                default: bytes[tag] = try completion.event(ReadMultishot.self).expectMore().copyBytes()
                }
            }
            for tag in 1...4 { #expect(bytes[tag] == pattern(110 - 10 * tag, seed: tag), "\(tag)") }
        }
    }

    /// One of them finds nothing each time, and may not get to a worker for it.
    @Test func severalReceivesOnASocketShareABuffer() throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 2100, mode: .incremental())
        let pair = try DescriptorPair.sockets()
        for _ in 0..<4 { try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1) }
        for round in 0..<1000 {
            #expect(pair.second.sendNow(pattern(7, seed: round)) == 7)
            let lease = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectMore()
            if lease.copyBytes() != pattern(7, seed: round) { throw UnexpectedEvent() }
        }
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
        try ring.prepare(ReceiveMultishot(a.first, into: pool), tag: 1)
        try ring.prepare(ReceiveMultishot(b.first, into: pool), tag: 2)
        try ring.prepare(ReceiveMultishot(c.first, into: pool), tag: 3)
        try ring.submit(waitingFor: 3, timeout: .seconds(5))
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
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        try ring.submit()
        let completion = try ring.nextCompletionWaiting()
        ring.close()
        drop(pool)
        #expect(try completion.event(ReceiveMultishot.self).expectMore().copyBytes() == Self.first)
    }

    @Test func recordsAreCountedAndGivenOutOnce() async {
        var records = BufferRecords()
        for index in 0..<BufferRecords.maximumCount {
            #expect(records.add(BufferRecord(identifier: 3, start: UInt32(index), byteCount: 1)) == index)
        }
        #expect(records.remove(700).start == 700 && records.remove(65535).start == 65535)
        #expect(records.add(BufferRecord(identifier: 4, start: 0, byteCount: 1)) == 65535)
        #expect(records.add(BufferRecord(identifier: 5, start: 0, byteCount: 1)) == 700)
        #expect(records.remove(700).identifier == 5)
        expectSentence(
            "Take or drop completions of an incremental pool before there are more than 65536 of them.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var records = BufferRecords()
                for _ in 0...BufferRecords.maximumCount {
                    _ = records.add(BufferRecord(identifier: 0, start: 0, byteCount: 1))
                }
            })
        expectSentence(
            "A completion of an incremental pool comes from the ring that read it, and has its bytes once.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var records = BufferRecords()
                let number = records.add(BufferRecord(identifier: 0, start: 0, byteCount: 1))
                _ = records.remove(Int(number))
                _ = records.remove(Int(number))
            })
    }
}
