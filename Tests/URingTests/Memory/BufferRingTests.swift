// SPDX-License-Identifier: Apache-2.0

import Foundation
import SystemPackage
import Testing

@testable import URing

@Suite struct BufferRingTests {
    /// Ten million bytes, no two parts of which are the same.
    private static let long: [UInt8] = {
        let part = pattern(9996)
        return (0..<1000).flatMap { index in [UInt8(index & 255), UInt8(index >> 8), 1, 2] + part }
    }()

    /// How a stream is received.
    struct Form: Sendable, CustomTestStringConvertible {
        let mode: BufferRing.Mode
        let isBundle: Bool

        var testDescription: String { "\(mode)\(isBundle ? ", bundles" : "")" }
    }

    /// Sends all of `bytes` through one socket while the other is received from with a pool, and gives what arrived.
    ///
    /// The first half is sent at once, so that it fills buffers to their ends; the other in pieces that mostly do not.
    /// The consumer keeps leases until the pool is dry, and drops them all at once. Only that makes it receive again.
    private func stream(_ bytes: [UInt8], into pool: borrowing BufferRing, of ring: inout Ring<Int>, inBundles: Bool) throws -> [UInt8] {
        let pair = try DescriptorPair.sockets()
        var received: [UInt8] = []
        received.reserveCapacity(bytes.count)
        var leases = LeaseStack()
        var sent = bytes.count / 2
        try ring.prepare(Send(pair.first, from: Buffer(copying: Array(bytes[..<sent]))), tag: 1)
        var isArmed = false
        var rounds = 0
        while received.count < bytes.count {
            rounds += 1
            guard rounds < 10_000_000 else { throw NoCompletion() }
            if !isArmed {
                if !pool.canRearm { leases.removeAll() }
                try #require(pool.canRearm == true)
                if inBundles {
                    try ring.prepare(ReceiveBundleMultishot(pair.second, into: pool), tag: 3)
                } else {
                    try ring.prepare(ReceiveMultishot(pair.second, into: pool), tag: 2)
                }
                isArmed = true
            }
            let completion = try ring.nextCompletionWaiting()
            switch completion.tag {
            case 1:
                let completed = completion.take(Send<Buffer>.self)
                let start = completed.operation.start + (try completed.result.get())
                if start < completed.operation.memory.count {
                    try ring.prepare(Send(pair.first, from: completed.operation.memory, startingAt: start), tag: 1)
                } else if sent < bytes.count {
                    let end = min(sent + 1 + sent % 5003, bytes.count)
                    try ring.prepare(Send(pair.first, from: Buffer(copying: Array(bytes[sent..<end]))), tag: 1)
                    sent = end
                }
            case 2:
                switch completion.event(ReceiveMultishot.self) {
                case .more(let result):
                    let lease = try result.get()
                    received += lease.copyBytes()
                    leases.append(lease)
                case .finished(let completed):
                    isArmed = false
                    // A queue that was full has a result, and want of buffers has none.
                    let ending = completed.ending
                    switch consume completed.result {
                    case .success(let lease):
                        #expect(ending == .completionQueueFull)
                        received += lease.copyBytes()
                        leases.append(lease)
                    case .failure: #expect(ending == .outOfBuffers)
                    }
                }
            default:
                var bundle: BufferBundle?
                switch completion.event(ReceiveBundleMultishot.self) {
                case .more(let result): bundle = try result.get()
                case .finished(let completed):
                    isArmed = false
                    let ending = completed.ending
                    #expect(ending == .outOfBuffers || ending == .rearm)
                    if case .success(let last) = consume completed.result { bundle = consume last }
                }
                while let lease = bundle?.next() {
                    received += lease.copyBytes()
                    leases.append(lease)
                }
            }
        }
        return received
    }

    @Test(arguments: [
        Form(mode: .whole, isBundle: false), Form(mode: .incremental(), isBundle: false), Form(mode: .whole, isBundle: true),
        Form(mode: .incremental(minimumLeft: 100), isBundle: false),
    ])
    func aStreamThroughFourSmallBuffersArrivesCompleteAndInOrder(form: Form) throws {
        let bytes = BufferRingTests.long
        var ring = try Ring<Int>(entries: 16)
        // A size that the parts of the stream do not fit.
        let pool = try ring.makeBufferRing(count: 4, byteCount: 4093, mode: form.mode)
        let received = try stream(bytes, into: pool, of: &ring, inBundles: form.isBundle)
        #expect(received == bytes)
        #expect(pool.exhaustionCount > 0 || form.isBundle || form.mode.isIncremental)
        ring.close()
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
        // The end names no buffer, and takes none.
        try expectWhole(pool)
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

    /// On another thread the kernel does not forget the group, and does before the ring's own thread registers the next.
    @Test(arguments: [false, true]) func aPoolDroppedOnAnotherThreadGivesItsGroupBack(isKernelMapped: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = Handed(Optional(try ring.makeBufferRing(count: 2, byteCount: 64, group: 7, isKernelMapped: isKernelMapped)))
        let queue = Handed(Optional(try ring.makeSendQueue(of: Buffer.self, count: 2, group: 8)))
        onAnotherThread {
            pool.value = nil
            queue.value = nil
        }
        let again = try ring.makeBufferRing(count: 2, byteCount: 64, group: 7)
        let pipe = try DescriptorPair.pipe()
        try write(1, to: pipe.second)
        let lease = try ring.run(ReadProvided(pipe.first, into: again)).result.get()
        #expect(lease.copyBytes() == [1])
        let queueAgain = try ring.makeSendQueue(of: Buffer.self, count: 2, group: 8)
        #expect(queueAgain.capacity == 2)
    }

    @Test func aPoolIsMadeOnTheThreadOfItsRing() throws {
        let ring = Handed(try Ring<Int>(entries: 8))
        onAnotherThread {
            let error = #expect(throws: BufferRingError.self) { _ = try ring.value.makeBufferRing(count: 2, byteCount: 64) }
            #expect(error?.cause == .otherThread && error?.errno == .fileExists)
            let queueError = #expect(throws: BufferRingError.self) { _ = try ring.value.makeSendQueue(of: Buffer.self, count: 2) }
            #expect(queueError == error)
        }
    }

    /// A worker has taken its buffer before there is anything to put into it.
    @Test func aBufferThatAWorkerWaitsWithIsNotThereForOthers() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 1, byteCount: 64)
        let silent = try DescriptorPair.sockets()
        let other = try DescriptorPair.sockets()
        try ring.prepare(ReceiveProvided(silent.first, into: pool), tag: 1, options: .asynchronous)
        try ring.submit()
        for _ in 0..<5000 where try pool.queryAvailableCount() > 0 { usleep(1000) }
        // Nobody has said so.
        #expect(pool.availableCount == 1 && pool.canRearm == true)
        #expect(other.second.sendNow([1]) == 1)
        for _ in 0..<2 {
            #expect(try ring.run(ReceiveProvided(other.first, into: pool), tag: 2).entry.errno == .noBufferSpace)
            #expect(pool.canRearm == false)
        }
        #expect(silent.second.sendNow([2]) == 1)
        let lease = try ring.nextCompletionWaiting().take(ReceiveProvided.self).result.get()
        #expect(lease.copyBytes() == [2])
        #expect(pool.canRearm == false)
        drop(lease)
        #expect(pool.canRearm == true)
        #expect(try ring.run(ReceiveProvided(other.first, into: pool), tag: 2).result.get().copyBytes() == [1])
    }

    @Test func aReceiveInFlightKeepsADroppedPoolRegistered() throws {
        var ring = try Ring<Int>(entries: 8)
        var pool: BufferRing? = try ring.makeBufferRing(count: 2, byteCount: 64, group: 7)
        let pair = try DescriptorPair.sockets()
        guard let held = pool.take() else { return }
        let token = try ring.prepare(ReceiveMultishot(pair.first, into: held), tag: 1)
        try ring.submit()
        _ = consume held
        #expect(throws: BufferRingError(.fileExists, group: 7, of: ring.core.anchor)) {
            _ = try ring.makeBufferRing(count: 2, byteCount: 64, group: 7)
        }
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

    @Test func numbersThatCannotBeAreErrorsWithTheirCause() throws {
        var ring = try Ring<Int>(entries: 8)
        func cause(count: Int = 4, byteCount: Int = 64, mode: BufferRing.Mode = .whole) -> BufferRingError.Cause? {
            do throws(BufferRingError) {
                _ = try ring.makeBufferRing(count: count, byteCount: byteCount, group: 9, mode: mode)
                return nil
            } catch {
                return error.cause
            }
        }
        for count in [-1, 0, 3, 65536, Int.max] { #expect(cause(count: count) == .count(count)) }
        for byteCount in [-1, 0, 1 << 31, Int.max] { #expect(cause(byteCount: byteCount) == .byteCount(byteCount)) }
        for left in [-1, 65, Int.max] { #expect(cause(mode: .incremental(minimumLeft: left)) == .minimumLeft(left)) }
        // More than there are addresses.
        #expect(cause(count: 32768, byteCount: Int(Int32.max)) == .memory)
        for group: UInt16 in [2048, 65535] {
            #expect(throws: BufferRingError(.groupNotMappable(group))) {
                _ = try ring.makeBufferRing(count: 4, byteCount: 64, group: group, isKernelMapped: true)
            }
        }
        #expect(cause() == nil)
        let kept = try ring.makeBufferRing(count: 1, byteCount: 1, group: 9)
        #expect(cause() == .groupInUse(9))
        drop(kept)
        let mapped = try ring.makeBufferRing(count: 4, byteCount: 64, group: 8, isKernelMapped: true)
        let error = #expect(throws: BufferRingError.self) {
            _ = try ring.makeBufferRing(count: 4, byteCount: 64, group: 8, isKernelMapped: true)
        }
        #expect(error?.cause == .groupInUse(8))
        #expect(try mapped.queryAvailableCount() == 4)
        #expect(cause(count: 32768, byteCount: 1) == nil)
        #expect(cause(mode: .incremental(minimumLeft: 64)) == nil)
        let sentence = BufferRingError(.count(3)).description
        #expect(sentence.contains("a power of two from 1 to 32768"))
    }

    @Test func aPoolOfAnotherRingTraps() async {
        expectSentence(
            "This pool belongs to another ring",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 4, byteCount: 64)
                var other = try Ring<Int>(entries: 8)
                // The other ring has a group of the same number.
                let otherPool = try other.makeBufferRing(count: 4, byteCount: 64)
                let pair = try DescriptorPair.sockets()
                _ = try? other.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
                drop(otherPool)
            })
    }

    @Test(arguments: [BufferRing.Mode.whole, .incremental()])
    func theKernelsOwnEntriesWorkAsOurs(mode: BufferRing.Mode) throws {
        var ring = try Ring<Int>(entries: 16)
        let pool = try ring.makeBufferRing(count: 8, byteCount: 1000, group: 3, mode: mode, isKernelMapped: true)
        let bytes = pattern(100_000)
        let received = try stream(bytes, into: pool, of: &ring, inBundles: !mode.isIncremental)
        #expect(received == bytes)
        try expectWhole(pool)
    }

    @Test func theKernelsOwnEntriesGoWithThePool() throws {
        var ring = try Ring<Int>(entries: 16)
        // The group of no other test, which shows in the mapping's offset.
        let group: UInt16 = 2047
        for _ in 0..<2 {
            let pool = try ring.makeBufferRing(count: 8, byteCount: 1000, group: group, isKernelMapped: true)
            #expect(try mappingCount(ofGroup: group) == 1)
            drop(pool)
            #expect(try mappingCount(ofGroup: group) == 0)
        }
    }

    @Test func thePoolTellsWhenToReceiveAgain() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
        let pair = try DescriptorPair.sockets()
        #expect(pair.second.sendNow(pattern(40)) == 40)
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        var leases = LeaseStack()
        for _ in 0..<2 {
            #expect(pool.canRearm == true)
            leases.append(try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectMore())
        }
        #expect(pool.canRearm == false && pool.availableCount == 0 && pool.leasedCount == 2 && pool.leaseCount == 2)
        let ended = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectFinished()
        #expect(ended.ending == .outOfBuffers && pool.canRearm == false && pool.exhaustionCount == 1)
        #expect(try pool.queryAvailableCount() == 0)
        // Nothing but a lease that goes back changes that.
        try ring.expectNoCompletion()
        #expect(pool.canRearm == false)
        drop(leases.take(at: 0))
        #expect(pool.canRearm == true && pool.availableCount == 1 && pool.leaseCount == 1)
        #expect(try pool.queryAvailableCount() == 1)
        try ring.prepare(ended.operation, tag: 1)
        let rest = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectMore()
        #expect(rest.copyBytes() == Array(pattern(40)[32...]))
    }

    @Test func incrementalBuffersAreLeasedPieceByPiece() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64, mode: .incremental())
        let pair = try DescriptorPair.sockets()
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        try ring.submit()
        var leases = LeaseStack()
        for (index, count) in [20, 30, 14].enumerated() {
            #expect(pair.second.sendNow(pattern(count, seed: index)) == count)
            let lease = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectMore()
            #expect(lease.copyBytes() == pattern(count, seed: index))
            leases.append(lease)
            // The kernel is done with the buffer when it is full, not before.
            #expect(pool.availableCount == (index < 2 ? 2 : 1) && pool.leaseCount == index + 1)
        }
        // It goes back with the last of its leases.
        drop(leases.take(at: 1))
        drop(leases.take(at: 0))
        #expect(pool.availableCount == 1)
        drop(leases.take(at: 0))
        #expect(pool.availableCount == 2)
        try expectWhole(pool)
    }

    @Test func aBufferWithTooLittleLeftIsDone() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64, mode: .incremental(minimumLeft: 16))
        let pair = try DescriptorPair.sockets()
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        try ring.submit()
        // Sixteen are left after the first, fifteen after the second; the third is in the other buffer.
        var leases = LeaseStack()
        for (count, available) in [(48, 2), (1, 1), (10, 1)] {
            #expect(pair.second.sendNow(pattern(count)) == count)
            let lease = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectMore()
            #expect(lease.copyBytes() == pattern(count))
            leases.append(lease)
            #expect(pool.availableCount == available)
        }
        leases.removeAll()
        try expectWhole(pool)
    }

    @Test func aLeaseIsSplitAndCut() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        let pair = try DescriptorPair.sockets()
        #expect(pair.second.sendNow(pattern(50)) == 50)
        var rest = try ring.run(ReceiveProvided(pair.first, into: pool)).result.get()
        let first = rest.split(at: 20)
        rest.removeFirst(5)
        rest.truncate(to: 10)
        #expect(first.copyBytes() == Array(pattern(50)[..<20]) && rest.copyBytes() == Array(pattern(50)[25..<35]))
        #expect(pool.leaseCount == 2 && pool.leasedCount == 1)
        drop(first)
        #expect(pool.leasedCount == 1)
        #expect(rest.copyBytes() == Array(pattern(50)[25..<35]))
        drop(rest)
        try expectWhole(pool)
    }

    @Test func aLeaseIsNotSplitOrCutBeyondItsBytes() async {
        expectSentence(
            "A lease can be split only within its bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var lease = BufferLease()
                _ = lease.split(at: 1)
            })
        expectSentence(
            "A lease cannot lose more bytes than it has.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var lease = BufferLease()
                lease.removeFirst(1)
            })
        expectSentence(
            "A lease can be truncated only to fewer bytes than it has.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var lease = BufferLease()
                lease.truncate(to: 1)
            })
    }

    @Test func completionsThatCannotBeTrap() async {
        expectSentence(
            "The kernel named a buffer that it did not have.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
                let kept = pool.state.lease(named(1, result: 10))
                drop(pool.state.lease(named(1, result: 10)))
                drop(kept)
            })
        expectSentence(
            "The kernel filled more than a buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 2, byteCount: 64, mode: .incremental())
                drop(pool.state.lease(pool.state.record(named(0, result: 40, .bufferMore))))
                drop(pool.state.lease(pool.state.record(named(0, result: 25))))
            })
    }
}

/// How many of the process's mappings are of a ring's entries for a group.
private func mappingCount(ofGroup group: UInt16) throws -> Int {
    let offset = String(0x8000_0000 | UInt64(group) << 16, radix: 16)
    let maps = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/maps")).readToEnd() ?? Data()
    return String(decoding: maps, as: UTF8.self).split(separator: "\n").count {
        $0.contains("io_uring") && $0.split(separator: " ")[2] == offset
    }
}
