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

    /// Swift drops what is in scope when the child's part of a function ends.
    @Test(arguments: ["recommended", "plain", "kept"]) func whatAChildDropsStaysTheParents(kind: String) async {
        await #expect(processExitsWith: .success) { [kind] in
            var options = kind == "recommended" ? RingOptions.recommended : RingOptions()
            options.isKeptOnFork = kind == "kept"
            try dropInChild(options)
        }
    }

    /// What it sends is the number of a file of its own, which may be another file in the parent.
    @Test func aChildSendsItsParentNoDescriptor() async {
        await #expect(processExitsWith: .success) {
            var ring = try Ring<Int>(entries: 8)
            let handle = try ring.makeHandle(messageTag: 1)
            let child = test_fork()
            if child == 0 {
                alarm(20)
                let pair = try DescriptorPair.pipe()
                var error: Errno?
                do throws(Errno) { try handle.send(pair.first.transfer()) } catch let caught { error = caught }
                _exit(error == .ringGone ? 0 : 1)
            }
            try #require(test_wait_for_child(child) == 0)
            try ring.expectNoCompletion()
        }
    }
}

private func dropInChild(_ options: RingOptions) throws {
    var ring = try Ring<Int>(entries: 8, options: options)
    let table = try ring.makeFileTable(count: 4, allocating: 2..<4)
    let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 64)
    let pool = try ring.makeBufferRing(count: 4, byteCount: 16)
    let pipe = try DescriptorPair.pipe()
    guard var slice = buffers.take(), let slot = table.slot(0) else { throw Errno.noMemory }
    slice.append(copying: [7])
    let file = try table.register(pipe.second, in: slot)
    for tag in 0..<3 { try ring.prepare(Nop(), tag: tag) }
    try ring.prepare(ReadProvided(pipe.first, into: pool), tag: 3)
    try ring.submit(waitingFor: 3)
    let child = test_fork()
    if child == 0 {
        alarm(20)
        drop(ring, table, buffers, pool, file, slice)
        _exit(0)
    }
    try #require(test_wait_for_child(child) == 0)
    // All is there.
    try ring.prepare(Write(file, from: slice), tag: 4)
    var results: [Int: Int32] = [:]
    while results.count < 5 {
        let completion = try ring.nextCompletionWaiting()
        results[completion.tag] = completion.entry.result
    }
    let leftovers = ring.close()
    try #require(results == [0: 0, 1: 0, 2: 0, 3: 1, 4: 1] && leftovers.isEmpty)
}

private func drop(
    _ ring: consuming Ring<Int>, _ table: consuming FileTable, _ buffers: consuming RegisteredBuffers, _ pool: consuming BufferRing,
    _ file: consuming DirectDescriptor, _ slice: consuming RegisteredSlice
) {}
