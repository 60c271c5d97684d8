// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import SystemPackage
import Testing

@testable import URing

@Suite struct BufferRingTests {
    /// Sends all of `bytes` through one socket while the other is received from with a pool, and gives what arrived.
    ///
    /// The consumer keeps up to `kept` leases before it drops them all at once, so that the pool runs dry again and again.
    private func stream(
        _ bytes: [UInt8], buffers count: Int, of byteCount: Int, kept: Int, mode: BufferRing.Mode
    ) throws -> (received: [UInt8], exhaustionCount: UInt64, returned: Int) {
        enum Tag: BitwiseCopyable { case send, receive }
        var ring = try Ring<Tag>(entries: 16)
        let pool = try ring.makeBufferRing(count: count, byteCount: byteCount, mode: mode)
        let pair = try DescriptorPair.sockets()
        var received: [UInt8] = []
        received.reserveCapacity(bytes.count)
        var leases = LeaseStack()
        try ring.prepare(Send(pair.first, from: Buffer(copying: bytes)), tag: .send)
        try ring.prepare(ReceiveMultishot(pair.second, into: pool), tag: .receive)
        var isArmed = true
        var rounds = 0
        while received.count < bytes.count {
            rounds += 1
            guard rounds < 10_000_000 else { throw NoCompletion() }
            if isArmed {
                try ring.submit(waitingFor: 1, timeout: .seconds(5))
            } else {
                // Nothing but returned leases makes re-arming worth while.
                leases.removeAll()
                #expect(pool.availableCount > 0)
                try ring.prepare(ReceiveMultishot(pair.second, into: pool), tag: .receive)
                isArmed = true
                continue
            }
            while let completion = ring.nextCompletion() {
                switch completion.tag {
                case .send:
                    let completed = completion.take(Send<Buffer>.self)
                    let start = completed.operation.start + (try completed.result.get())
                    if start < bytes.count {
                        try ring.prepare(Send(pair.first, from: completed.operation.memory, startingAt: start), tag: .send)
                    }
                case .receive:
                    var lease: BufferLease?
                    switch completion.event(ReceiveMultishot.self) {
                    case .more(let result):
                        lease = try result.get()
                    case .finished(let completed):
                        isArmed = false
                        #expect(completed.ending == .outOfBuffers || completed.ending == .rearm)
                        if case .success(let last) = consume completed.result { lease = consume last }
                    }
                    if let taken = lease.take() {
                        received.append(contentsOf: taken.copyBytes())
                        leases.append(taken)
                        if leases.count > kept { leases.removeAll() }
                    }
                }
            }
        }
        leases.removeAll()
        return (received, pool.exhaustionCount, pool.leasedCount)
    }

    @Test(arguments: [BufferRing.Mode.whole, .incremental()])
    func aStreamThroughFourSmallBuffersArrivesCompleteAndInOrder(mode: BufferRing.Mode) throws {
        let bytes = pattern(10_000_000)
        let outcome = try stream(bytes, buffers: 4, of: 4096, kept: 3, mode: mode)
        #expect(outcome.received == bytes)
        #expect(outcome.exhaustionCount > 0 || mode != .whole)
    }

    @Test func receivesAreLeasesOfThePoolAndEndWithTheStream() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 16)
        let pair = try DescriptorPair.sockets()
        let writeEnd = pair.second
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        try ring.submit()
        #expect(pool.availableCount == 4)
        _ = try ring.run(Send(writeEnd, from: Buffer(copying: pattern(20))), tag: 2).result.get()
        var bytes: [UInt8] = []
        for _ in 0..<2 {
            let result = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectMore()
            let lease = result
            #expect(pool.leasedCount == 1)
            bytes += lease.copyBytes()
        }
        #expect(bytes == pattern(20))
        #expect(pool.leasedCount == 0)
        try writeEnd.close()
        let completed = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectFinished()
        let ending = completed.ending
        #expect(ending == .endOfStream)
        let isEmpty = try completed.result.get().isEmpty
        #expect(isEmpty)
    }

    @Test func aLeaseOutlivesItsPoolAndItsRing() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        let pair = try DescriptorPair.sockets()
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        _ = try ring.prepare(Send(pair.second, from: Buffer(copying: "kept".utf8)), tag: 2)
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        var kept: BufferLease?
        while let completion = ring.nextCompletion() {
            if completion.tag == 1, case .more(let result) = completion.event(ReceiveMultishot.self) { kept = try result.get() }
        }
        _ = consume pool
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        guard let lease = kept.take() else {
            Issue.record("nothing was received")
            return
        }
        #expect(lease.copyBytes() == Array("kept".utf8))
    }

    @Test func aLeaseIsSentOnAndGoesBackWithTheSend() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        let pair = try DescriptorPair.sockets()
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        for round in 0..<100 {
            let message = pattern(30, seed: round)
            try ring.prepare(Send(pair.second, from: Buffer(copying: message)), tag: 2)
            var hasAnswered = false
            while !hasAnswered {
                let completion = try ring.nextCompletionWaiting()
                switch completion.tag {
                case 1:
                    try ring.prepare(Send(pair.first, from: completion.event(ReceiveMultishot.self).expectMore()), tag: 3)
                case 3:
                    #expect(pool.leasedCount == 1)
                    #expect(try completion.take(Send<BufferLease>.self).result.get() == 30)
                    hasAnswered = true
                default: break
                }
            }
            #expect(pool.leasedCount == 0)
            let answer = try ring.run(Receive(pair.second, into: Buffer(byteCapacity: 64)), tag: 4)
            #expect(answer.operation.memory.copyBytes() == message)
        }
    }

    @Test func droppedCompletionsGiveTheirBuffersBack() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 8, byteCount: 64)
        let pair = try DescriptorPair.sockets(.datagram)
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        for _ in 0..<1000 {
            try ring.prepare(Send(pair.second, from: Buffer(copying: [1, 2, 3])), tag: 2)
            try ring.submit(waitingFor: 2, timeout: .seconds(5))
            while let completion = ring.nextCompletion() { _ = consume completion }
        }
        #expect(pool.leasedCount == 0)
        #expect(ring.inFlightCount == 1)
    }

    @Test func aReceiveInFlightKeepsADroppedPoolRegistered() throws {
        var ring = try Ring<Int>(entries: 8)
        var pool: BufferRing? = try ring.makeBufferRing(count: 2, byteCount: 64, group: 7)
        let pair = try DescriptorPair.sockets()
        guard let held = pool.take() else { return }
        let token = try ring.prepare(ReceiveMultishot(pair.first, into: held), tag: 1)
        try ring.submit()
        _ = consume held
        #expect(throws: Errno.fileExists) { _ = try ring.makeBufferRing(count: 2, byteCount: 64, group: 7) }
        _ = try ring.run(Send(pair.second, from: Buffer(copying: "late".utf8)), tag: 2).result.get()
        let result = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectMore()
        #expect(result.copyBytes() == Array("late".utf8))
        try ring.prepare(Cancel(token), tag: 3)
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        while let completion = ring.nextCompletion() { _ = consume completion }
        // The last operation has ended, and with it the registration.
        let again = try ring.makeBufferRing(count: 2, byteCount: 64, group: 7)
        #expect(again.availableCount == 2)
    }

    @Test func readsFromAPipe() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 8)
        let pipe = try DescriptorPair.pipe()
        let writeEnd = pipe.second
        try ring.prepare(ReadMultishot(pipe.first, into: pool), tag: 1)
        _ = try ring.run(Write(writeEnd, from: Buffer(copying: pattern(20))), tag: 2).result.get()
        var bytes: [UInt8] = []
        while bytes.count < 20 {
            let lease = try ring.nextCompletionWaiting().event(ReadMultishot.self).expectMore()
            bytes += lease.copyBytes()
        }
        #expect(bytes == pattern(20))
        try writeEnd.close()
        let completed = try ring.nextCompletionWaiting().event(ReadMultishot.self).expectFinished()
        let ending = completed.ending
        #expect(ending == .endOfStream)
    }

    @Test func sizesThatCannotBeTrap() async {
        expectSentence(
            "A buffer ring has a power of two of buffers, at most 32768.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                _ = try ring.makeBufferRing(count: 3, byteCount: 64)
            })
        expectSentence(
            "The buffers of a ring have from 1 byte to 2 GiB each.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                _ = try ring.makeBufferRing(count: 4, byteCount: 0)
            })
    }

    @Test func encodesLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 8, group: 5)
        let file = UnownedDescriptor(FileDescriptor(rawValue: 9))
        unsafe expectEncoding(of: ReceiveMultishot(file, into: pool)) { entry, _, _ in
            unsafe reference_prep_recv_multishot(entry, 9, nil, 0, 0)
            unsafe entry.storeBytes(of: 1 << 5, toByteOffset: 1, as: UInt8.self)
            unsafe entry.storeBytes(of: 5, toByteOffset: 40, as: UInt16.self)
        }
        unsafe expectEncoding(of: ReadMultishot(file, into: pool)) { entry, _, _ in
            unsafe reference_prep_read_multishot(entry, 9, 0, .max, 5)
        }
    }
}

/// Leases that are kept for a while.
private struct LeaseStack: ~Copyable {
    private var leases: [LeaseBox] = []

    var count: Int { leases.count }

    mutating func append(_ lease: consuming BufferLease) { leases.append(LeaseBox(lease)) }

    mutating func removeAll() { leases.removeAll() }

    private final class LeaseBox {
        let lease: BufferLease

        init(_ lease: consuming BufferLease) { self.lease = lease }
    }
}
