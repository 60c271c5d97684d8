// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Foundation
import SystemPackage
import Testing

@testable import URing

/// Row M14: a child that is forked with a live ring must not be able to move the parent's indexes.
@Suite struct M14ForkTests {
    @Test func aChildHasNoneOfTheRingsMemory() throws {
        var ring = try Ring<Int>(entries: 8)
        #expect(unsafe test_child_maps(ring.core.submissions.head) == 0)
        #expect(unsafe test_child_maps(ring.core.submissions.start) == 0)
        #expect(unsafe test_child_maps(ring.core.completions.tail) == 0)
        let completed = try ring.run(Nop())
        #expect(completed.result == .success(0))
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()]) func theMappingsAreMarkedNotToBeCopied(options: RingOptions) throws {
        let ring = try Ring<Int>(entries: 8, options: options)
        #expect(try unsafe isCopiedOnFork(UInt(bitPattern: ring.core.submissions.head)) == false)
        #expect(try unsafe isCopiedOnFork(UInt(bitPattern: ring.core.submissions.start)) == false)
        #expect(try unsafe isCopiedOnFork(UInt(bitPattern: ring.core.completions.tail)) == false)
        #expect(try unsafe isCopiedOnFork(UInt(bitPattern: ring.core.completions.start)) == false)
        var kept = options
        kept.isKeptOnFork = true
        let inherited = try Ring<Int>(entries: 8, options: kept)
        #expect(try unsafe isCopiedOnFork(UInt(bitPattern: inherited.core.submissions.head)) == true)
        #expect(try unsafe isCopiedOnFork(UInt(bitPattern: inherited.core.submissions.start)) == true)
    }

    /// Whether a child gets the mapping that an address is in, by its `VmFlags`; nil if there is no mapping.
    private func isCopiedOnFork(_ address: UInt) throws -> Bool? {
        // Foundation reads only the beginning of a file that says it is empty.
        let file = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
        let lines = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self).split(separator: "\n")
        var isInside = false
        for line in lines {
            let words = line.split(separator: " ")
            let bounds = (words.first ?? "").split(separator: "-").compactMap { UInt($0, radix: 16) }
            if bounds.count == 2 { isInside = bounds[0] <= address && address < bounds[1] }
            if isInside && words.first == "VmFlags:" { return !words.contains("dc") }
        }
        return nil
    }

    @Test func aChildInheritsTheMemoryWhenAskedFor() throws {
        var options = RingOptions.recommended
        options.isKeptOnFork = true
        let ring = try Ring<Int>(entries: 8, options: options)
        #expect(unsafe test_child_maps(ring.core.submissions.head) == 1)
        #expect(unsafe test_child_maps(ring.core.submissions.start) == 1)
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
