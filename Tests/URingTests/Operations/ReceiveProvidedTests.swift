// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct ReceiveProvidedTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 9))

    @Test func encodesLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let identity = ring.core.table.identity
        let pool = try ring.makeBufferRing(count: 4, byteCount: 8, group: 5)
        unsafe expectEncoding(of: ReceiveProvided(file, into: pool, flags: .peek, pollFirst: true), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_recv(entry, 9, nil, 0, Int32(MSG_PEEK))
            unsafe selectBuffer(in: entry, group: 5, ioPriority: 1 << 0)
        }
        unsafe expectEncoding(of: ReceiveMultishot(file, into: pool, pollFirst: true), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_recv_multishot(entry, 9, nil, 0, 0)
            unsafe selectBuffer(in: entry, group: 5, ioPriority: 1 << 0 | 1 << 1)
        }
    }

    @Test func receivesOnceIntoABufferOfThePool() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
        let pair = try DescriptorPair.sockets()
        let writeEnd = pair.second
        #expect(writeEnd.sendNow(pattern(20)) == 20)
        let first = try ring.run(ReceiveProvided(pair.first, into: pool)).result.get()
        #expect(first.copyBytes() == pattern(16))
        // With what waits already, then with what comes.
        let second = try ring.run(ReceiveProvided(pair.first, into: pool)).result.get()
        #expect(second.copyBytes() == Array(pattern(20)[16...]))
        #expect(pool.leasedCount == 2)
        drop(first)
        try ring.prepare(ReceiveProvided(pair.first, into: pool, pollFirst: true), tag: 0)
        try ring.submit()
        #expect(writeEnd.sendNow([1, 2, 3]) == 3)
        let third = try ring.nextCompletionWaiting().take(ReceiveProvided.self).result.get()
        #expect(third.copyBytes() == [1, 2, 3])
        drop(second)
        drop(third)
        drop(writeEnd)
        let end = try ring.run(ReceiveProvided(pair.first, into: pool)).result.get()
        #expect(end.count == 0 && pool.leaseCount == 0)
        try expectWhole(pool)
    }

    @Test func aPoolWithoutABufferIsAnErrorThatLosesNothing() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 1, byteCount: 16)
        let pair = try DescriptorPair.sockets()
        #expect(pair.second.sendNow(pattern(20)) == 20)
        let kept = try ring.run(ReceiveProvided(pair.first, into: pool)).result.get()
        let failed = try ring.run(ReceiveProvided(pair.first, into: pool))
        #expect(failed.entry.errno == .noBufferSpace && pool.exhaustionCount == 1)
        drop(kept)
        let rest = try ring.run(failed.operation).result.get()
        #expect(rest.copyBytes() == Array(pattern(20)[16...]))
    }

    @Test func endsWithTheErrorOfTheSocket() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
        let pipe = try DescriptorPair.pipe()
        let single = try ring.run(ReceiveProvided(pipe.first, into: pool))
        #expect(single.entry.errno == .notSocket)
        try ring.prepare(ReceiveMultishot(pipe.first, into: pool), tag: 1)
        let multishot = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectFinished()
        #expect(multishot.ending == .failed(.notSocket))
        try expectWhole(pool)
    }

    @Test func flagsThatTheKernelCountsWrongWithTrap() async {
        expectSentence(
            "A receive into a provided buffer can neither wait for all nor ask for the true size.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
                let pair = try DescriptorPair.sockets()
                try ring.prepare(ReceiveProvided(pair.first, into: pool, flags: .waitAll), tag: 1)
            })
        expectSentence(
            "A receive into a provided buffer can neither wait for all nor ask for the true size.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
                let pair = try DescriptorPair.sockets()
                var receive = ReceiveProvided(pair.first, into: pool)
                receive.flags = .truncate
                try ring.prepare(receive, tag: 1)
            })
    }

    /// A worker thread may carry them out, and the kernel does not say then how much of a buffer it has taken.
    @Test func whatCompletesOnceTrapsOnAnIncrementalPool() async {
        let sentence = "The kernel may not say where in an incremental buffer it writes once; use a multishot, or a pool of whole buffers."
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 2, byteCount: 16, mode: .incremental())
                let pair = try DescriptorPair.sockets()
                try ring.prepare(ReceiveProvided(pair.first, into: pool), tag: 1)
            })
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 2, byteCount: 16, mode: .incremental(minimumLeft: 1))
                let pipe = try DescriptorPair.pipe()
                try ring.prepare(ReadProvided(pipe.first, into: pool), tag: 1)
            })
    }

    @Test func letsGoOfFileAndPoolWhenTheRingIsDropped() throws {
        let pair = try DescriptorPair.sockets()
        let other = try DescriptorPair.sockets()
        do {
            var ring = try Ring<Int>(entries: 8)
            let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
            try ring.prepare(ReceiveProvided(pair.first, into: pool), tag: 1)
            try ring.prepare(ReceiveMultishot(other.first, into: pool), tag: 2)
            try ring.submit()
            expectHeld(pair.first)
            expectHeld(other.first)
        }
        expectHeld(pair.first, false)
        expectHeld(other.first, false)
    }

    @Test func anEmptyDatagramEndsAMultishotAsAStreamsEndDoes() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
        let pair = try DescriptorPair.sockets(.datagram)
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        try ring.submit()
        #expect(pair.second.sendNow([]) == 0)
        let ended = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectFinished()
        #expect(ended.ending == .endOfStream && ended.entry.result == 0)
        // It goes on when it is prepared again.
        #expect(pair.second.sendNow([5]) == 1)
        try ring.prepare(ended.operation, tag: 1)
        let next = try ring.nextCompletionWaiting().event(ReceiveMultishot.self).expectMore()
        #expect(next.copyBytes() == [5])
    }

    @Test func cancellingIsAnEndOfItsOwn() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
        let pair = try DescriptorPair.sockets()
        let token = try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        try ring.submit()
        try ring.prepare(Cancel(token), tag: 2)
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        var endings: [MultishotEnding] = []
        while let completion = ring.nextCompletion() {
            if completion.tag == 1 { endings.append(try completion.event(ReceiveMultishot.self).expectFinished().ending) }
        }
        #expect(endings == [.cancelled])
        try expectWhole(pool)
    }

    @Test func aFullCompletionQueueIsAnEndThatLosesNothing() throws {
        var options = RingOptions.recommended
        options.completionQueueEntries = 4
        var ring = try Ring<Int>(entries: 4, options: options)
        let pool = try ring.makeBufferRing(count: 32, byteCount: 16)
        let pair = try DescriptorPair.sockets(.datagram)
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        try ring.submit()
        for index in 0..<10 { #expect(pair.second.sendNow([UInt8(index)]) == 1) }
        try ring.processPending()
        var (received, endings): ([UInt8], [MultishotEnding]) = ([], [])
        while received.count < 10 {
            switch try ring.nextCompletionWaiting().event(ReceiveMultishot.self) {
            case .more(let result):
                let lease = try result.get()
                received += lease.copyBytes()
            case .finished(let completed):
                endings.append(completed.ending)
                let operation = completed.operation
                let lease = try completed.result.get()
                received += lease.copyBytes()
                try ring.prepare(operation, tag: 1)
            }
        }
        #expect(received == Array(0..<10))
        #expect(!endings.isEmpty && endings.allSatisfy { $0 == .completionQueueFull })
        #expect(ring.overflowCount > 0)
    }
}
