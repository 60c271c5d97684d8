// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import SystemPackage
import Testing

@testable import URing

/// Row M14: a child that is forked with a live ring must not be able to move the parent's indexes.
@Suite struct M14ForkTests {
    @Test func aChildHasNoneOfTheRingsMemory() throws {
        var ring = try Ring<Int>(entries: 8)
        #expect(unsafe test_child_maps(ring.core.submissions.head) == 0)
        #expect(unsafe test_child_maps(ring.core.submissions.entries) == 0)
        #expect(unsafe test_child_maps(ring.core.completions.tail) == 0)
        let completed = try ring.run(Nop())
        #expect(completed.result == .success(0))
    }

    @Test func aChildInheritsTheMemoryWhenAskedFor() throws {
        var options = RingOptions.recommended
        options.isKeptOnFork = true
        let ring = try Ring<Int>(entries: 8, options: options)
        #expect(unsafe test_child_maps(ring.core.submissions.head) == 1)
        #expect(unsafe test_child_maps(ring.core.submissions.entries) == 1)
    }

    @Test func aChildThatSubmitsLeavesTheParentUnharmed() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        try ring.prepare(BoxedNop(ledger.life()), tag: 1)
        #expect(test_child_submits(ring.descriptor.fileDescriptor.rawValue) == -Errno.fileExists.rawValue)
        try ring.prepare(BoxedNop(ledger.life()), tag: 2)
        var tags: [Int] = []
        for _ in 0..<2 { tags.append(try ring.nextCompletionWaiting().tag) }
        #expect(tags == [1, 2] && ring.inFlightCount == 0 && ledger.isSettled)
    }
}
