// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct CloseCancellingTests {
    /// What the kernel does when a number is closed under a pending operation: nothing.
    @Test func aRawCloseEndsNothing() throws {
        var ring = try Ring<Int>(entries: 8)
        var pipe = try DescriptorPair.pipe()
        let writer = try replaceSecond(of: &pipe)
        let number = pipe.first.relinquish()
        let token = try ring.prepare(Poll(UnownedDescriptor(number), for: .input), tag: 0)
        try ring.submit()
        try number.close()
        try ring.expectNoCompletion()
        // The file is still open, so the writer does not notice anything either.
        expectReader(of: writer, exists: true)
        let outcome = try ring.cancel(token)
        #expect(outcome == .found)
        let poll = try ring.nextCompletionWaiting().take(Poll.self)
        #expect(poll.entry.errno == .canceled)
        expectReader(of: writer, exists: false)
    }

    private func replaceSecond(of pair: inout DescriptorPair) throws -> Descriptor {
        try unsafe Descriptor(adopting: pair.second.unowned.fileDescriptor.duplicate())
    }

    /// The kernel does neither of the two there.
    @Test func aRingThatCannotCloseLeavesTheDescriptorToTheDrop() throws {
        var ring = try Ring<Int>(entries: 8, options: RingOptions(.ioPolling))
        let pipe = try DescriptorPair.pipe()
        let token = try ring.close(cancelling: pipe.second, tag: 0)
        let completed = try ring.nextCompletionWaiting().take(token)
        #expect(completed.entry.errno == .invalidArgument || completed.entry.errno == .canceled)
        expectWriter(of: pipe.first, exists: true)
        _ = consume completed
        expectWriter(of: pipe.first, exists: false)
    }

    @Test func theEntriesAreACancellationHardLinkedToAClose() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let number = pipe.first.unowned.fileDescriptor.rawValue
        let token = try ring.close(cancelling: pipe.first, tag: 0)
        let expected = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 8)
        defer { unsafe expected.deallocate() }
        unsafe expected.initializeMemory(as: UInt8.self, repeating: 0, count: 128)
        unsafe reference_prep_cancel_fd(expected, number, 1)
        unsafe expected.storeBytes(of: CURING_SQE_IO_HARDLINK, toByteOffset: 1, as: UInt8.self)
        unsafe expected.storeBytes(of: 2, toByteOffset: 32, as: UInt64.self)
        unsafe reference_prep_close(expected + 64, number)
        unsafe expected.storeBytes(of: AnyToken(token).userData, toByteOffset: 96, as: UInt64.self)
        let actual = unsafe [UInt8](UnsafeRawBufferPointer(start: ring.core.submissions.entry(at: 0), count: 128))
        let prepared = unsafe [UInt8](UnsafeRawBufferPointer(start: expected, count: 128))
        #expect(actual == prepared)
        #expect(ring.inFlightCount == 1)
        _ = pipe.second
    }

    @Test(arguments: RingKind.allCases) func whatNobodyHoldsIsClosedAtOnce(kind: RingKind) throws {
        try withRing(kind) { ring in
            let pipe = try DescriptorPair.pipe()
            for tag in 0..<3 { try ring.prepare(Poll(pipe.first.unowned, for: .input), tag: tag) }
            try ring.submit()
            let token = try ring.close(cancelling: pipe.first, tag: 9)
            try ring.submit()
            var seen: Set<Int> = []
            for _ in 0..<4 {
                let completion = try ring.nextCompletionWaiting()
                seen.insert(completion.tag)
                if completion.tag == 9 {
                    #expect(try completion.take(token).result.get() == .closed)
                } else {
                    #expect(completion.take(Poll.self).entry.errno == .canceled)
                }
            }
            #expect(seen == [0, 1, 2, 9])
            expectReader(of: pipe.second, exists: false)
            #expect(ring.inFlightCount == 0 && ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
        }
    }

    @Test func whatOperationsHoldIsClosedWhenTheyHaveBeenTaken() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        for tag in 0..<2 { try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 8)), tag: tag) }
        try ring.submit()
        let token = try ring.close(cancelling: pipe.first, tag: 9)
        try ring.submit()
        var seen: Set<Int> = []
        for _ in 0..<3 {
            expectReader(of: pipe.second, exists: true)
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 9 {
                #expect(try completion.take(token).result.get() == .deferred)
            } else {
                #expect(completion.take(Read<CountedMemory>.self).entry.errno == .canceled)
            }
        }
        #expect(seen == [0, 1, 9])
        expectReader(of: pipe.second, exists: false)
        #expect(ledger.isSettled)
    }

    @Test func aSlotIsEmptiedWhenWhatWasPendingOnItHasEnded() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4, allocating: 0..<0)
        let pipe = try DescriptorPair.pipe()
        let number = pipe.first.unowned.fileDescriptor.rawValue
        let direct = try table.register(pipe.first, in: table.freeSlot(1))
        // Through the number the slot is not held, so it is closed at once.
        try ring.prepare(Poll(pipe.first.unowned, for: .input), tag: 0)
        try ring.submit()
        let token = try ring.close(cancelling: direct, tag: 9)
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 9 {
                #expect(try completion.take(token).result.get() == .closed)
            } else {
                #expect(completion.take(Poll.self).entry.errno == .canceled)
            }
        }
        #expect(seen == [0, 9])
        #expect(table.usedCount == 0)
        expectReader(of: pipe.second, exists: true)
        #expect(number == pipe.first.unowned.fileDescriptor.rawValue)
    }

    @Test func aPeerSeesTheEndOfTheConnection() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        try ring.prepare(Receive(pair.server, into: Buffer(byteCapacity: 8)), tag: 0)
        try ring.submit()
        try ring.close(cancelling: pair.server, tag: 1)
        for _ in 0..<2 { _ = try ring.nextCompletionWaiting() }
        #expect(pair.client.receiveBounded() == [])
    }

    @Test(arguments: [false, true]) func droppingTheRingClosesTheDescriptor(isSubmitted: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Poll(pipe.first, for: .input), tag: 0)
        try ring.close(cancelling: pipe.first, tag: 1)
        if isSubmitted { try ring.submit() }
        #expect(ring.inFlightCount == 2)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        expectReader(of: pipe.second, exists: false)
    }
}
