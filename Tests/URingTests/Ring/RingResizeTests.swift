// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import CURing
import SystemPackage
import Testing

@testable import URing

@Suite struct RingResizeTests {
    @Test func everythingMovesToTheNewQueues() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        // In flight, completed and not taken, and prepared and not submitted.
        try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 8)), tag: 1)
        for tag in 2...5 { try ring.prepare(BoxedNop(ledger.life()), tag: tag) }
        try ring.submit(waitingFor: 4)
        for tag in 6...9 { try ring.prepare(BoxedNop(ledger.life()), tag: tag) }
        try ring.resize(entries: 64, completionQueueEntries: 512)
        #expect(ring.submissionQueueEntries == 64 && ring.completionQueueEntries == 512)
        #expect(ring.readyCount == 4 && ring.inFlightCount == 9)
        let room = ring.availableEntries
        #expect(room == 60)
        // Nothing is shown that would have every empty look at the queue enter the kernel.
        #expect(ring.core.submissions.flags == 0)
        var tags: [Int] = []
        for _ in 2...9 { tags.append(try ring.nextCompletionWaiting().tag) }
        #expect(tags == [2, 3, 4, 5, 6, 7, 8, 9])
        try write(5, to: pipe.second)
        let read = try ring.nextCompletionWaiting().take(Read<CountedMemory>.self)
        #expect(read.operation.memory.buffer.copyBytes() == [5])
        drop(read)
        #expect(ledger.isSettled && ring.inFlightCount == 0 && ring.staleCompletionCount == 0)
    }

    /// Completions after which more come say nothing of what is in flight.
    @Test func eventsThatWereReadAreStillNoEnds() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(TimeoutMultishot(every: .milliseconds(1), count: 3), tag: 1)
        try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 8)), tag: 2)
        try ring.submit()
        for _ in 0..<2 { #expect(try ring.nextCompletionWaiting().hasMore) }
        try ring.resize(entries: 16)
        #expect(ring.inFlightCount == 2)
        #expect(try ring.nextCompletionWaiting().hasMore == false)
        // What the kernel still has is waited for.
        #expect(ring.inFlightCount == 1)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty && ledger.isSettled)
    }

    /// The flag that says so does not move.
    @Test func whatWasDeferredIsFetched() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1)
        try ring.submit()
        try write(5, to: pipe.second)
        #expect(ring.readyCount == 0)
        try ring.resize(entries: 16)
        guard let completion = ring.nextCompletion() else { throw NoCompletion() }
        #expect(completion.tag == 1)
    }

    @Test(arguments: [RingOptions.Flags.largeSubmissions, []])
    func whatTheKernelHasSeenAndNotTakenMoves(flags: RingOptions.Flags) throws {
        var options = RingOptions.recommended
        options.flags.formUnion([flags, .startsDisabled])
        var ring = try Ring<Int>(entries: 8, options: options)
        for tag in 0..<5 { try ring.prepare(Nop(), tag: tag) }
        #expect(throws: Errno.ringGone) { try ring.submit() }
        for tag in 5..<8 { try ring.prepare(Nop(), tag: tag) }
        try ring.resize(entries: 32)
        try ring.enable()
        for tag in 0..<8 {
            let next = try ring.nextCompletionWaiting().tag
            #expect(next == tag)
        }
        #expect(ring.inFlightCount == 0 && ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
    }

    @Test func aWaitIsForNoMoreThanTheNewQueueHolds() throws {
        var ring = try Ring<Int>(entries: 8)
        try ring.resize(entries: 2, completionQueueEntries: 2)
        // The kernel cuts it, too. A wait for more would seem to have been interrupted.
        for tag in 0..<2 { try ring.prepare(Nop(), tag: tag) }
        let result = try ring.submit(waitingFor: 10)
        #expect(result == SubmitResult(submitted: 2) && ring.readyCount == 2)
    }

    @Test func whatDoesNotFitLeavesTheRingAsItWas() throws {
        var ring = try Ring<Int>(entries: 16)
        for tag in 0..<12 { try ring.prepare(Nop(), tag: tag) }
        // Prepared and not published: more than the new queue holds.
        #expect(throws: Errno.overflow) { try ring.resize(entries: 8, completionQueueEntries: 32) }
        try ring.submit(waitingFor: 12)
        #expect(throws: Errno.overflow) { try ring.resize(entries: 4) }
        #expect(ring.submissionQueueEntries == 16 && ring.completionQueueEntries == 32)
        for tag in 0..<12 {
            let next = try ring.nextCompletionWaiting().tag
            #expect(next == tag)
        }
        try ring.resize(entries: 4)
        #expect(ring.submissionQueueEntries == 4 && ring.completionQueueEntries == 8)
        _ = try ring.run(Nop()).result.get()
    }

    @Test(arguments: [(0, 8), (-1, 8), (32769, 65536), (Int.max, 8), (8, 0), (8, -1), (8, 65537), (8, 4), (8, Int.max)])
    func sizesThatNoRingHasAreErrors(entries: Int, completions: Int) throws {
        var ring = try Ring<Int>(entries: 8)
        #expect(throws: Errno.invalidArgument) { try ring.resize(entries: entries, completionQueueEntries: completions) }
        _ = try ring.run(Nop()).result.get()
    }

    @Test(arguments: [RingOptions(), RingOptions([.singleIssuer, .deferredTaskRun]), RingOptions([.noSubmissionArray])])
    func ringsThatTheKernelCannotResizeSaySo(options: RingOptions) throws {
        var ring = try Ring<Int>(entries: 8, options: options)
        #expect(throws: Errno.invalidArgument) { try ring.resize(entries: 16) }
        _ = try ring.run(Nop()).result.get()
    }

    @Test(arguments: [RingOptions.Flags.largeSubmissions, .largeCompletions, .mixedCompletions, []])
    func anyNumberOfTimesAndSizesLosesNothing(flags: RingOptions.Flags) throws {
        var options = RingOptions.recommended
        options.flags.formUnion(flags)
        var ring = try Ring<Int>(entries: 8, options: options)
        var random = SeededGenerator(seed: 12)
        let ledger = Ledger()
        var (prepared, seen) = (0, [Bool](repeating: false, count: 0))
        for _ in 0..<500 {
            for _ in 0..<Int.random(in: 0..<40, using: &random) {
                try ring.prepare(BoxedNop(ledger.life()), tag: prepared)
                seen.append(false)
                prepared += 1
            }
            if Bool.random(using: &random) { try ring.submit() }
            let entries = 1 << Int.random(in: 0..<8, using: &random)
            do throws(Errno) {
                try ring.resize(entries: entries, completionQueueEntries: entries << Int.random(in: 0..<3, using: &random))
            } catch {
                #expect(error == .overflow)
            }
            for _ in 0..<Int.random(in: 0..<60, using: &random) {
                guard let completion = ring.nextCompletion() else { break }
                #expect(!seen[completion.tag])
                seen[completion.tag] = true
            }
        }
        while ring.inFlightCount > 0 { seen[try ring.nextCompletionWaiting().tag] = true }
        #expect(seen.allSatisfy { $0 } && prepared > 1000)
        #expect(ledger.isSettled && ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
    }

    @Test(arguments: 0..<8)
    func aLargeEntryMayCrossTheEndOfASmallerQueue(start: Int) throws {
        var options = RingOptions.recommended
        options.flags.insert(.mixedCompletions)
        var ring = try Ring<Int>(entries: 4, options: options)
        try ring.resize(entries: 4, completionQueueEntries: 32)
        for _ in 0..<start { _ = try ring.run(Nop()).result.get() }
        // A completion of two places begins at each place of the queue to be, in turn.
        var large = RawEntry(.nop)
        large.operationFlags = CURING_NOP_CQE32
        try ring.prepare(unsafe RawOperation(large, owning: ()), tag: 1)
        try ring.prepare(Nop(), tag: 2)
        try ring.submit(waitingFor: 3)
        try ring.resize(entries: 4, completionQueueEntries: 8)
        #expect(ring.readyCount == 3)
        for tag in 3...20 {
            try ring.prepare(Nop(), tag: tag)
            let next = try ring.nextCompletionWaiting().tag
            #expect(next == tag - 2)
        }
        #expect(ring.inFlightCount == 2 && ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
    }

    /// The kernel (6.18) goes past a place that it has not written then, where the completion of before lies.
    @Test func aPlaceOfAMixedQueueThatIsReadOnceMoreIsNoEnd() throws {
        var options = RingOptions.recommended
        options.flags.insert(.mixedCompletions)
        options.completionQueueEntries = 4
        var ring = try Ring<Int>(entries: 4, options: options)
        for (tag, isLarge) in [true, false, true, false].enumerated() {
            var entry = RawEntry(.nop)
            entry.operationFlags = isLarge ? CURING_NOP_CQE32 : 0
            try ring.prepare(unsafe RawOperation(entry), tag: tag)
            try ring.submit()
            try ring.processPending()
        }
        var tags: Set<Int> = []
        for _ in 0..<4 { tags.insert(try ring.nextCompletionWaiting().tag) }
        #expect(tags == [0, 1, 2, 3])
        _ = try ring.run(Nop()).result.get()
        #expect(ring.inFlightCount == 0)
        let leftovers = ring.close(deadline: .seconds(1))
        #expect(leftovers.isEmpty)
    }

    @Test func aChildDoesNotInheritTheNewQueues() throws {
        var ring = try Ring<Int>(entries: 8)
        try ring.resize(entries: 64)
        #expect(unsafe test_child_maps(ring.core.submissions.head) == 0)
        #expect(unsafe test_child_maps(ring.core.submissions.start) == 0)
        var options = RingOptions.recommended
        options.isKeptOnFork = true
        var kept = try Ring<Int>(entries: 8, options: options)
        try kept.resize(entries: 64)
        #expect(unsafe test_child_maps(kept.core.submissions.head) == 1)
    }
}
