// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// P3: a wait counts what is ready already, and never is for more than can be ready at once.
@Suite struct WaitCountTests {
    @Test func aWaitForMoreThanTheQueueHoldsEndsWhenItIsFull() throws {
        var options = RingOptions.recommended
        options.completionQueueEntries = 2
        var ring = try Ring<Int>(entries: 2, options: options)
        let counter = try EventCounter()
        for tag in 0..<6 { try ring.prepare(Poll(counter, for: .input), tag: tag) }
        try ring.submit()
        try ring.expectNoCompletion()
        try counter.add()
        for wanted in [3, 1000, Int.max] {
            let result = try ring.submit(waitingFor: wanted, timeout: .seconds(20))
            #expect(result == SubmitResult(submitted: 0) && ring.readyCount == 2)
            for _ in 0..<2 { _ = try ring.nextCompletionWaiting() }
        }
        #expect(ring.inFlightCount == 0)
        try ring.prepare(Nop(), tag: 6)
        try ring.prepare(Nop(), tag: 7)
        let result = try ring.submit(waitingFor: Int.max)
        #expect(result == SubmitResult(submitted: 2) && ring.readyCount == 2)
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func aWaitForMoreThanIsReadyGoesOnAndCountsThem(options: RingOptions) throws {
        var ring = try Ring<Int>(entries: 8, options: options)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 1)), tag: 0)
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 1)), tag: 1)
        for tag in 2..<4 { try ring.prepare(Nop(), tag: tag) }
        try ring.submit(waitingFor: 2)
        #expect(ring.readyCount == 2)
        let early = try ring.submit(waitingFor: 3, timeout: .milliseconds(10))
        #expect(early == SubmitResult(submitted: 0, timedOut: true))
        #expect(ring.readyCount == 2)
        try write(1, to: pipe.second)
        // The third is enough: the two that are ready count.
        let third = try ring.submit(waitingFor: 3, timeout: .seconds(20))
        #expect(third == SubmitResult(submitted: 0) && ring.readyCount == 3)
        // And so they do together with a submission.
        try write(1, to: pipe.second)
        try ring.prepare(Nop(), tag: 4)
        let all = try ring.submit(waitingFor: 5, timeout: .seconds(20))
        #expect(all == SubmitResult(submitted: 1) && ring.readyCount == 5)
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func aPlainWaitCountsWhatIsReady(options: RingOptions) throws {
        var ring = try Ring<Int>(entries: 8, options: options)
        let pipe = try DescriptorPair.pipe()
        for tag in 0..<2 { try ring.prepare(Nop(), tag: tag) }
        try ring.submit(waitingFor: 2)
        #expect(ring.readyCount == 2)
        // The byte is there before the read is submitted, so that three is all that there can be: a wait for more would never end.
        try write(1, to: pipe.second)
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 1)), tag: 2)
        let result = try ring.submit(waitingFor: 3)
        #expect(result == SubmitResult(submitted: 1) && ring.readyCount == 3)
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func aWaitForMoreThanIsInFlightEndsWithTheTime(options: RingOptions) throws {
        var ring = try Ring<Int>(entries: 8, options: options)
        let pipe = try DescriptorPair.pipe()
        let nothing = try ring.submit(waitingFor: 1, timeout: .milliseconds(10))
        #expect(nothing == SubmitResult(submitted: 0, timedOut: true))
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 7)
        try ring.submit()
        try write(1, to: pipe.second)
        let result = try ring.submit(waitingFor: 5, timeout: .milliseconds(10))
        #expect(result == SubmitResult(submitted: 0, timedOut: true))
        #expect(ring.readyCount == 1)
        let tag = try ring.nextCompletionWaiting().tag
        #expect(tag == 7)
    }
}
