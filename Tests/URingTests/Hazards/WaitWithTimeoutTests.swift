// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// P4: a wait with a timeout waits once, and tells what was submitted apart from how the wait ended.
@Suite struct WaitWithTimeoutTests {
    @Test(arguments: [false, true]) func submitsAndWaitsOnce(isPolledByKernel: Bool) throws {
        var options = RingOptions.recommended
        if isPolledByKernel {
            options = RingOptions()
            options.submissionPolling = .init()
        }
        var ring = try Ring<Int>(entries: 8, options: options)
        let pipe = try DescriptorPair.pipe()
        let wait = Duration.milliseconds(200)
        // A busy machine may wake the thread late, but not every time; waiting twice takes twice as long each time.
        var shortest = Duration.seconds(3600)
        var attempt = 0
        while attempt < 10 && shortest >= wait * 2 {
            attempt += 1
            try ring.prepare(Poll(pipe.first, for: .input), tag: attempt)
            let start = monotonicTime()
            let result = try ring.submit(waitingFor: 1, timeout: wait)
            let elapsed = monotonicTime() - start
            #expect(result == SubmitResult(submitted: 1, timedOut: true))
            #expect(elapsed >= wait)
            shortest = min(shortest, elapsed)
        }
        #expect(shortest < wait * 2)
        #expect(ring.inFlightCount == attempt)
    }

    @Test func waitsAgainWithNothingToSubmit() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        let first = try ring.submit(waitingFor: 1, timeout: .milliseconds(10))
        #expect(first == SubmitResult(submitted: 1, timedOut: true))
        let second = try ring.submit(waitingFor: 1, timeout: .milliseconds(10))
        #expect(second == SubmitResult(submitted: 0, timedOut: true))
        try write(1, to: pipe.second)
        let third = try ring.submit(waitingFor: 1, timeout: .seconds(60))
        #expect(third == SubmitResult(submitted: 0))
        let events = try ring.nextCompletionWaiting().take(Poll.self).result.get()
        #expect(events == .input)
    }

    @Test func aCompletionOfTwoWantedIsKeptWhenTheTimeIsUp() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        try ring.prepare(Nop(), tag: 2)
        let result = try ring.submit(waitingFor: 2, timeout: .milliseconds(10))
        #expect(result == SubmitResult(submitted: 2, timedOut: true))
        #expect(ring.readyCount == 1)
        let again = try ring.submit(waitingFor: 2, timeout: .milliseconds(10))
        #expect(again == SubmitResult(submitted: 0, timedOut: true))
        let tag = try ring.nextCompletionWaiting().tag
        #expect(tag == 2)
    }
}
