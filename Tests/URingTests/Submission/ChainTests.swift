// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct ChainTests {
    /// Has a chain whose first member waits, and shows that nothing of it is carried out before that is done.
    private func expectWhole(_ ring: inout Ring<Int>, count: Int, queuedBefore: Int) throws {
        let pipe = try DescriptorPair.pipe()
        for tag in 0..<queuedBefore { try ring.prepare(Nop(), tag: 1000 + tag) }
        try ring.link { chain in
            try chain.prepare(Poll(pipe.first, for: .input), tag: 0)
            for tag in 1..<count { try chain.prepare(Nop(), tag: tag) }
        }
        // When this one is done, the kernel has taken all of the chain.
        try ring.prepare(Nop(), tag: 2000)
        var tag = 0
        while tag != 2000 {
            tag = try ring.nextCompletionWaiting().tag
            #expect(tag >= 1000)
        }
        try ring.expectNoCompletion()
        try write(1, to: pipe.second)
        for expected in 0..<count {
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == expected)
            #expect(completion.entry.errno == nil)
        }
        #expect(ring.inFlightCount == 0 && ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
    }

    @Test(arguments: RingKind.allCases, [0, 3, 7]) func aChainStaysWholeAndInOrder(kind: RingKind, queuedBefore: Int) throws {
        try withRing(kind) { ring in
            for count in [2, 5, 8] { try expectWhole(&ring, count: count, queuedBefore: queuedBefore) }
        }
    }

    /// P8, and trap 6: a chain is cut where a submission ends.
    @Test(arguments: [RingKind.plain, .deferred, .polled]) func trap6AChainIsNotCutByASubmission(kind: RingKind) throws {
        try withRing(kind, entries: 64) { ring in try expectWhole(&ring, count: 64, queuedBefore: 3) }
    }

    /// What the kernel does when a chain is submitted in parts: the other half of trap 6.
    @Test func trap6TheKernelCutsAChainThatIsSubmittedInParts() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        var linked = RawEntry(.pollAdd)
        linked.flags = CURING_SQE_IO_LINK
        linked.operationFlags = PollEvents.input.rawValue
        try unsafe ring.prepare(RawOperation(linked, on: pipe.first, owning: ()), tag: 0)
        try ring.submit()
        try ring.prepare(Nop(), tag: 1)
        let tag = try ring.nextCompletionWaiting().tag
        #expect(tag == 1)
    }

    @Test func trap4UnderDeferredTaskRunAChainFinishesWithOneWait() throws {
        var ring = try Ring<Int>(entries: 64)
        try ring.link { chain in for tag in 0..<64 { try chain.prepare(Nop(), tag: tag) } }
        try ring.submit()
        // What the kernel does without being asked to wait.
        #expect(ring.readyCount == 1)
        try ring.submit(waitingFor: 64)
        #expect(ring.readyCount == 64)
        for expected in 0..<64 {
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == expected)
        }
    }

    @Test(arguments: [RingKind.attached, .attachedTo]) func trap5ASharedPollingThreadTakesNoMoreThanEight(kind: RingKind) throws {
        try withRing(kind, entries: 64) { ring in
            let ledger = Ledger()
            #expect(throws: ChainError.tooLong(limit: 8)) {
                try ring.link { chain in for tag in 0..<9 { try chain.prepare(BoxedNop(ledger.life()), tag: tag) } }
            }
            #expect(ledger.bornCount == 9 && ledger.isSettled)
            #expect(ring.inFlightCount == 0)
            try expectWhole(&ring, count: 8, queuedBefore: 5)
        }
    }

    @Test func trap5AThreadIsSharedByWhateverDescriptor() throws {
        var ring = try Ring<Int>(entries: 64, options: RingKind.attachedTo.options)
        var options = RingKind.attachedTo.options
        let duplicate = try unsafe Descriptor(adopting: ring.descriptor.fileDescriptor.duplicate())
        options.sharedWorkers = duplicate.unowned
        do {
            let other = try Ring<Int>(entries: 8, options: options)
            #expect(throws: ChainError.tooLong(limit: 8)) {
                try ring.link { chain in for tag in 0..<9 { try chain.prepare(Nop(), tag: tag) } }
            }
            withExtendedLifetime(other) {}
        }
        try expectWhole(&ring, count: 8, queuedBefore: 5)
    }

    /// What the thread was shown, and has yet to take, is nothing that a ring which does not submit by itself would have to submit.
    @Test(arguments: [RingKind.attached, .attachedTo]) func trap5WhatWasSubmittedIsWaitedFor(kind: RingKind) throws {
        try withRing(kind, entries: 16) { ring in
            ring.core.submitsWhenFull = false
            for _ in 0..<100 {
                try ring.prepare(Nop(), tag: 0)
                try ring.submit()
                try ring.prepare(Nop(), tag: 1, timeout: .after(.seconds(3600)))
                #expect(throws: Errno.resourceTemporarilyUnavailable) { try ring.prepare(Nop(), tag: 2, timeout: .after(.seconds(3600))) }
                try ring.submit()
                try ring.link { chain in try chain.prepare(Nop(), tag: 3) }
                for _ in 0..<3 { drop(try ring.nextCompletionWaiting()) }
            }
        }
    }

    /// The kernel's own bit does what the option for it does.
    @Test func trap5APollingThreadThatFlagsAskForIsShared() throws {
        let owner = try Ring<Int>(entries: 64, options: RingKind.attachedTo.options)
        var options = RingOptions(RingOptions.Flags(rawValue: CURING_SETUP_SQPOLL))
        options.sharedWorkers = owner.descriptor
        var ring = try Ring<Int>(entries: 64, options: options)
        #expect(throws: ChainError.tooLong(limit: 8)) {
            try ring.link { chain in for tag in 0..<9 { try chain.prepare(Nop(), tag: tag) } }
        }
        try expectWhole(&ring, count: 8, queuedBefore: 5)
        withExtendedLifetime(owner) {}
    }

    @Test func trap5APollingThreadOfOnesOwnKeepsAChainOfAnyLength() throws {
        try withRing(.polled, entries: 64) { ring in try expectWhole(&ring, count: 41, queuedBefore: 20) }
    }

    @Test func whatCanNeverFitThrowsBeforeAnythingIsQueued() throws {
        var ring = try Ring<Int>(entries: 4)
        let ledger = Ledger()
        try ring.prepare(Nop(), tag: 9)
        #expect(throws: ChainError.tooLong(limit: 4)) {
            try ring.link { chain in for tag in 0..<5 { try chain.prepare(BoxedNop(ledger.life()), tag: tag) } }
        }
        #expect(throws: ChainError.tooLong(limit: 4)) {
            try ring.link { chain in
                for tag in 0..<3 { try chain.prepare(BoxedNop(ledger.life()), tag: tag, timeout: .after(.seconds(1))) }
            }
        }
        #expect(ledger.bornCount == 8 && ledger.isSettled)
        let tag = try ring.nextCompletionWaiting().tag
        #expect(tag == 9)
        #expect(ring.inFlightCount == 0)
        try ring.expectNoCompletion()
    }

    @Test func aMemberThatDoesNotFitLeavesTheChainAsItWas() throws {
        var ring = try Ring<Int>(entries: 2)
        try ring.link { chain in
            try chain.prepare(Nop(), tag: 0)
            try chain.prepare(Nop(), tag: 1)
            #expect(throws: ChainError.tooLong(limit: 2)) { try chain.prepare(Nop(), tag: 2) }
        }
        for expected in 0..<2 {
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == expected)
        }
        try ring.expectNoCompletion()
    }

    private struct Stop: Error {}

    @Test func aClosureThatThrowsLeavesNothingQueued() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        var token: AnyToken?
        #expect(throws: Stop.self) {
            try ring.link { chain in
                token = AnyToken(try chain.prepare(BoxedNop(ledger.life()), tag: 0))
                try chain.prepare(InlineNop(ledger.life()), tag: 1, timeout: .after(.seconds(1)))
                throw Stop()
            }
        }
        #expect(ledger.bornCount == 2 && ledger.isSettled)
        let room = ring.availableEntries
        #expect(room == 8 && ring.inFlightCount == 0)
        let stale = try #require(token)
        let outcome = try ring.run(Cancel(stale)).result.get()
        #expect(outcome == .notFound)
        try ring.expectNoCompletion()
    }

    @Test func withoutImplicitSubmissionsAChainThatDoesNotFitThrows() throws {
        var options = RingOptions.recommended
        options.submitsWhenFull = false
        var ring = try Ring<Int>(entries: 4, options: options)
        try ring.prepare(Nop(), tag: 0)
        #expect(throws: ChainError.failed(.resourceTemporarilyUnavailable)) {
            try ring.link { chain in for tag in 1..<5 { try chain.prepare(Nop(), tag: tag) } }
        }
        let room = ring.availableEntries
        #expect(room == 3)
        try ring.link { chain in for tag in 1..<4 { try chain.prepare(Nop(), tag: tag) } }
        for expected in 0..<4 {
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == expected)
        }
    }

    @Test func theLastMemberIsNotLinkedToWhatFollows() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.link { chain in
            try chain.prepare(Nop(), tag: 0)
            try chain.prepare(Poll(pipe.first, for: .input), tag: 1, timeout: .after(.seconds(3600)))
        }
        try ring.hardLink { chain in
            try chain.prepare(Nop(), tag: 2)
            try chain.prepare(Poll(pipe.first, for: .input), tag: 3)
        }
        ring.link { _ in }
        try ring.prepare(Nop(), tag: 4)
        var tags: Set<Int> = []
        for _ in 0..<3 { tags.insert(try ring.nextCompletionWaiting().tag) }
        #expect(tags == [0, 2, 4])
        #expect(ring.inFlightCount == 2)
    }

    // MARK: What becomes of the members

    /// What three members end as, of which the first is given.
    private func outcomes<First: SingleShotOperation & ~Copyable>(
        isHard: Bool, first: (borrowing Descriptor) -> First
    ) throws -> [(errno: Errno?, result: Int32, isCutOff: Bool)] {
        let directory = try TemporaryDirectory()
        let file = try Descriptor(opening: try directory.file("ten", containing: pattern(10)))
        var ring = try Ring<Int>(entries: 8)
        try ring.chain(flag: isHard ? CURING_SQE_IO_HARDLINK : CURING_SQE_IO_LINK) { chain in
            try chain.prepare(first(file), tag: 0)
            for tag in 1..<3 { try chain.prepare(Nop(), tag: tag) }
        }
        var outcomes: [(Errno?, Int32, Bool)] = []
        for expected in 0..<3 {
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == expected)
            let entry = completion.entry
            let isCutOff: Bool
            if expected == 0 {
                isCutOff = completion.take(First.self).cancelledByLink
            } else {
                isCutOff = completion.take(Nop.self).cancelledByLink
            }
            outcomes.append((entry.errno, entry.result, isCutOff))
        }
        return outcomes
    }

    @Test func aMemberThatFailsKeepsThoseAfterItFromStarting() throws {
        let nothing = UnownedDescriptor(FileDescriptor(rawValue: -1))
        let ends = try outcomes(isHard: false) { _ in Fsync(nothing) }
        #expect(ends.map(\.errno) == [.badFileDescriptor, .canceled, .canceled])
        #expect(ends.map(\.isCutOff) == [false, true, true])
    }

    @Test func aShortMemberKeepsThoseAfterItFromStarting() throws {
        let ends = try outcomes(isHard: false) { file in Read(file, into: Buffer(byteCapacity: 100), at: 0) }
        #expect(ends.map(\.errno) == [nil, .canceled, .canceled])
        #expect(ends[0].result == 10)
        #expect(ends.map(\.isCutOff) == [false, true, true])
    }

    @Test func aShortVectoredMemberKeepsThoseAfterItFromStarting() throws {
        let ends = try outcomes(isHard: false) { file in
            ReadVectored(file, into: BufferVector(count: 2, byteCapacity: 8), at: 0)
        }
        #expect(ends.map(\.errno) == [nil, .canceled, .canceled])
        #expect(ends.map(\.isCutOff) == [false, true, true])
    }

    @Test func aHardLinkGoesOnWhateverHappens() throws {
        let nothing = UnownedDescriptor(FileDescriptor(rawValue: -1))
        let failed = try outcomes(isHard: true) { _ in Fsync(nothing) }
        #expect(failed.map(\.errno) == [.badFileDescriptor, nil, nil])
        let short = try outcomes(isHard: true) { file in Read(file, into: Buffer(byteCapacity: 100), at: 0) }
        #expect(short.map(\.errno) == [nil, nil, nil])
        #expect(short[0].result == 10)
    }

    @Test(arguments: [false, true]) func anEntryTheKernelMakesNoSenseOfEndsTheWholeChain(isHard: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        var nonsense = RawEntry(.nop)
        nonsense.ioPriority = 99
        nonsense.opcode = Opcode(rawValue: 200)
        try ring.chain(flag: isHard ? CURING_SQE_IO_HARDLINK : CURING_SQE_IO_LINK) { chain in
            try chain.prepare(Nop(), tag: 0)
            try unsafe chain.prepare(RawOperation(nonsense), tag: 1)
            try chain.prepare(Nop(), tag: 2)
        }
        var errnos: [Errno?] = []
        var cutOff: [Bool] = []
        for _ in 0..<3 {
            let completion = try ring.nextCompletionWaiting()
            errnos.append(completion.entry.errno)
            cutOff.append(completion.entry.flags.contains(.cancelledByLink))
        }
        #expect(errnos == [.canceled, .invalidArgument, .canceled])
        // The first had no member before it that failed, and in a hard chain a failure is no reason.
        #expect(cutOff == [false, false, !isHard])
    }

    @Test func aMemberThatIsCancelledItselfIsToldFromThoseAfterIt() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let waiting = try ring.link { chain in
            try chain.prepare(Nop(), tag: 0)
            let token = try chain.prepare(Read(pipe.first, into: Buffer(byteCapacity: 16)), tag: 1)
            try chain.prepare(Nop(), tag: 2)
            return token
        }
        try ring.submit()
        try ring.processPending()
        try ring.prepare(Cancel(waiting), tag: 3)
        var seen: Set<Int> = []
        for _ in 0..<4 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            switch completion.tag {
            case 0: #expect(completion.take(Nop.self).entry.errno == nil)
            case 1:
                let completed = completion.take(waiting)
                #expect(completed.entry.errno == .canceled)
                #expect(!completed.cancelledByLink && !completed.timedOut)
            case 2:
                let completed = completion.take(Nop.self)
                #expect(completed.entry.errno == .canceled)
                #expect(completed.cancelledByLink && !completed.timedOut)
            default: #expect(try completion.take(Cancel.self).result.get() == .found)
            }
        }
        #expect(seen == [0, 1, 2, 3])
    }

    @Test func aTimeoutThatKeepsItsChainCutsNobodyOff() throws {
        for keepsChain in [false, true] {
            var ring = try Ring<Int>(entries: 8)
            let pipe = try DescriptorPair.pipe()
            let waiting = try ring.link { chain in
                try chain.prepare(Timeout(after: .zero, keepsChain: keepsChain), tag: 0)
                return try chain.prepare(Poll(pipe.first, for: .input), tag: 1)
            }
            let expired = try ring.nextCompletionWaiting().take(Timeout.self).result.get()
            #expect(expired == .expired)
            try ring.prepareSkippingSuccess(Cancel(waiting))
            let cancelled = try ring.nextCompletionWaiting().take(Poll.self)
            #expect(cancelled.entry.errno == .canceled)
            #expect(cancelled.cancelledByLink == !keepsChain)
        }
    }

    @Test func aMessageCutsNobodyOffUnlessItWaitsForEverything() throws {
        for flags in [SendFlags(), .waitAll] {
            let sockets = try DescriptorPair.sockets()
            var ring = try Ring<Int>(entries: 8)
            let waiting = try ring.link { chain in
                try chain.prepare(SendMessage(sockets.first, Message(Buffer(copying: [1, 2, 3])), flags: flags), tag: 0)
                return try chain.prepare(Poll(sockets.first, for: .input), tag: 1)
            }
            let sent = try ring.nextCompletionWaiting().entry.result
            #expect(sent == 3)
            try ring.prepareSkippingSuccess(Cancel(waiting))
            let cancelled = try ring.nextCompletionWaiting().take(Poll.self)
            #expect(cancelled.entry.errno == .canceled)
            #expect(cancelled.cancelledByLink == (flags == .waitAll))
        }
    }

    /// A chain goes on with the result; what the notification says, which is below zero for copied bytes, ends none.
    @Test(arguments: [false, true]) func aZeroCopySendLinksByItsResult(fails: Bool) throws {
        let pair = try TCPPair()
        if fails { #expect(shutdown(pair.client.unowned.fileDescriptor.rawValue, Int32(SHUT_WR)) == 0) }
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let waiting = try ring.link { chain in
            let memory = CountedMemory(ledger, byteCapacity: 64, filledWith: 3)
            try chain.prepare(SendZeroCopy(pair.client, from: memory, reportsUsage: true), tag: 0)
            return try chain.prepare(Poll(pair.client, for: .input), tag: 1)
        }
        for _ in 0..<3 {
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == 1 {
                let poll = completion.take(Poll.self)
                #expect(poll.entry.errno == .canceled)
                #expect(poll.cancelledByLink == fails)
                continue
            }
            switch completion.event(SendZeroCopy<CountedMemory>.self) {
            case .more(let result): #expect(result == (fails ? .failure(.brokenPipe) : .success(64)))
            case .finished(let completed):
                let usage = completed.operation.usage
                #expect(fails || usage == .copied)
                #expect(ledger.aliveCount == 1)
                if !fails { try ring.prepareSkippingSuccess(Cancel(waiting)) }
            }
        }
        #expect(ledger.isSettled && ring.inFlightCount == 0)
    }

    /// What the kernel does with a multishot in a chain, which is why none can be put there.
    @Test func trap14AMultishotInAChainHoldsUpWhatFollowsAndThenEndsIt() throws {
        var ring = try Ring<Int>(entries: 8)
        let counter = try EventCounter()
        var armed = RawEntry(.pollAdd)
        armed.flags = CURING_SQE_IO_LINK
        armed.length = CURING_POLL_ADD_MULTI
        armed.operationFlags = PollEvents.input.rawValue
        let token = try unsafe ring.prepare(RawMultishot(armed, on: counter, owning: ()), tag: 0)
        try ring.prepare(Nop(), tag: 1)
        try counter.add()
        let event = try ring.nextCompletionWaiting()
        #expect(event.tag == 0 && event.entry.flags.contains(.more))
        drop(event)
        try ring.expectNoCompletion()
        try ring.prepare(Cancel(token), tag: 2)
        var errnos: [Int: Errno?] = [:]
        for _ in 0..<3 {
            let completion = try ring.nextCompletionWaiting()
            errnos[completion.tag] = .some(completion.entry.errno)
        }
        #expect(errnos == [0: .canceled, 1: .canceled, 2: nil])
    }

    /// How many bytes a chain is content with, by what its entry asks for.
    @Test func receivesCountAsCompleteWithLessUnlessTheyWaitForAll() throws {
        for (flags, isCut) in [(ReceiveFlags(), false), (.waitAll, true)] {
            let sockets = try DescriptorPair.sockets()
            var ring = try Ring<Int>(entries: 8)
            #expect(sockets.second.sendNow([1, 2, 3]) == 3)
            #expect(shutdown(sockets.second.unowned.fileDescriptor.rawValue, Int32(SHUT_WR)) == 0)
            try ring.link { chain in
                try chain.prepare(Receive(sockets.first, into: Buffer(byteCapacity: 16), flags: flags), tag: 0)
                try chain.prepare(Nop(), tag: 1)
            }
            let received = try ring.nextCompletionWaiting().take(Receive<Buffer>.self).result.get()
            #expect(received == 3)
            let next = try ring.nextCompletionWaiting().take(Nop.self)
            #expect((next.entry.errno == .canceled) == isCut)
            #expect(next.cancelledByLink == isCut)
        }
    }

    // MARK: Dropping

    @Test(arguments: [false, true]) func aRingDroppedWithAChainReleasesItsMembers(isSubmitted: Bool) throws {
        let ledger = Ledger()
        let directory = try TemporaryDirectory()
        let file = try directory.open("file")
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        try ring.hardLink { chain in
            try chain.prepare(Poll(pipe.first, for: .input), tag: 0, timeout: .after(.seconds(3600)))
            try chain.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 64)), tag: 1)
            try chain.prepare(Write(file, from: CountedMemory(ledger, byteCapacity: 64, filledWith: 7), at: 0), tag: 2)
        }
        if isSubmitted { try ring.submit() }
        #expect(ring.inFlightCount == 3)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(ledger.bornCount == 2 && ledger.isSettled)
        expectHeld(pipe.first, false)
        // What was never submitted does not run.
        let size = try contents(of: directory.path.appending("file")).count
        #expect(isSubmitted || size == 0)
    }

    @Test func aChainOpensAFileIntoASlotAndUsesIt() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("file", containing: pattern(100))
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 2, allocating: 0..<1)
        try ring.link { chain in
            let slot = try table.freeSlot(1)
            let file = slot.hold()
            try chain.prepare(OpenAt(path, .readWrite, into: slot), tag: 0)
            try chain.prepare(Write(file, from: Buffer(copying: [9, 9, 9]), at: 0), tag: 1)
            try chain.prepare(Read(file, into: Buffer(byteCapacity: 5), at: 0), tag: 2)
        }
        // Nothing is in the slot when the three are prepared, and the opened file is dropped before it is written to and read.
        for expected in 0..<3 {
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == expected)
            #expect(completion.entry.errno == nil)
            if completion.tag == 2 {
                let bytes = completion.take(Read<Buffer>.self).operation.memory.copyBytes()
                #expect(bytes == [9, 9, 9] + pattern(100)[3..<5])
            }
        }
        #expect(table.usedCount == 0)
    }

    @Test func fileOperationsInAChainSeeWhatThoseBeforeThemDid() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("draft")
        var ring = try Ring<Int>(entries: 8)
        try ring.link { chain in
            try chain.prepare(Write(file, from: Buffer(copying: pattern(5000)), at: 0), tag: 0)
            try chain.prepare(Fsync(file), tag: 1)
            try chain.prepare(Read(file, into: Buffer(byteCapacity: 5000), at: 0), tag: 2)
            try chain.prepare(RenameAt(directory.path.appending("draft"), to: directory.path.appending("final")), tag: 3)
        }
        try ring.submit(waitingFor: 4)
        for expected in 0..<4 {
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == expected)
            #expect(completion.entry.errno == nil)
            if completion.tag == 2 {
                let bytes = completion.take(Read<Buffer>.self).operation.memory.copyBytes()
                #expect(bytes == pattern(5000))
            }
        }
        #expect(try contents(of: directory.path.appending("final")) == pattern(5000))
    }
}
