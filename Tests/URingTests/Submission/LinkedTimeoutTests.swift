// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct LinkedTimeoutTests {
    private static let timeouts: [(LinkedTimeout, UInt32)] = [
        (.after(.milliseconds(1500)), 0), (.after(.milliseconds(1500), on: .bootTime), 4), (.after(.milliseconds(1500), on: .realTime), 8),
        (.at(.milliseconds(1500)), 1), (.at(.milliseconds(1500), on: .bootTime), 5), (.at(.milliseconds(1500), on: .realTime), 9),
    ]

    @Test(arguments: timeouts) func encodesLikeLiburing(timeout: LinkedTimeout, flags: UInt32) throws {
        var ring = try Ring<Int>(entries: 4)
        let token = try ring.prepare(Nop(), tag: 0, timeout: timeout)
        let time = unsafe ring.core.companions[AnyToken(token).userData]
        let expected = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)
        defer { unsafe expected.deallocate() }
        unsafe expected.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
        unsafe reference_prep_link_timeout(expected, time, flags)
        let kind = UserData.sameSlot(as: AnyToken(token).userData, kind: .linkedTimeout)
        unsafe expected.storeBytes(of: kind, toByteOffset: 32, as: UInt64.self)
        let actual = unsafe [UInt8](UnsafeRawBufferPointer(start: ring.core.submissions.entry(at: 1), count: 64))
        let prepared = unsafe [UInt8](UnsafeRawBufferPointer(start: expected, count: 64))
        #expect(actual == prepared)
        #expect(unsafe time.pointee.time.timespec.seconds == 1)
        #expect(unsafe time.pointee.time.timespec.nanoseconds == 500_000_000)
        let flagsOfOperation = unsafe ring.core.submissions.entry(at: 0).pointee.flags
        #expect(flagsOfOperation == CURING_SQE_IO_LINK)
    }

    @Test(arguments: RingKind.allCases) func anOperationThatIsDoneInTimeCompletesOnce(kind: RingKind) throws {
        try withRing(kind) { ring in
            let pipe = try DescriptorPair.pipe()
            let token = try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1, timeout: .after(.seconds(3600)))
            try ring.submit()
            #expect(ring.inFlightCount == 1)
            try ring.expectNoCompletion()
            try write(7, to: pipe.second)
            let completed = try ring.nextCompletionWaiting().take(token)
            #expect(try completed.result.get() == 1)
            #expect(!completed.timedOut && !completed.cancelledByLink)
            #expect(completed.operation.memory.copyBytes() == [7])
            #expect(ring.inFlightCount == 0 && ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
            try ring.expectNoCompletion()
        }
    }

    @Test(arguments: RingKind.allCases) func anOperationWhoseTimeIsUpSaysSo(kind: RingKind) throws {
        try withRing(kind) { ring in
            let ledger = Ledger()
            let pipe = try DescriptorPair.pipe()
            for _ in 0..<3 {
                let memory = CountedMemory(ledger, byteCapacity: 8)
                try ring.prepare(Read(pipe.first, into: memory), tag: 1, timeout: .after(.milliseconds(5)))
                let completed = try ring.nextCompletionWaiting().take(Read<CountedMemory>.self)
                #expect(completed.entry.errno == .canceled)
                #expect(completed.timedOut && !completed.cancelledByLink)
                expectHeld(pipe.first, true)
                #expect(ledger.aliveCount == 1)
            }
            expectHeld(pipe.first, false)
            #expect(ledger.isSettled)
            #expect(ring.inFlightCount == 0 && ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
        }
    }

    /// Behind a vectored transfer, being cancelled counts as by the link, but not when it is known to have begun.
    @Test func aMemberWhoseTimeIsUpWasNotKeptFromBeginning() throws {
        let directory = try TemporaryDirectory()
        let file = try Descriptor(opening: directory.file("data", containing: pattern(16)))
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        try ring.link { chain in
            try chain.prepare(ReadVectored(file, into: BufferVector(count: 2, byteCapacity: 8), at: 0), tag: 0)
            try chain.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1, timeout: .after(.milliseconds(5)))
        }
        #expect(try ring.nextCompletionWaiting().take(ReadVectored<Buffer>.self).result.get() == 16)
        let completed = try ring.nextCompletionWaiting().take(Read<Buffer>.self)
        #expect(completed.entry.errno == .canceled)
        #expect(completed.timedOut && !completed.cancelledByLink)
    }

    @Test(arguments: TimeoutClock.allCases, [false, true]) func eachClockCounts(clock: TimeoutClock, isAbsolute: Bool) throws {
        var ring = try Ring<Int>(entries: 4)
        let pipe = try DescriptorPair.pipe()
        let start = clock.now
        let timeout = isAbsolute ? LinkedTimeout.at(start + .milliseconds(20), on: clock) : .after(.milliseconds(20), on: clock)
        try ring.prepare(Poll(pipe.first, for: .input), tag: 0, timeout: timeout)
        let completed = try ring.nextCompletionWaiting().take(Poll.self)
        #expect(completed.timedOut == true)
        #expect(clock.now - start >= .milliseconds(20))
        let past = isAbsolute ? LinkedTimeout.at(start, on: clock) : .after(.seconds(-1), on: clock)
        try ring.prepare(Poll(pipe.first, for: .input), tag: 0, timeout: past)
        let late = try ring.nextCompletionWaiting().take(Poll.self)
        #expect(late.timedOut && late.entry.errno == .canceled)
    }

    @Test(arguments: RingKind.allCases) func aCancelledOperationDidNotTimeOut(kind: RingKind) throws {
        try withRing(kind) { ring in
            let pipe = try DescriptorPair.pipe()
            let token = try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1, timeout: .after(.seconds(3600)))
            try ring.submit()
            try ring.prepare(Cancel(token), tag: 2)
            var seen: Set<Int> = []
            for _ in 0..<2 {
                let completion = try ring.nextCompletionWaiting()
                seen.insert(completion.tag)
                if completion.tag == 1 {
                    let completed = completion.take(token)
                    #expect(completed.entry.errno == .canceled)
                    #expect(completed.timedOut == false)
                } else {
                    #expect(try completion.take(Cancel.self).result.get() == .found)
                }
            }
            #expect(seen == [1, 2])
        }
    }

    @Test func whatWasDoneInTimeIsKept() throws {
        let sockets = try DescriptorPair.sockets()
        var ring = try Ring<Int>(entries: 4)
        var bytes = Buffer(byteCapacity: 1 << 22)
        bytes.append(repeating: 3, count: 1 << 22)
        try ring.prepare(Send(sockets.first, from: bytes, flags: .waitAll), tag: 0, timeout: .after(.milliseconds(20)))
        let completed = try ring.nextCompletionWaiting().take(Send<Buffer>.self)
        let count = try completed.result.get()
        #expect(count > 0 && count < 1 << 22)
        #expect(completed.timedOut == true)
    }

    @Test func aZeroCopySendThatIsNotDoneInTimeKeepsItsMemoryUntilTheNotification() throws {
        var ring = try Ring<Int>(entries: 4)
        let ledger = Ledger()
        var pair: TCPPair? = try TCPPair()
        func send(to pair: borrowing TCPPair) throws {
            let memory = CountedMemory(ledger, byteCapacity: 1 << 23, filledWith: 3)
            try ring.prepare(SendZeroCopy(pair.client, from: memory, flags: .waitAll), tag: 0, timeout: .after(.milliseconds(20)))
        }
        switch pair {
        case .some(let pair): try send(to: pair)
        case .none: break
        }
        let sent = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectMore()
        #expect(sent > 0 && sent < 1 << 23)
        #expect(ring.inFlightCount == 1 && ledger.aliveCount == 1)
        pair = nil
        let completed = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectFinished()
        #expect(completed.timedOut == true)
        #expect(try completed.result.get() == sent)
        #expect(ring.inFlightCount == 0 && ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
    }

    /// Sockets of which the one does not take what the other sends.
    ///
    /// A Unix socket that is not connected is always writable, so the kernel tries again and again, and at last has a worker wait.
    private struct FullQueue: ~Copyable {
        let sender: Descriptor
        let address: SocketAddress
        let receiver: Descriptor
    }

    private func makeFullQueue(_ ring: inout Ring<Int>) throws -> FullQueue {
        let address = try SocketAddress(unixAbstract: "uring-full-\(getpid())-\(Int.random(in: 0 ... .max))")
        let receiver = try ring.run(Socket(.unix, .datagram)).result.get()
        try ring.run(Bind(receiver, to: address)).result.get()
        let sender = try ring.run(Socket(.unix, .datagram)).result.get()
        var errno: Errno?
        while errno == nil {
            errno = try ring.run(SendTo(sender, from: Buffer(copying: [1]), to: address, flags: .doNotWait)).entry.errno
        }
        #expect(errno == .resourceTemporarilyUnavailable)
        return FullQueue(sender: sender, address: address, receiver: receiver)
    }

    @Test(arguments: RingKind.allCases) func whatEndedUpWithAWorkerSaysThatItsTimeWasUp(kind: RingKind) throws {
        try withRing(kind) { ring in
            let queue = try makeFullQueue(&ring)
            try ring.prepare(
                SendTo(queue.sender, from: Buffer(copying: [1]), to: queue.address), tag: 7, timeout: .after(.milliseconds(50)))
            let sent = try ring.nextCompletionWaiting().take(SendTo<Buffer>.self)
            let (errno, timedOut) = (sent.entry.errno, sent.timedOut)
            #expect(errno == .interrupted || errno == .canceled)
            #expect(timedOut)
            withExtendedLifetime(queue) {}
        }
    }

    /// On its way to the next try an operation is in none of the kernel's lists.
    @Test(arguments: [false, true]) func whatIsOnItsWayToTheNextTryIsFound(byFile: Bool) throws {
        for _ in 0..<20 {
            var ring = try Ring<Int>(entries: 8)
            let queue = try makeFullQueue(&ring)
            let token = try ring.prepare(SendTo(queue.sender, from: Buffer(copying: [1]), to: queue.address), tag: 7)
            try ring.submit()
            if byFile {
                _ = try ring.cancelAll(on: queue.sender)
            } else {
                let outcome = try ring.cancel(token, waitingAtMost: .seconds(5))
                #expect(outcome == .found || outcome == .notFound && ring.readyCount == 1)
            }
            let errno = try ring.nextCompletionWaiting().take(token).entry.errno
            #expect(errno == .canceled || errno == .interrupted)
            withExtendedLifetime(queue) {}
        }
    }

    /// Its timeout does not find it there, and says no more.
    @Test(arguments: [RingKind.plain, .deferred], [Duration.zero, .milliseconds(1), .milliseconds(20)])
    func whatIsOnItsWayToTheNextTryWhenItsTimeIsUpEnds(kind: RingKind, limit: Duration) throws {
        try withRing(kind) { ring in
            for _ in 0..<5 {
                let queue = try makeFullQueue(&ring)
                try ring.prepare(SendTo(queue.sender, from: Buffer(copying: [1]), to: queue.address), tag: 7, timeout: .after(limit))
                try ring.submit()
                // Busy for longer than that.
                usleep(30_000)
                let sent = try ring.nextCompletionWaiting().take(SendTo<Buffer>.self)
                let (errno, timedOut) = (sent.entry.errno, sent.timedOut)
                #expect(errno == .interrupted || errno == .canceled)
                #expect(timedOut)
                withExtendedLifetime(queue) {}
            }
        }
    }

    /// The kernel gives the two completions in either order, and says of the timeout what it found.
    @Test(arguments: [false, true]) func eitherCompletionMayComeFirst(isTimeoutFirst: Bool) throws {
        let cases: [(operation: Int32, timeout: Int32, timedOut: Bool)] = [
            (-ECANCELED, -ETIME, true), (-ECANCELED, -ECANCELED, false), (100, -ETIME, true), (100, -ECANCELED, false),
            (-EINTR, -EALREADY, true), (-EINTR, -ENOENT, true), (-ECANCELED, 1, true),
        ]
        for (operation, timeout, timedOut) in cases {
            var ring = try Ring<Int>(entries: 4)
            let token = AnyToken(try ring.prepare(Nop(), tag: 5, timeout: .after(.seconds(3600))))
            let entries = [
                QueuedCompletion(userData: token.userData, entry: CompletionEntry(result: operation)),
                QueuedCompletion(
                    userData: UserData.sameSlot(as: token.userData, kind: .linkedTimeout), entry: CompletionEntry(result: timeout)),
            ]
            let isToldEarly = ring.core.settle(entries[isTimeoutFirst ? 1 : 0]) != nil
            #expect(!isToldEarly)
            let last = ring.core.settle(entries[isTimeoutFirst ? 0 : 1])
            let settled = try #require(last)
            #expect(settled.entry.result == operation)
            #expect(settled.entry.flags == (timedOut ? .timedOut : []))
        }
    }

    @Test func thousandsUseTheSameSlotsAgainAndAgain() throws {
        var ring = try Ring<Int>(entries: 64)
        for round in 0..<500 {
            for tag in 0..<32 { try ring.prepare(Nop(), tag: round * 32 + tag, timeout: .after(.seconds(3600))) }
            var tags: Set<Int> = []
            for _ in 0..<32 {
                let completion = try ring.nextCompletionWaiting()
                #expect(completion.entry.result == 0 && completion.entry.flags.isEmpty)
                tags.insert(completion.tag)
            }
            #expect(tags == Set(round * 32..<round * 32 + 32))
        }
        #expect(ring.core.table.slotCount == 32)
        #expect(ring.inFlightCount == 0 && ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
    }

    @Test(arguments: [false, true]) func inAChainItEndsTheMemberAndASoftChain(isHard: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.chain(flag: isHard ? CURING_SQE_IO_HARDLINK : CURING_SQE_IO_LINK) { chain in
            try chain.prepare(Nop(), tag: 0, timeout: .after(.seconds(3600)))
            try chain.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1, timeout: .after(.milliseconds(5)))
            try chain.prepare(Nop(), tag: 2, timeout: .after(.seconds(3600)))
        }
        let first = try ring.nextCompletionWaiting().take(Nop.self)
        #expect(first.entry.errno == nil && !first.timedOut)
        let second = try ring.nextCompletionWaiting().take(Read<Buffer>.self)
        #expect(second.entry.errno == .canceled && second.timedOut && !second.cancelledByLink)
        let third = try ring.nextCompletionWaiting().take(Nop.self)
        #expect(third.timedOut == false)
        #expect(third.cancelledByLink == !isHard)
        #expect(third.entry.errno == (isHard ? nil : .canceled))
        #expect(ring.inFlightCount == 0)
    }

    /// The kernel starts the clock when the operation has been tried once, and a splice is tried in a worker that waits for data.
    @Test func whatBlocksAWorkerFromTheStartIsNotEnded() throws {
        var ring = try Ring<Int>(entries: 8)
        let source = try DescriptorPair.pipe()
        let target = try DescriptorPair.pipe()
        var splice = RawEntry(.splice)
        splice.fileDescriptor = target.second.unowned.fileDescriptor.rawValue
        splice.fileIndex = UInt32(source.first.unowned.fileDescriptor.rawValue)
        (splice.offset, splice.address, splice.length) = (.max, .max, 4)
        // Long enough for a worker that has to wait for a processor when it is done.
        try unsafe ring.prepare(RawOperation(splice), tag: 0, timeout: .after(.milliseconds(30)))
        try ring.prepare(Timeout(after: .milliseconds(60)), tag: 1)
        let tag = try ring.nextCompletionWaiting().tag
        #expect(tag == 1)
        let written = try source.second.unowned.fileDescriptor.writeAll([1, 2, 3, 4])
        #expect(written == 4)
        let completed = try ring.nextCompletionWaiting().take(RawOperation<Void>.self)
        #expect(completed.entry.result == 4)
        #expect(completed.timedOut == false)
    }

    @Test(arguments: [false, true]) func droppingTheRingReleasesTheOperation(isDone: Bool) throws {
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        // Nothing that is deferred is done before the ring is dropped: the completion of the timeout is not there yet.
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 8)), tag: 1, timeout: .after(.seconds(3600)))
        if isDone { try write(1, to: pipe.second) }
        try ring.submit()
        if isDone {
            // The operation's own is read, and held; see that it is.
            let next = ring.core.completions.next()
            let isTold = ring.core.settle(try #require(next)) != nil
            #expect(!isTold)
        }
        #expect(ring.inFlightCount == 1)
        #expect(ledger.aliveCount == 1)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(ledger.bornCount == 1 && ledger.isSettled)
        expectHeld(pipe.first, false)
    }

    @Test func aRingOfOneEntryHasNoRoomForATimeout() async {
        expectSentence(
            "A timeout takes an entry of its own; make the ring with two entries at least.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 1)
                try ring.prepare(Nop(), tag: 0, timeout: .after(.seconds(1)))
            })
    }
}
