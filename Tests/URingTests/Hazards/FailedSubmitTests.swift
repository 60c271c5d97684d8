// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

/// Row M1: an entry that became visible before a submission failed runs with the next one, so its memory must still be there.
@Suite struct M1FailedSubmitTests {
    /// What submitting throws, if it throws.
    private func failure(of ring: inout Ring<Int>) -> Errno? {
        do throws(Errno) {
            try ring.submit()
            return nil
        } catch {
            return error
        }
    }

    @Test func anOperationRunsOnceAfterASubmitThatFailed() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe(isNonBlocking: true)
        let ledger = Ledger()
        try ring.prepare(Write(pipe.second, from: CountedMemory(ledger, byteCapacity: 1, filledWith: 7)), tag: 3)
        var error: Errno?
        onAnotherThread { error = failure(of: &ring) }
        #expect(error == .fileExists)
        #expect(ledger.aliveCount == 1 && ring.inFlightCount == 1)
        let submission = try ring.submit(waitingFor: 1)
        #expect(submission.submitted == 1)
        let completion = try ring.nextCompletionWaiting()
        #expect(completion.tag == 3)
        let written = completion.take(Write<CountedMemory>.self)
        #expect(written.result == .success(1))
        let again = try ring.submit()
        #expect(again.submitted == 0 && ring.inFlightCount == 0)
        let another = ring.nextCompletion() == nil
        #expect(another)
        let read = try ring.run(Read(pipe.first, into: Buffer(byteCapacity: 8)))
        #expect(read.operation.memory.copyBytes() == [7])
    }

    @Test func aFailedSubmitKeepsAWholeBatch() throws {
        var ring = try Ring<Int>(entries: 64)
        let ledger = Ledger()
        for tag in 0..<64 { try ring.prepare(BoxedNop(ledger.life()), tag: tag) }
        var error: Errno?
        onAnotherThread { error = failure(of: &ring) }
        #expect(error == .fileExists && ledger.aliveCount == 64)
        var tags: Set<Int> = []
        for _ in 0..<64 {
            let completion = try ring.nextCompletionWaiting()
            #expect(tags.insert(completion.tag).inserted)
        }
        #expect(ledger.isSettled && ring.inFlightCount == 0)
    }

    @Test func aDisabledRingSubmitsOnceItIsEnabled() throws {
        var options = RingOptions.recommended
        options.flags.insert(.startsDisabled)
        var ring = try Ring<Int>(entries: 8, options: options)
        let ledger = Ledger()
        try ring.prepare(InlineNop(ledger.life()), tag: 4)
        #expect(failure(of: &ring) == Errno(rawValue: EBADFD))
        #expect(ledger.aliveCount == 1)
        try ring.enable()
        let completion = try ring.nextCompletionWaiting()
        #expect(completion.tag == 4)
        #expect(completion.take(InlineNop.self).result == .success(0))
        #expect(ledger.isSettled)
        #expect(throws: Errno(rawValue: EBADFD)) { try ring.enable() }
    }

    @Test func droppingTheRingAfterAFailedSubmitReleasesEverything() throws {
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 64)), tag: 0)
            var error: Errno?
            onAnotherThread { error = failure(of: &ring) }
            #expect(error == .fileExists)
            #expect(ledger.aliveCount == 1 && pipe.first.isHeld)
        }
        #expect(ledger.isSettled && !pipe.first.isHeld)
    }

    @Test func whatNeverReachedTheKernelIsReleasedAtOnce() throws {
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        var options = RingOptions.recommended
        options.flags.insert(.startsDisabled)
        var ring = try Ring<Int>(entries: 8, options: options)
        try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 64)), tag: 0)
        #expect(failure(of: &ring) == Errno(rawValue: EBADFD))
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(ledger.isSettled && !pipe.first.isHeld)
    }

    @Test func whatWasOnlyPreparedNeverRuns() throws {
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe(isNonBlocking: true)
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Write(pipe.second, from: CountedMemory(ledger, byteCapacity: 1, filledWith: 7)), tag: 0)
        }
        #expect(ledger.isSettled && !pipe.second.isHeld)
        var ring = try Ring<Int>(entries: 8)
        let read = try ring.run(Read(pipe.first, into: Buffer(byteCapacity: 8), flags: .noWait))
        #expect(read.entry.errno == .resourceTemporarilyUnavailable)
    }
}
