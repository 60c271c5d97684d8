// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct TimeoutTests {
    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: Timeout(after: .milliseconds(1500))) { entry, _, time in
            unsafe reference_prep_timeout(entry, time, 0, 0)
            #expect(unsafe time.pointee.timespec.seconds == 1)
            #expect(unsafe time.pointee.timespec.nanoseconds == 500_000_000)
        }
        unsafe expectEncoding(of: Timeout(at: .seconds(9), on: .bootTime, orCompletions: 12)) { entry, _, time in
            unsafe reference_prep_timeout(entry, time, 12, 1 | 4)
            #expect(unsafe time.pointee.timespec.seconds == 9)
        }
        unsafe expectEncoding(of: Timeout(after: .seconds(9), on: .realTime, orCompletions: Int(UInt32.max), keepsChain: true)) {
            entry, _, time in unsafe reference_prep_timeout(entry, time, .max, 8 | 32)
        }
    }

    @Test func aNegativeTimeIsNone() {
        unsafe expectEncoding(of: Timeout(after: .nanoseconds(-1))) { entry, _, time in
            unsafe reference_prep_timeout(entry, time, 0, 0)
            #expect(unsafe time.pointee.timespec.seconds == 0)
            #expect(unsafe time.pointee.timespec.nanoseconds == 0)
        }
    }

    /// Five centuries of nanoseconds are what 64 bits hold; beyond that the conversion is another.
    private static let times: [(Duration, Int64, Int64)] = [
        (Duration.zero, 0, 0), (.nanoseconds(1), 0, 1), (.nanoseconds(999_999_999), 0, 999_999_999), (.seconds(1), 1, 0),
        (.seconds(18_446_744_073) + .nanoseconds(709_551_615), 18_446_744_073, 709_551_615),
        (.seconds(18_446_744_073) + .nanoseconds(709_551_616), 18_446_744_073, 709_551_616),
        (.seconds(18_446_744_074) + .nanoseconds(7), 18_446_744_074, 7), (.seconds(Int64.max), Int64.max, 0),
        (Duration(secondsComponent: 3, attosecondsComponent: 999_999_999_999_999_999), 3, 999_999_999), (.seconds(Int64.min), 0, 0),
        (.seconds(Int64.max) + .seconds(1), Int64.max, 0), (Duration(attoseconds: .max), Int64.max, 0),
    ]

    @Test(arguments: times) func anyTimeIsSecondsAndNanosecondsForTheKernel(time: Duration, seconds: Int64, nanoseconds: Int64) {
        let kernelTime = time.timespec
        #expect(kernelTime.seconds == seconds)
        #expect(kernelTime.nanoseconds == nanoseconds)
    }

    @Test func liesInTheSlotWithoutABox() {
        let capacity = SlotLayout.slotByteCount(Int.self) - SlotLayout.payloadOffset(Int.self)
        #expect(SlotLayout.slotByteCount(Int.self) == 128)
        #expect(!PayloadLayout.isBoxed(Timeout.self, capacity: capacity))
        #expect(!PayloadLayout.isBoxed(Poll.self, capacity: capacity))
        #expect(!PayloadLayout.isBoxed(Cancel.self, capacity: capacity))
    }

    /// As a time far ahead is when it is counted from now.
    @Test func aTimeThatNobodySeesIsNotOver() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Timeout(at: TimeoutClock.realTime.now + .seconds(Int64.max), on: .realTime), tag: 0)
        try ring.prepare(Timeout(after: Duration(attoseconds: .max)), tag: 0)
        let read = try ring.prepare(
            Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 0, timeout: .after(Duration(attoseconds: .max)))
        try ring.submit()
        try ring.expectNoCompletion()
        #expect(try ring.cancel(read, waitingAtMost: Duration(attoseconds: .max)) == .found)
        #expect(ring.inFlightCount >= 2)
    }

    @Test(arguments: TimeoutClock.allCases) func expiresAfterAWhileOnEachClock(clock: TimeoutClock) throws {
        var ring = try Ring<Int>(entries: 8)
        let start = monotonicTime()
        let outcome = try ring.run(Timeout(after: .milliseconds(20), on: clock)).result.get()
        #expect(outcome == .expired)
        #expect(monotonicTime() - start >= .milliseconds(20))
    }

    @Test(arguments: TimeoutClock.allCases) func expiresAtATimeOfEachClock(clock: TimeoutClock) throws {
        var ring = try Ring<Int>(entries: 8)
        let deadline = clock.now + .milliseconds(20)
        let outcome = try ring.run(Timeout(at: deadline, on: clock)).result.get()
        #expect(outcome == .expired)
        #expect(clock.now >= deadline)
    }

    @Test(arguments: TimeoutClock.allCases) func aTimeThatIsPastIsOverAtOnce(clock: TimeoutClock) throws {
        var ring = try Ring<Int>(entries: 8)
        let past = try ring.run(Timeout(at: clock.now - .seconds(1), on: clock)).result.get()
        #expect(past == .expired)
        let beforeTheClock = try ring.run(Timeout(at: .seconds(-1), on: clock)).result.get()
        #expect(beforeTheClock == .expired)
        let negative = try ring.run(Timeout(after: .seconds(-1), on: clock)).result.get()
        #expect(negative == .expired)
    }

    @Test func endsAfterACountOfCompletions() throws {
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Timeout(after: .seconds(3600), orCompletions: 2), tag: 0)
        try ring.prepare(Nop(), tag: 1)
        let first = try ring.nextCompletionWaiting()
        #expect(first.tag == 1)
        _ = first.take(Nop.self)
        try ring.expectNoCompletion()
        try ring.prepare(Nop(), tag: 2)
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 0 { #expect(try completion.take(token).result.get() == .completionsReached) }
        }
        #expect(seen == [0, 2])
    }

    @Test func aCancelledTimeoutFails() throws {
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Timeout(after: .seconds(3600)), tag: 1)
        try ring.submit()
        try ring.prepare(Cancel(token), tag: 2)
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 1 {
                #expect(completion.take(token).entry.errno == .canceled)
            } else {
                #expect(try completion.take(Cancel.self).result.get() == .found)
            }
        }
        #expect(seen == [1, 2])
    }

    @Test func comesBackToBePreparedAgain() throws {
        var ring = try Ring<Int>(entries: 8)
        var timeout = Timeout(after: .milliseconds(1))
        for _ in 0..<3 {
            let completed = try ring.run(timeout)
            #expect(try completed.result.get() == .expired)
            timeout = completed.operation
        }
    }

    @Test func aTimeTooLongForTheKernelIsWaitedForAllTheSame() throws {
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Timeout(after: .seconds(Int64.max)), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
    }

    @Test func droppingTheRingEndsATimeoutOfAnHour() throws {
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Timeout(after: .seconds(3600)), tag: 1)
        try ring.prepare(Timeout(at: TimeoutClock.realTime.now + .seconds(3600), on: .realTime, orCompletions: 5), tag: 2)
        try ring.submit()
        #expect(ring.inFlightCount == 2)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
    }

    @Test func countingNothingTraps() async {
        expectSentence(
            "A timeout counts at least one completion, and fewer than 2^32; leave the count out to wait for the time alone.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Timeout(after: .seconds(1), orCompletions: 0)
            })
    }
}
