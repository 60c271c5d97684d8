// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct RingSubmitTests {
    @Test func aFullQueueIsSubmittedAndNothingIsLost() throws {
        var ring = try Ring<Int>(entries: 8)
        for tag in 0..<1000 { try ring.prepare(Nop(), tag: tag) }
        var tags: Set<Int> = []
        for _ in 0..<1000 { tags.insert(try ring.nextCompletionWaiting().tag) }
        #expect(tags.count == 1000 && ring.inFlightCount == 0)
    }

    @Test func aFullQueueIsAnErrorWhenAskedFor() throws {
        var options = RingOptions.recommended
        options.submitsWhenFull = false
        var ring = try Ring<Int>(entries: 8, options: options)
        let ledger = Ledger()
        for tag in 0..<8 { try ring.prepare(BoxedNop(ledger.life()), tag: tag) }
        let room = ring.availableEntries
        #expect(room == 0)
        #expect(throws: Errno.resourceTemporarilyUnavailable) { try ring.prepare(BoxedNop(ledger.life()), tag: 9) }
        #expect(ledger.aliveCount == 8)
        let result = try ring.submit(waitingFor: 8)
        #expect(result.submitted == 8)
        for tag in 0..<8 {
            let next = try ring.nextCompletionWaiting().tag
            #expect(next == tag)
        }
        #expect(ledger.isSettled)
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func overflowLosesAndDoublesNothing(options: RingOptions) throws {
        var options = options
        options.completionQueueEntries = 2
        var ring = try Ring<Int>(entries: 2, options: options)
        #expect(ring.completionQueueEntries == 2)
        for tag in 0..<5000 { try ring.prepare(Nop(), tag: tag) }
        try ring.submit()
        var seen = [Int](repeating: 0, count: 5000)
        // Asking for the next one is all it takes.
        while let completion = ring.nextCompletion() { seen[completion.tag] += 1 }
        #expect(seen.allSatisfy { $0 == 1 })
        #expect(ring.overflowCount > 0 && ring.inFlightCount == 0)
        let isEmpty = ring.nextCompletion() == nil
        #expect(isEmpty)
    }

    /// Unless told otherwise the kernel stops at an entry that it refuses, takes it all the same, and does not wait.
    @Test func whatIsBehindARefusedEntryIsSubmittedToo() throws {
        var ring = try Ring<Int>(entries: 8, options: RingOptions())
        let refused = RawEntry(Opcode(rawValue: 250))
        for tag in 0..<6 {
            if tag % 2 == 0 { try ring.prepare(unsafe RawOperation(refused), tag: tag) } else { try ring.prepare(Nop(), tag: tag) }
        }
        let result = try ring.submit(waitingFor: 6)
        #expect(result == SubmitResult(submitted: 6) && ring.readyCount == 6)
        for tag in 0..<6 {
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == tag && completion.entry.errno == (tag % 2 == 0 ? .invalidArgument : nil))
        }
    }

    @Test func waitingForANegativeNumberTraps() async {
        expectSentence(
            "A ring cannot wait for a negative number of completions.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                try ring.submit(waitingFor: -1)
            })
        expectSentence(
            "A ring cannot wait for a negative number of completions.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                try ring.prepare(Nop(), tag: 0)
                try ring.submit(waitingFor: -1)
            })
    }

    @Test func aWaitCountsWhatIsReady() throws {
        var ring = try Ring<Int>(entries: 8)
        for tag in 0..<4 { try ring.prepare(Nop(), tag: tag) }
        try ring.submit(waitingFor: 4)
        #expect(ring.readyCount == 4)
        let again = try ring.submit(waitingFor: 4)
        #expect(again == SubmitResult(submitted: 0))
        try ring.prepare(Nop(), tag: 4)
        let more = try ring.submit(waitingFor: 5)
        #expect(more == SubmitResult(submitted: 1))
        #expect(ring.readyCount == 5)
    }

    @Test func aTimeoutIsNotAnErrorAndKeepsTheCount() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 0)
        let first = try ring.submit(waitingFor: 1, timeout: .milliseconds(5))
        #expect(first.submitted == 1 && first.timedOut && !first.interrupted)
        let second = try ring.submit(waitingFor: 1, timeout: .zero)
        #expect(second.submitted == 0 && second.timedOut)
    }

    @Test(arguments: [RingOptions.recommended, RingOptions([.cooperativeTaskRun, .showsPendingTaskRun])])
    func pollingForCompletionsAloneMakesProgress(options: RingOptions) throws {
        var ring = try Ring<Int>(entries: 8, options: options)
        let pipe = try DescriptorPair.pipe()
        for round in 0..<100 {
            try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: round)
            try ring.submit()
            _ = try pipe.second.unowned.fileDescriptor.writeAll([1])
            var tag: Int?
            var looks = 0
            while tag == nil && looks < 10_000_000 {
                looks += 1
                if let completion = ring.nextCompletion() { tag = completion.tag }
            }
            try #require(tag == round)
        }
    }

    @Test func takingWhatIsReadyLeavesTheRestToTheNextSubmission() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 0)
        try ring.prepare(Nop(), tag: 1)
        try ring.submit()
        // While a completion is handled, the read completes; its work is deferred until the ring is entered.
        var tags: [Int] = []
        while let completion = ring.nextReadyCompletion() {
            tags.append(completion.tag)
            try ring.prepare(Nop(), tag: 2)
            _ = try pipe.second.unowned.fileDescriptor.writeAll([1])
        }
        #expect(tags == [1])
        try ring.submit(waitingFor: 2)
        while let completion = ring.nextReadyCompletion() { tags.append(completion.tag) }
        #expect(tags.sorted() == [0, 1, 2])
    }

    /// Optimised, Swift 6.3.1 takes the end for a completion if the call that says so is neither inlined nor specialised.
    @Test func theEndOfWhatIsReadyIsNil() throws {
        var ring = try Ring<Int>(entries: 8)
        for tag in 0..<4 { try ring.prepare(Nop(), tag: tag) }
        try ring.submit(waitingFor: 4)
        var count = 0
        while ring.nextReadyCompletion() != nil && count < 10 { count += 1 }
        #expect(count == 4)
        for tag in 0..<3 { try ring.prepare(Nop(), tag: tag) }
        try ring.submit(waitingFor: 3)
        while ring.nextCompletion() != nil && count < 20 { count += 1 }
        #expect(count == 7)
    }

    @Test func trap3AnEventDescriptorWakesAForeignLoop() throws {
        var ring = try Ring<Int>(entries: 8)
        let events = try EventCounter()
        let pipe = try DescriptorPair.pipe()
        try ring.registerEvents(on: events)
        #expect(throws: Errno.resourceBusy) { try ring.registerEvents(on: events) }
        for round in 0..<20 {
            try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: round)
            try ring.submit()
            _ = try pipe.second.unowned.fileDescriptor.writeAll([1])
            var entry = pollfd(fd: events.descriptor.unowned.fileDescriptor.rawValue, events: Int16(POLLIN), revents: 0)
            let count = unsafe poll(&entry, 1, 10_000)
            #expect(count == 1)
            let counted = events.take()
            #expect(counted > 0)
            try ring.processPending()
            var tag: Int?
            if let completion = ring.nextCompletion() { tag = completion.tag }
            #expect(tag == round)
        }
        try ring.unregisterEvents()
    }

    /// Whether a thread that waits for a ring's descriptor goes on when data comes for a read.
    private func dataWakesWhoPolls(_ kind: RingKind) throws -> Bool {
        var ring = try Ring<Int>(entries: 8, options: kind.options)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1)
        try ring.submit()
        let polled = ring.descriptor.fileDescriptor.rawValue
        let number = Handed<Int32>(0)
        let (isStarted, isAwake) = (Flag(), Flag())
        ignoreWakingSignal()
        let poller = TestThread {
            unblockWakingSignal()
            number.value = test_thread_number()
            isStarted.set()
            var entry = pollfd(fd: polled, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&entry, 1, 10_000)
            isAwake.set()
        }
        while !isStarted.value { sched_yield() }
        waitUntilAsleep(number.value, in: "poll")
        try write(1, to: pipe.second)
        // Who is woken is awake long before; who is not would find something when its own time is up.
        for _ in 0..<200 where !isAwake.value { usleep(1000) }
        let isWoken = isAwake.value
        poller.signal(wakingSignal)
        poller.join()
        let completion = try ring.nextCompletionWaiting()
        #expect(completion.tag == 1)
        return isWoken
    }

    @Test func trap3ADeferringRingsDescriptorWakesNobody() throws {
        #expect(try !dataWakesWhoPolls(.deferred))
        #expect(try dataWakesWhoPolls(.plain))
    }

    @Test func generationsWrapInALiveRing() throws {
        var ring = try Ring<Int>(entries: 4, firstGeneration: .max - 10)
        for tag in 0..<100 {
            let completion = try ring.run(Nop(), tag: tag)
            #expect(completion.result == .success(0))
        }
        #expect(ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
    }
}
