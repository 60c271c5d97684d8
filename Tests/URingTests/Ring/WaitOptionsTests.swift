// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct WaitOptionsTests {
    /// How a test waits with options.
    enum Form: CaseIterable {
        case options
        case registered
        case polledByKernel
    }

    /// A ring that waits as described, whatever the form.
    private struct Waiter: ~Copyable {
        var ring: Ring<Int>
        let form: Form

        init(_ form: Form) throws {
            var options = form == .polledByKernel ? RingOptions.recommended(submissionPolling: .init()) : .recommended
            options.registeredWaitCount = form == .registered ? 8 : 0
            ring = try Ring(entries: 8, options: options)
            self.form = form
        }

        mutating func submit(waitingFor count: Int, _ options: WaitOptions) throws -> SubmitResult {
            guard form == .registered else { return try ring.submit(waitingFor: count, options: options) }
            let wait = try ring.registerWait(options)
            return try ring.submit(waitingFor: count, wait: wait)
        }
    }

    @Test(arguments: Form.allCases) func oneCompletionIsEnoughAfterTheMinimumTime(form: Form) throws {
        var waiter = try Waiter(form)
        let pipe = try DescriptorPair.pipe()
        try waiter.ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        try waiter.ring.prepare(Nop(), tag: 2)
        let result = try waiter.submit(waitingFor: 2, WaitOptions(until: .timeout(.seconds(3600)), minimumTime: .milliseconds(5)))
        #expect(result == SubmitResult(submitted: 2))
        #expect(waiter.ring.readyCount == 1)
    }

    @Test(arguments: Form.allCases) func theMinimumTimeEndsNothingWithoutACompletion(form: Form) throws {
        var waiter = try Waiter(form)
        let pipe = try DescriptorPair.pipe()
        try waiter.ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        let result = try waiter.submit(waitingFor: 1, WaitOptions(until: .timeout(.milliseconds(20)), minimumTime: .milliseconds(5)))
        #expect(result == SubmitResult(submitted: 1, timedOut: true))
    }

    @Test(arguments: Form.allCases) func theMinimumTimeAloneEndsNothingWithoutACompletion(form: Form) throws {
        var waiter = try Waiter(form)
        try waiter.ring.prepare(Timeout(after: .milliseconds(50)), tag: 1)
        let result = try waiter.submit(waitingFor: 2, WaitOptions(minimumTime: .milliseconds(5)))
        #expect(result.submitted == 1 && !result.timedOut)
        #expect(waiter.ring.readyCount == 1)
    }

    @Test(arguments: Form.allCases) func aLimitWithinTheMinimumTimeEndsTheWait(form: Form) throws {
        var waiter = try Waiter(form)
        let pipe = try DescriptorPair.pipe()
        try waiter.ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        let result = try waiter.submit(waitingFor: 1, WaitOptions(until: .timeout(.milliseconds(5)), minimumTime: .seconds(3600)))
        #expect(result == SubmitResult(submitted: 1, timedOut: true))
    }

    @Test(arguments: Form.allCases) func allWantedEndTheWaitBeforeTheMinimumTime(form: Form) throws {
        var waiter = try Waiter(form)
        for tag in 0..<4 { try waiter.ring.prepare(Nop(), tag: tag) }
        let result = try waiter.submit(waitingFor: 4, WaitOptions(minimumTime: .seconds(3600)))
        #expect(result == SubmitResult(submitted: 4))
        #expect(waiter.ring.readyCount == 4)
    }

    @Test(arguments: Form.allCases) func aWaitEndsAtItsDeadline(form: Form) throws {
        var waiter = try Waiter(form)
        let pipe = try DescriptorPair.pipe()
        try waiter.ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        let deadline = TimeoutClock.monotonic.now + .milliseconds(30)
        let result = try waiter.submit(waitingFor: 1, WaitOptions(until: .deadline(deadline)))
        #expect(TimeoutClock.monotonic.now >= deadline)
        #expect(result == SubmitResult(submitted: 1, timedOut: true))
        let past = try waiter.submit(waitingFor: 1, WaitOptions(until: .deadline(.zero)))
        #expect(past == SubmitResult(submitted: 0, timedOut: true))
    }

    @Test(arguments: [RingOptions(), .recommended]) func aTimeoutThatExpiresEndsAWaitForMore(options: RingOptions) throws {
        var ring = try Ring<Int>(entries: 8, options: options)
        try ring.prepare(Timeout(after: .milliseconds(5)), tag: 1)
        let result = try ring.submit(waitingFor: 4, timeout: .seconds(3600))
        #expect(result == SubmitResult(submitted: 1, interrupted: true))
        #expect(try ring.nextCompletionWaiting().tag == 1)
    }

    @Test func limitsAreNoLongerThanTheKernelCounts() {
        let longest = Duration.seconds(Int64.max)
        // With the time since the machine started, a relative one has to fit into 63 bits.
        #expect(Wait(WaitOptions(until: .timeout(longest))).limit == 1 << 62)
        #expect(Wait(WaitOptions(until: .deadline(longest))).limit == .max)
        #expect(Wait(WaitOptions(until: .timeout(.seconds(-1)))).limit == 0)
        let wait = Wait(WaitOptions(until: .deadline(.nanoseconds(2_000_000_003))))
        #expect(wait.time.seconds == 2 && wait.time.nanoseconds == 3)
    }

    @Test func deadlinesGoByTheRingsClock() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        try ring.submit()
        try ring.useClock(.bootTime)
        let deadline = TimeoutClock.bootTime.now + .milliseconds(20)
        let result = try ring.submit(waitingFor: 1, options: WaitOptions(until: .deadline(deadline)))
        #expect(result.timedOut && TimeoutClock.bootTime.now >= deadline)
        #expect(throws: Errno.invalidArgument) { try ring.useClock(.realTime) }
        #expect(ring.core.clock == .bootTime)
    }

    // The empty set is one too, and blocks nothing; without a set, the thread's own would go on.
    @Test(arguments: Form.allCases, [nil, SignalSet()]) func aSignalThatIsBlockedOtherwiseEndsTheWait(form: Form, set: SignalSet?) throws {
        ignoreWakingSignal()
        let results = Handed<[SubmitResult]>([])
        TestThread {
            do {
                var waiter = try Waiter(form)
                let pipe = try DescriptorPair.pipe()
                try waiter.ring.prepare(Poll(pipe.first, for: .input), tag: 1)
                // It waits for the thread to unblock it.
                pthread_kill(pthread_self(), wakingSignal)
                let limit = WaitOptions.Limit.timeout(.milliseconds(20))
                results.value.append(try waiter.submit(waitingFor: 1, WaitOptions(until: limit)))
                // Others may come for the whole process.
                let others = SignalSet.all.subtracting(.signal(wakingSignal))
                let unblocked = WaitOptions(until: .timeout(.seconds(60)), blockedSignals: set ?? others)
                results.value.append(try waiter.submit(waitingFor: 1, unblocked))
                results.value.append(try waiter.submit(waitingFor: 1, WaitOptions(until: limit, blockedSignals: others)))
            } catch {
                Issue.record(error)
            }
        }.join()
        #expect(
            results.value == [
                SubmitResult(submitted: 1, timedOut: true), SubmitResult(submitted: 0, interrupted: true),
                SubmitResult(submitted: 0, timedOut: true),
            ])
    }

    @Test(arguments: Form.allCases) func aBlockedSignalDoesNotEndTheWait(form: Form) throws {
        ignoreWakingSignal()
        let hasEnded = Flag()
        let result = Handed<SubmitResult?>(nil)
        let thread = TestThread {
            defer { hasEnded.set() }
            unblockWakingSignal()
            do {
                var waiter = try Waiter(form)
                let pipe = try DescriptorPair.pipe()
                try waiter.ring.prepare(Poll(pipe.first, for: .input), tag: 1)
                result.value = try waiter.submit(
                    waitingFor: 1, WaitOptions(until: .timeout(.milliseconds(50)), blockedSignals: .all))
            } catch {
                Issue.record(error)
            }
        }
        while !hasEnded.value {
            thread.signal(wakingSignal)
            sched_yield()
        }
        thread.join()
        #expect(result.value == SubmitResult(submitted: 1, timedOut: true))
    }

    private static let times: [(Duration, microseconds: UInt32)] = [
        (.zero, 0), (Duration(secondsComponent: 0, attosecondsComponent: 1), 1), (.nanoseconds(1), 1), (.microseconds(7), 7),
        (.nanoseconds(7001), 8), (.seconds(2), 2_000_000), (.seconds(-1), 0),
        // The most that 32 bits hold is 4,294,967,295.
        (.microseconds(4_294_967_294), 4_294_967_294), (.nanoseconds(4_294_967_294_001), .max), (.microseconds(4_294_967_295), .max),
        (.microseconds(4_294_967_296), .max), (.seconds(Int64.max), .max),
    ]

    @Test(arguments: times)
    func timesBecomeWordsOfMicroseconds(time: Duration, microseconds: UInt32) {
        #expect(time.microsecondsInWord == microseconds)
    }

    @Test func aSignalBeyondTheKernelsTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = SignalSet.signal(65)
        }
        expectSentence("Signals have numbers from 1 to 64.", of: result)
    }
}
