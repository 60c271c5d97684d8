// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

/// Rings whose entries a kernel thread takes (SQPOLL).
@Suite struct PollingThreadTests {
    /// The kernel threads that poll for rings of a thread; they give themselves the name before they take the first entry.
    private func pollingThreads(of thread: Int32 = test_thread_number()) -> [Int32] {
        threads(named: "iou-sqp-\(thread)")
    }

    private func run(_ body: @escaping () throws -> Void) {
        onAnotherThread {
            do { try body() } catch { Issue.record(error) }
        }
    }

    private func cause(of options: RingOptions) -> RingSetupError.Cause? {
        do throws(RingSetupError) {
            _ = try Ring<Int>(entries: 8, options: options)
            return nil
        } catch {
            return error.cause
        }
    }

    @Test func recommendedTakesAllThatGoesWithAPollingThread() throws {
        var ring = try Ring<Int>(entries: 8, options: .recommended(submissionPolling: .init()))
        #expect(ring.missingOptions.isEmpty)
        #expect(ring.flags.isSuperset(of: [.singleIssuer, .submitsAll, .noSubmissionArray]))
        _ = try ring.run(Nop()).result.get()
    }

    /// Trap 12: the kernel echoes whatever count it is given.
    @Test func trap12CountsEachEntryOnceThoughTheThreadHasNotTakenItYet() throws {
        var ring = try Ring<Int>(entries: 256, options: .recommended(submissionPolling: .init(idle: .milliseconds(50))))
        var shown = 0
        for round in 1...200 {
            try ring.prepare(Nop(), tag: round)
            shown += try ring.submit().submitted
            let nothing = try ring.submit().submitted
            #expect(nothing == 0)
        }
        #expect(shown == 200)
        try ring.submit(waitingFor: 200, timeout: .seconds(10))
        #expect(ring.readyCount == 200)
    }

    /// Hazard P1: nothing is stuck because the thread fell asleep while entries were being published.
    @Test func aMillionOperationsWithIdlePausesNoneStuck() throws {
        var ring = try Ring<Int>(entries: 1024, options: .recommended(submissionPolling: .init(idle: .milliseconds(1))))
        var random = SeededGenerator(seed: 3)
        var (prepared, completed, wakeUps) = (0, 0, 0)
        while completed < 1_000_000 {
            let count = Int.random(in: 1...3000, using: &random)
            for _ in 0..<count { try ring.prepare(Nop(), tag: 0) }
            prepared += count
            while completed < prepared {
                let wait = try ring.submit(waitingFor: 1, timeout: .seconds(60))
                guard !wait.timedOut else {
                    Issue.record("\(prepared - completed) of \(prepared) operations are stuck")
                    return
                }
                while ring.nextCompletion() != nil { completed += 1 }
            }
            if Bool.random(using: &random) {
                // Now and then until the thread sleeps, else until it is perhaps about to.
                let isPatient = Int.random(in: 0..<8, using: &random) == 0
                let end = monotonicTime() + (isPatient ? .seconds(5) : .microseconds(Int.random(in: 0...3000, using: &random)))
                while ring.core.submissions.flags & CURING_SQ_NEED_WAKEUP == 0 && monotonicTime() < end {}
            }
            if ring.core.submissions.flags & CURING_SQ_NEED_WAKEUP != 0 { wakeUps += 1 }
        }
        #expect(wakeUps > 10 && ring.inFlightCount == 0)
    }

    /// Waits until a polling thread says that it sleeps; it does when it has been idle for its time.
    private func waitUntilThePollingThreadSleeps(_ ring: borrowing Ring<Int>) throws {
        var looks = 0
        while looks < 1_000_000 && ring.core.submissions.flags & CURING_SQ_NEED_WAKEUP == 0 {
            looks += 1
            sched_yield()
        }
        try #require(ring.core.submissions.flags & CURING_SQ_NEED_WAKEUP != 0)
    }

    /// An entry with a timeout is two, for which there is no room behind the one that nobody takes.
    ///
    /// An alarm bounds it: what waits for a thread that does nothing waits for ever.
    @Test func aChainDoesNotWaitForARingThatIsNotEnabled() async {
        await #expect(processExitsWith: .success) {
            alarm(30)
            // Another ring has had work for the thread: it is awake all the time, and shows nothing that a call would have to be made for.
            var options = RingOptions.recommended(submissionPolling: .init(idle: .seconds(60)))
            var busy = try Ring<Int>(entries: 2, options: options)
            _ = try busy.run(Nop())
            options.flags.insert(.startsDisabled)
            options.sharedWorkers = busy.descriptor
            var ring = try Ring<Int>(entries: 2, options: options)
            #expect(ring.core.submissions.flags == 0)
            try ring.prepare(Nop(), tag: 1)
            #expect(throws: Errno(rawValue: EBADFD)) { try ring.prepare(Nop(), tag: 2, timeout: .after(.seconds(1))) }
        }
    }

    @Test func aThreadIsSharedUntilItsRingEnds() throws {
        var options = RingOptions.recommended(submissionPolling: .init(idle: .milliseconds(1)))
        let ring = try Ring<Int>(entries: 2, options: options)
        let number = dup(ring.descriptor.fileDescriptor.rawValue)
        defer { close(number) }
        #expect(!SharedPollingThreads.contains(number))
        options.sharedWorkers = ring.descriptor
        let other = try Ring<Int>(entries: 2, options: options)
        drop(other)
        #expect(SharedPollingThreads.contains(number))
        drop(ring)
        #expect(!SharedPollingThreads.contains(number))
    }

    @Test func aPollingThreadThatSleepsIsWoken() throws {
        var ring = try Ring<Int>(entries: 4, options: .recommended(submissionPolling: .init(idle: .milliseconds(1))))
        for round in 0..<10 {
            try waitUntilThePollingThreadSleeps(ring)
            try ring.prepare(Nop(), tag: round)
            try ring.submit()
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == round)
        }
        // The fifth entry finds the queue full, and the thread asleep.
        try waitUntilThePollingThreadSleeps(ring)
        for tag in 0..<5 { try ring.prepare(Nop(), tag: tag) }
        for _ in 0..<5 { _ = try ring.nextCompletionWaiting() }
        for tag in 0..<100 { try ring.prepare(Nop(), tag: tag) }
        var tags: Set<Int> = []
        for _ in 0..<100 { tags.insert(try ring.nextCompletionWaiting().tag) }
        #expect(tags.count == 100)
    }

    @Test func aSleepingThreadTakesNoTime() {
        run {
            var ring = try Ring<Int>(entries: 8, options: .recommended(submissionPolling: .init(idle: .milliseconds(1))))
            _ = try ring.run(Nop()).result.get()
            let poller = try #require(pollingThreads().first)
            try waitUntilThePollingThreadSleeps(ring)
            waitUntilAsleep(poller)
            // The first of the numbers is the time it has run.
            let before = threadFile("schedstat", of: poller)
            for _ in 0..<10_000 { sched_yield() }
            #expect(threadFile("schedstat", of: poller) == before && !before.isEmpty)
        }
    }

    @Test func ringsShareAThreadThatOutlivesTheFirst() {
        run {
            let first = Handed<Ring<Int>?>(try Ring<Int>(entries: 8, options: .recommended(submissionPolling: .init())))
            var options = RingOptions.recommended(submissionPolling: .init())
            options.sharedWorkers = first.value?.descriptor
            var second = try Ring<Int>(entries: 8, options: options)
            _ = try first.value?.run(Nop(), tag: 1).result.get()
            _ = try second.run(Nop(), tag: 2).result.get()
            #expect(pollingThreads().count == 1)
            first.value = nil
            _ = try second.run(Nop(), tag: 3).result.get()
            #expect(pollingThreads().count == 1)
        }
    }

    @Test func sharingTheThreadOfARingWithoutOneIsAnError() throws {
        let plain = try Ring<Int>(entries: 8)
        var options = RingOptions()
        options.submissionPolling = .init()
        options.sharedWorkers = plain.descriptor
        #expect(cause(of: options) == .unsupportedOptions([]))
    }

    /// Trap 8: the polling thread may run only where the thread that makes the ring may.
    ///
    /// On one processor they take turns of milliseconds.
    @Test func trap8AThreadThatWouldShareItsMakersProcessorIsAnError() {
        run {
            let processor = Int(test_bind_thread(0))
            #expect(cause(of: .recommended(submissionPolling: .init())) == .sharedProcessor(processor))
            #expect(cause(of: .recommended(submissionPolling: .init(processor: processor))) == .sharedProcessor(processor))
            // What the error is about.
            let allowed = SubmissionPolling(mayShareProcessor: true)
            var ring = try Ring<Int>(entries: 8, options: .recommended(submissionPolling: allowed))
            _ = try ring.run(Nop()).result.get()
            let poller = try #require(pollingThreads().first)
            #expect(threadStatus("Cpus_allowed_list", of: poller) == String(processor))
        }
    }

    @Test func aThreadRunsOnTheProcessorItIsGiven() {
        run {
            // The thread that makes the ring has one to itself.
            let processor = onThread { test_bind_thread(1) }
            _ = test_bind_thread(0)
            var ring = try Ring<Int>(entries: 8, options: .recommended(submissionPolling: .init(processor: Int(processor))))
            _ = try ring.run(Nop()).result.get()
            let poller = try #require(pollingThreads().first)
            #expect(threadStatus("Cpus_allowed_list", of: poller) == String(processor))
        }
    }

    @Test func aProcessorThatIsNotThereIsNamed() {
        #expect(cause(of: .recommended(submissionPolling: .init(processor: 8191))) == .pollingProcessor(8191))
    }

    @Test func whatWasShownCountsAlsoWhenTheWaitFails() async {
        await #expect(processExitsWith: .success) {
            var options = RingOptions.recommended(submissionPolling: .init(idle: .milliseconds(1), mayShareProcessor: true))
            // Another bit of the call that is forbidden.
            options.countsAsIOWait = true
            var ring = try Ring<Int>(entries: 8, options: options)
            try ring.prepare(Nop(), tag: 0)
            try #require(test_forbid_timed_waits(ENOMEM) == 0)
            let result = try ring.submit(waitingFor: 2, timeout: .seconds(5))
            try #require(result.submitted == 1 && result.interrupted)
            try #require(throws: Errno.noMemory) { try ring.submit(waitingFor: 2, timeout: .seconds(5)) }
        }
    }

    private func onThread(_ body: () -> Int32) -> Int32 {
        var result: Int32 = -1
        onAnotherThread { result = body() }
        return result
    }
}

private typealias SubmissionPolling = RingOptions.SubmissionPolling
