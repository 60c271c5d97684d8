// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct EventCounterTests {
    @Test func countsUntilItIsTaken() throws {
        let counter = try EventCounter(5)
        try counter.add()
        try counter.add(10)
        var taken = counter.take()
        #expect(taken == 16)
        taken = counter.take()
        #expect(taken == 0)
        try counter.add(.max - 1)
        #expect(throws: Errno.resourceTemporarilyUnavailable) { try counter.add() }
        #expect(throws: Errno.invalidArgument) { try counter.add(.max) }
        taken = counter.take()
        #expect(taken == UInt64.max - 1)
    }

    @Test func doesNotBlockAndIsNotInherited() throws {
        let counter = try EventCounter()
        let isAsSaid = counter.descriptor.isNonBlocking && counter.descriptor.isCloseOnExec
        #expect(isAsSaid)
    }

    /// Whether a ring's write to an eventfd is done by a worker thread.
    private func writingTakesAWorker(_ counter: borrowing some FileResource & ~Copyable) throws -> Bool {
        var ring = try Ring<Int>(entries: 8)
        let written = try ring.run(Write(counter, from: Buffer(copying: [1, 0, 0, 0, 0, 0, 0, 0])))
        #expect(written.result == .success(8))
        return !threads(named: "iou-wrk-\(test_thread_number())").isEmpty
    }

    // On a thread of its own, because workers stay for a while, and are the thread's.
    @Test func trap16WritingToACounterTakesNoWorker() {
        onAnotherThread {
            do {
                #expect(try !writingTakesAWorker(EventCounter()))
                let blocking = try EventCounter()
                #expect(fcntl(blocking.descriptor.number, F_SETFL, 0) == 0)
                #expect(try writingTakesAWorker(blocking))
            } catch {
                Issue.record(error)
            }
        }
    }

    @Test func wakesAPollThatHoldsIt() throws {
        var ring = try Ring<Int>(entries: 8)
        do {
            let counter = try EventCounter()
            try ring.prepare(Poll(counter, for: .input), tag: 1)
            try ring.submit()
            try ring.expectNoCompletion()
            expectHeld(counter.descriptor)
            try counter.add()
        }
        #expect(try ring.nextCompletionWaiting().take(Poll.self).result.get() == .input)
    }

    @Test func saysThatThereAreTooManyDescriptors() async {
        await #expect(processExitsWith: .success) {
            _ = try withDescriptorLimit(0) {
                #expect(throws: Errno.tooManyOpenFiles) { _ = try EventCounter() }
            }
        }
    }
}
