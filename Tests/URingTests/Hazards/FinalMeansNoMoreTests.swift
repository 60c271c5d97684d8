// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage
import Testing

@testable import URing

/// M4: an operation ends with the completion that has no `F_MORE`, whatever its result is.
@Suite struct FinalMeansNoMoreTests {
    @Test func aFullQueueEndsAMultishotWithASuccess() throws {
        let counter = try EventCounter()
        var options = RingOptions.recommended
        options.completionQueueEntries = 2
        var ring = try Ring<Int>(entries: 2, options: options)
        try #require(ring.completionQueueEntries == 2)
        try ring.prepare(PollMultishot(counter, for: .input), tag: 1)
        try ring.submit()
        // Each event is posted before the next one happens, and none is taken: the third finds the queue full.
        for _ in 0..<3 {
            try counter.add()
            try ring.processPending()
        }
        for _ in 0..<2 {
            guard case .more(let result) = try ring.nextCompletionWaiting().event(PollMultishot.self) else {
                Issue.record("the poll ended early")
                return
            }
            #expect(try result.get() == .input)
        }
        #expect(ring.inFlightCount == 1)
        guard case .finished(let completed) = try ring.nextCompletionWaiting().event(PollMultishot.self) else {
            Issue.record("the poll goes on, although the queue was full")
            return
        }
        #expect(completed.ending == .rearm)
        #expect(try completed.result.get() == .input)
        #expect(ring.overflowCount > 0)
        #expect(ring.inFlightCount == 0)
        // Prepared again it goes on, and sees what is there.
        try ring.prepare(completed.operation, tag: 2)
        guard case .more(let result) = try ring.nextCompletionWaiting().event(PollMultishot.self) else {
            Issue.record("the poll ended")
            return
        }
        #expect(try result.get() == .input)
    }

    @Test func aFailureWithMoreToComeIsNotTheEnd() throws {
        // A zero-copy send that fails still announces a notification, which comes and is the end.
        var ring = try Ring<Int>(entries: 8)
        weak var watched: Watched?
        do {
            let owner = Watched()
            watched = owner
            var send = RawEntry(.sendZeroCopy)
            send.fileDescriptor = -1
            // SAFETY: the entry points to nothing: no bytes are to be sent.
            try ring.prepare(unsafe RawMultishot(send, owning: owner), tag: 1)
        }
        let first = try ring.nextCompletionWaiting()
        #expect(first.entry.errno == .badFileDescriptor)
        guard case .more = first.event(RawMultishot<Watched>.self) else {
            Issue.record("the failure was taken for the end")
            return
        }
        #expect(watched != nil)
        #expect(ring.inFlightCount == 1)
        let last = try ring.nextCompletionWaiting()
        #expect(last.entry.flags.contains(.notification))
        guard case .finished = last.event(RawMultishot<Watched>.self) else {
            Issue.record("the notification was not taken for the end")
            return
        }
        #expect(ring.inFlightCount == 0)
        #expect(watched == nil)
    }
}

/// Something whose end can be seen.
private final class Watched {}
