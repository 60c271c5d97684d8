// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

@Suite struct RegisteredBuffersCloneTests {
    /// Reads one byte from a pipe into a slice, through a ring that must have the slice's buffer registered.
    private func readByte(
        _ byte: UInt8, through ring: inout Ring<Int>, into slice: consuming RegisteredSlice
    ) throws -> RegisteredSlice {
        let pair = try DescriptorPair.pipe()
        try write(byte, to: pair.second)
        let read = try ring.run(Read(pair.first, into: slice))
        #expect(try read.result.get() == 1)
        #expect(read.operation.memory.copyBytes() == [byte])
        return read.operation.memory
    }

    @Test func aBufferThatIsTakenFromOneTableIsTakenFromBoth() throws {
        var ring = try Ring<Int>(entries: 8)
        var other = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 3, byteCount: 4096, slotCount: 5)
        let clones = try other.makeRegisteredBuffers(cloning: buffers)
        #expect(clones.slotCount == 5 && clones.count == 3 && clones.freeCount == 3)
        let first = try buffers.expectBuffer(slot: 1)
        #expect(clones.freeCount == 2)
        clones.expectNoBuffer(slot: 1)
        let second = try clones.expectBuffer()
        let third = try buffers.expectBuffer()
        #expect(buffers.freeCount == 0 && clones.freeCount == 0)
        drop(first)
        #expect(buffers.freeCount == 1 && clones.freeCount == 1)
        drop(try clones.expectBuffer(slot: 1))
        drop(second)
        drop(third)
        #expect(buffers.freeCount == 3 && clones.freeCount == 3)
    }

    @Test func aSliceIsReadIntoThroughEitherRing() throws {
        var ring = try Ring<Int>(entries: 8)
        var other = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 3, byteCount: 4096)
        let slice = try buffers.expectBuffer(slot: 2)
        // It is out while it is cloned.
        let clones = try other.makeRegisteredBuffers(cloning: buffers, slots: 1..<3, toSlot: 5)
        #expect(clones.slotCount == 7 && clones.count == 2 && clones.freeCount == 1)
        #expect(slice.registeredIndex(on: RingIdentity(ring.core.table.identity)) == 2)
        #expect(slice.registeredIndex(on: RingIdentity(other.core.table.identity)) == 6)
        let once = try readByte(1, through: &ring, into: slice)
        drop(try readByte(2, through: &other, into: once))
        let first = try readByte(3, through: &ring, into: try clones.expectBuffer(slot: 5))
        #expect(first.registeredIndex(on: RingIdentity(ring.core.table.identity)) == 1)
        #expect(clones.freeCount == 1 && buffers.freeCount == 2)
    }

    @Test func slotsAreClonedIntoATableThatIsThere() throws {
        var ring = try Ring<Int>(entries: 8)
        var other = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 3, byteCount: 4096, slotCount: 4)
        let clones = try other.makeRegisteredBuffers(count: 4, byteCount: 64, tracksRelease: true)
        let kept = try clones.expectBuffer(slot: 1)
        // Slot 1 gets a buffer in the place of one that is out, slot 2 becomes empty as slot 3 there is, and the others stay.
        try clones.clone(slots: 2..<4, of: buffers, toSlot: 1)
        #expect(clones.count == 3 && clones.freeCount == 3)
        #expect(clones.byteCount(ofSlot: 0) == 64 && clones.byteCount(ofSlot: 1) == 4096 && clones.byteCount(ofSlot: 3) == 64)
        #expect(clones.byteCount(ofSlot: 2) == nil)
        try other.expectNoCompletion()
        #expect(clones.unreleasedCount == 0 && other.foreignCompletionCount == 0)
        #expect(kept.byteCapacity == 64)
        drop(try readByte(4, through: &other, into: try clones.expectBuffer(slot: 1)))
        drop(try readByte(5, through: &other, into: try clones.expectBuffer(slot: 0)))
        // The clone was not registered with a tag, so that nothing is reported when it leaves.
        try clones.unregister(slot: 1)
        #expect(clones.unreleasedCount == 0)
        #expect(buffers.count == 3 && buffers.freeCount == 3)
    }

    @Test func theTableThatWasClonedMayGoFirst() throws {
        var ring = try Ring<Int>(entries: 8)
        var other = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
        let clones = try other.makeRegisteredBuffers(cloning: buffers)
        drop(buffers)
        // It is not registered there any more.
        let next = try ring.makeRegisteredBuffers(count: 1, byteCount: 64)
        #expect(next.count == 1 && clones.count == 2 && clones.freeCount == 2)
        let slice = try readByte(1, through: &other, into: try clones.expectBuffer())
        ring.close()
        drop(try readByte(2, through: &other, into: slice))
        #expect(clones.freeCount == 2)
    }

    @Test func theCloneMayGoFirst() throws {
        var ring = try Ring<Int>(entries: 8)
        var other = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
        let clones = try other.makeRegisteredBuffers(cloning: buffers)
        let slice = try clones.expectBuffer(slot: 0)
        drop(clones)
        // The slice may be used on the other ring still, so that the clone stays registered there.
        let error = #expect(throws: BufferRegistrationError.self) { _ = try other.makeRegisteredBuffers(slotCount: 1) }
        #expect(error?.cause == .alreadyRegistered)
        drop(try readByte(1, through: &other, into: slice))
        let next = try other.makeRegisteredBuffers(slotCount: 1)
        #expect(next.count == 0)
        other.close()
        #expect(buffers.freeCount == 2)
        drop(try readByte(2, through: &ring, into: try buffers.expectBuffer(slot: 0)))
    }

    @Test func anOperationInFlightOnOneRingOutlivesTheOtherRing() throws {
        var ring = try Ring<Int>(entries: 8)
        var other = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 4096)
        let clones = try other.makeRegisteredBuffers(cloning: buffers)
        let pair = try DescriptorPair.pipe()
        try other.prepare(Read(pair.first, into: try buffers.expectBuffer()), tag: 1)
        try other.submit()
        drop(clones)
        drop(buffers)
        ring.close()
        let error = #expect(throws: BufferRegistrationError.self) { _ = try other.makeRegisteredBuffers(slotCount: 1) }
        #expect(error?.cause == .alreadyRegistered)
        try write(7, to: pair.second)
        let read = try other.nextCompletionWaiting().take(Read<RegisteredSlice>.self)
        #expect(read.operation.memory.copyBytes() == [7])
    }

    @Test func theMemoryIsPinnedOnceAndUntilTheLastTableHasGone() async {
        await #expect(processExitsWith: .success) {
            let byteCount = 1 << 20
            let before = try pinnedByteCount()
            var ring = try Ring<Int>(entries: 8)
            var other = try Ring<Int>(entries: 8)
            let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: byteCount)
            let clones = try other.makeRegisteredBuffers(cloning: buffers)
            try #require(try pinnedByteCount() == before + byteCount)
            let slice = try buffers.expectBuffer()
            drop(buffers)
            drop(clones)
            try #require(try pinnedByteCount() == before + byteCount)
            drop(slice)
            try #require(try pinnedByteCount() == before)
        }
    }

    @Test func nothingOfClonesIsLeaked() async {
        await #expect(processExitsWith: .success) {
            func share(_ rounds: Int) throws {
                for round in 0..<rounds {
                    var ring = try Ring<Int>(entries: 2)
                    var other = try Ring<Int>(entries: 2)
                    let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096, slotCount: 8)
                    let clones = try other.makeRegisteredBuffers(cloning: buffers, toSlot: 1)
                    #expect(throws: BufferRegistrationError.self) {
                        _ = try other.makeRegisteredBuffers(cloning: buffers, toSlot: RegisteredBuffers.maximumSlotCount - 8)
                    }
                    let slice = try clones.expectBuffer(slot: 2)
                    try buffers.clone(slots: 1..<4, of: clones, toSlot: 5)
                    try clones.unregister(slot: 3)
                    if round % 2 == 0 { drop(buffers) } else { drop(clones) }
                    drop(slice)
                }
            }
            try share(4)
            // Each round has four buffers of a page.
            try requireNothingIsLeaked(but: 50_000) { try share(200) }
        }
    }

    @Test func whatCannotBeClonedIsAnError() throws {
        var ring = try Ring<Int>(entries: 8)
        var other = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 4096)
        let clones = try other.makeRegisteredBuffers(slotCount: 1)
        var error = #expect(throws: BufferRegistrationError.self) { _ = try other.makeRegisteredBuffers(cloning: buffers) }
        #expect(error?.cause == .alreadyRegistered)
        ring.close()
        error = #expect(throws: BufferRegistrationError.self) { try clones.clone(slots: 0..<1, of: buffers, toSlot: 0) }
        #expect(error?.cause == .ringClosed)
        drop(clones)
        error = #expect(throws: BufferRegistrationError.self) { _ = try other.makeRegisteredBuffers(cloning: buffers) }
        #expect(error?.cause == .ringClosed)
        #expect(buffers.freeCount == 1)
    }

    @Test func mistakesTrap() async {
        expectSentence(
            "The slots to be cloned have to be of the other table, and at least one.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var other = try Ring<Int>(entries: 8)
                _ = try other.makeRegisteredBuffers(cloning: try ring.makeRegisteredBuffers(slotCount: 3), slots: 2..<4)
            })
        expectSentence(
            "The table has no room for so many slots from there on.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var other = try Ring<Int>(entries: 8)
                let buffers = try ring.makeRegisteredBuffers(slotCount: 3)
                try other.makeRegisteredBuffers(slotCount: 3).clone(slots: 1..<3, of: buffers, toSlot: 2)
            })
        expectSentence(
            "A table cannot be cloned into itself; the buffers are registered there already.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let buffers = try ring.makeRegisteredBuffers(slotCount: 3)
                try buffers.clone(slots: 0..<1, of: buffers, toSlot: 2)
            })
    }
}
