// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import SystemPackage
import Testing

@testable import URing

@Suite struct TimeoutUpdateTests {
    @Test func encodesLikeLiburing() {
        let token = AnyToken(userData: 0x1234_5678_9abc_def1, ringIdentity: 3)
        let timeout = Token<Timeout>(any: token)
        unsafe expectEncoding(of: TimeoutUpdate(timeout, after: .seconds(2)), ringIdentity: 3) { entry, _, time in
            unsafe reference_prep_timeout_update(entry, time, token.userData, 0)
            #expect(unsafe time.pointee.timespec.seconds == 2)
        }
        unsafe expectEncoding(of: TimeoutUpdate(timeout, at: .seconds(2)), ringIdentity: 3) { entry, _, time in
            unsafe reference_prep_timeout_update(entry, time, token.userData, 1)
        }
        let ticks = Token<TimeoutMultishot>(any: token)
        unsafe expectEncoding(of: TimeoutUpdate(ticks, every: .seconds(2)), ringIdentity: 3) { entry, _, time in
            unsafe reference_prep_timeout_update(entry, time, token.userData, 0)
        }
        let linked = Token<Nop>(any: token)
        unsafe expectEncoding(of: TimeoutUpdate(linkedTo: linked, after: .seconds(2)), ringIdentity: 3) { entry, _, time in
            unsafe reference_prep_timeout_update(entry, time, UserData.sameSlot(as: token.userData, kind: .linkedTimeout), 16)
        }
        unsafe expectEncoding(of: TimeoutUpdate(linkedTo: linked, at: .seconds(2)), ringIdentity: 3) { entry, _, time in
            unsafe reference_prep_timeout_update(entry, time, UserData.sameSlot(as: token.userData, kind: .linkedTimeout), 17)
        }
    }

    @Test(arguments: TimeoutClock.allCases, [false, true]) func shortensATimeout(clock: TimeoutClock, isAbsolute: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Timeout(after: .seconds(3600), on: clock), tag: 0)
        try ring.submit()
        try ring.prepare(
            isAbsolute ? TimeoutUpdate(token, at: clock.now) : TimeoutUpdate(token, after: .milliseconds(1)), tag: 1)
        try expectFoundAndExpired(&ring) { completion in
            let outcome = try completion.take(token).result.get()
            #expect(outcome == .expired)
        }
    }

    @Test(arguments: TimeoutClock.allCases, [false, true]) func shortensALinkedTimeout(clock: TimeoutClock, isAbsolute: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let token = try ring.prepare(Poll(pipe.first, for: .input), tag: 0, timeout: .after(.seconds(3600), on: clock))
        try ring.submit()
        try ring.prepare(
            isAbsolute ? TimeoutUpdate(linkedTo: token, at: clock.now) : TimeoutUpdate(linkedTo: token, after: .milliseconds(1)), tag: 1)
        try expectFoundAndExpired(&ring) { completion in
            let completed = completion.take(token)
            #expect(completed.timedOut == true)
        }
    }

    private func expectFoundAndExpired(_ ring: inout Ring<Int>, _ expired: (consuming Completion<Int>) throws -> Void) throws {
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 0 {
                try expired(completion)
            } else {
                let outcome = try completion.take(TimeoutUpdate.self).result.get()
                #expect(outcome == .found)
            }
        }
        #expect(seen == [0, 1])
    }

    @Test func lengthensALinkedTimeout() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        // The first time is long enough for the update to come before it is up.
        let token = try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 0, timeout: .after(.milliseconds(500)))
        try ring.submit()
        let update = try ring.run(TimeoutUpdate(linkedTo: token, after: .seconds(3600)), tag: 1).result.get()
        #expect(update == .found)
        let later = try ring.run(Timeout(after: .milliseconds(600)), tag: 2).result.get()
        #expect(later == .expired)
        try ring.expectNoCompletion()
        try write(1, to: pipe.second)
        let completed = try ring.nextCompletionWaiting().take(token)
        #expect(completed.timedOut == false)
    }

    @Test func doesNotFindWhatIsNotThere() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let expired = try ring.prepare(Timeout(after: .zero), tag: 0)
        _ = try ring.nextCompletionWaiting()
        let gone = try ring.run(TimeoutUpdate(expired, after: .seconds(1))).result.get()
        #expect(gone == .notFound)
        let unlimited = try ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        try ring.submit()
        let outcome = try ring.run(TimeoutUpdate(linkedTo: unlimited, after: .zero)).result.get()
        #expect(outcome == .notFound)
        try ring.expectNoCompletion()
        let waiting = try ring.link { chain in
            try chain.prepare(Poll(pipe.first, for: .input), tag: 2)
            return try chain.prepare(Nop(), tag: 3, timeout: .after(.seconds(3600)))
        }
        try ring.submit()
        let early = try ring.run(TimeoutUpdate(linkedTo: waiting, after: .zero)).result.get()
        #expect(early == .notFound)
    }

    @Test func isDroppedWithItsRing() throws {
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Timeout(after: .seconds(3600)), tag: 0)
        try ring.submit()
        try ring.prepare(TimeoutUpdate(token, after: .seconds(7200)), tag: 1)
        try ring.submit()
        #expect(ring.inFlightCount == 2)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
    }
}

/// What the kernel forgets when it changes a time.
@Suite struct UpdatedTimeoutTests {
    @Test func ticksGoOnWithoutEnd() throws {
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(TimeoutMultishot(every: .seconds(3600), count: 2), tag: 0)
        try ring.submit()
        try ring.prepare(TimeoutUpdate(token, every: .milliseconds(1)), tag: 1)
        let found = try ring.nextCompletionWaiting().take(TimeoutUpdate.self).result.get()
        #expect(found == .found)
        for _ in 0..<4 {
            let outcome = try ring.nextCompletionWaiting().event(TimeoutMultishot.self).expectMore()
            #expect(outcome == .expired)
        }
        try ring.prepare(Cancel(token), tag: 2)
        var ended: Completed<TimeoutMultishot>?
        while ended == nil {
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == 2 { continue }
            if case .finished(let completed) = completion.event(TimeoutMultishot.self) { ended = consume completed }
        }
        guard let completed = ended.take() else { throw NoCompletion() }
        #expect(completed.ending == .cancelled)
        #expect(completed.operation.count == nil)
        #expect(completed.operation.interval == .seconds(3600))
    }

    @Test func noCompletionsEndATimeout() throws {
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Timeout(after: .seconds(3600), orCompletions: 2), tag: 0)
        try ring.submit()
        try ring.prepare(TimeoutUpdate(token, after: .seconds(7200)), tag: 1)
        for tag in 2..<6 { try ring.prepare(Nop(), tag: tag) }
        for expected in 1..<6 {
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == expected)
        }
        try ring.expectNoCompletion()
        #expect(ring.inFlightCount == 1)
    }
}

@Suite struct TimeoutMultishotTests {
    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: TimeoutMultishot(every: .milliseconds(1500))) { entry, _, time in
            unsafe reference_prep_timeout(entry, time, 0, 64)
            #expect(unsafe time.pointee.timespec.seconds == 1)
            #expect(unsafe time.pointee.timespec.nanoseconds == 500_000_000)
        }
        unsafe expectEncoding(of: TimeoutMultishot(every: .seconds(1), on: .bootTime, count: 7)) { entry, _, time in
            unsafe reference_prep_timeout(entry, time, 7, 64 | 4)
        }
    }

    @Test(arguments: TimeoutClock.allCases) func ticksSoManyTimes(clock: TimeoutClock) throws {
        var ring = try Ring<Int>(entries: 8)
        let start = monotonicTime()
        try ring.prepare(TimeoutMultishot(every: .milliseconds(5), on: clock, count: 3), tag: 0)
        for _ in 0..<2 {
            let outcome = try ring.nextCompletionWaiting().event(TimeoutMultishot.self).expectMore()
            #expect(outcome == .expired)
        }
        let completed = try ring.nextCompletionWaiting().event(TimeoutMultishot.self).expectFinished()
        #expect(try completed.result.get() == .expired)
        #expect(completed.ending == .endOfStream)
        #expect(completed.operation.count == 0)
        #expect(monotonicTime() - start >= .milliseconds(15))
        try ring.expectNoCompletion()
    }

    @Test func ticksUntilItIsRemoved() throws {
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(TimeoutMultishot(every: .milliseconds(1)), tag: 0)
        for _ in 0..<5 { _ = try ring.nextCompletionWaiting().event(TimeoutMultishot.self).expectMore() }
        let update = try ring.prepare(TimeoutUpdate(token, every: .seconds(3600)), tag: 1)
        var isUpdated = false
        while !isUpdated {
            let completion = try ring.nextCompletionWaiting()
            isUpdated = completion.tag == 1
            if isUpdated { #expect(try completion.take(update).result.get() == .found) }
        }
        try ring.expectNoCompletion()
        try ring.prepare(Cancel(token), tag: 2)
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 0 {
                let completed = try completion.event(TimeoutMultishot.self).expectFinished()
                #expect(completed.ending == .cancelled)
                #expect(completed.operation.count == nil)
            }
        }
        #expect(seen == [0, 2])
    }

    @Test func goesOnWithTheRestWhenTheQueueWasFull() throws {
        var options = RingOptions()
        options.completionQueueEntries = 2
        var ring = try Ring<Int>(entries: 2, options: options)
        try ring.prepare(TimeoutMultishot(every: .milliseconds(1), count: 6), tag: 0)
        var (ticks, rounds) = (0, 0)
        while ticks < 6 {
            rounds += 1
            // Nothing is looked at before the queue has been full: the third tick ends it.
            let end = monotonicTime() + .seconds(20)
            try ring.submit()
            while ticks == 0 && ring.core.submissions.flags & CURING_SQ_CQ_OVERFLOW == 0 && monotonicTime() < end {
                try ring.processPending()
            }
            var isOver = false
            while !isOver {
                let completion = try ring.nextCompletionWaiting()
                ticks += 1
                switch completion.event(TimeoutMultishot.self) {
                case .more: break
                case .finished(let completed):
                    isOver = true
                    #expect(completed.ending == (ticks < 6 ? .completionQueueFull : .endOfStream))
                    #expect(completed.operation.count == UInt32(6 - ticks))
                    if ticks < 6 { try ring.prepare(completed.operation, tag: 0) }
                }
            }
        }
        #expect(ticks == 6)
        #expect(rounds >= 2)
    }

    @Test func isDroppedWithItsRing() throws {
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(TimeoutMultishot(every: .milliseconds(1)), tag: 0)
        _ = try ring.nextCompletionWaiting()
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
    }

    @Test func trapsWithoutTicks() async {
        expectSentence(
            "A timeout ticks once at least, and fewer than 2^32 times.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = TimeoutMultishot(every: .seconds(1), count: 0)
            })
        expectSentence(
            "All the ticks of this timeout have come; set its count before it is prepared again.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var timeout = TimeoutMultishot(every: .seconds(1), count: 1)
                timeout.count = 0
                try ring.prepare(timeout, tag: 0)
            })
    }
}
