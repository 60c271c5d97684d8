// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Foundation
import SystemPackage
import Testing

@testable import URing

@Suite struct RegisteredBuffersTests {
    @Test func aPoolGivesEachBufferOnce() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 5, byteCount: 1000, slotCount: 8)
        #expect(buffers.count == 5 && buffers.slotCount == 8 && buffers.freeCount == 5)
        #expect(buffers.byteCount(ofSlot: 4) == 1000 && buffers.byteCount(ofSlot: 5) == nil)
        var taken = MemoryVector<RegisteredSlice>()
        var starts: Set<UInt> = []
        while let slice = buffers.take() {
            #expect(slice.byteCapacity == 1000 && slice.count == 0)
            let (isNew, _) = unsafe starts.insert(UInt(bitPattern: slice.base))
            #expect(isNew)
            taken.append(slice)
        }
        #expect(taken.count == 5 && buffers.freeCount == 0)
        // They lie one behind the other, each on a page of its own.
        let page = UInt(getpagesize())
        let first = try #require(starts.min())
        #expect(first % page == 0 && starts == Set((0..<5).map { first + $0 * page }))
        for _ in 0..<5 { drop(taken.popLast()) }
        #expect(buffers.freeCount == 5)
    }

    @Test func theListingOfTheArticleRuns() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 64, byteCount: 4096)
        let file = try Descriptor(opening: "/etc/hostname")

        if let slice = buffers.take() {
            try ring.prepare(Read(file, into: slice, at: 0), tag: 0)
        }
        try ring.submit(waitingFor: 1)
        if let completion = ring.nextCompletion() {
            let read = completion.take(Read<RegisteredSlice>.self)
            let hostname = String(decoding: read.operation.memory.copyBytes(), as: UTF8.self)
            #expect(try String(contentsOfFile: "/etc/hostname", encoding: .utf8) == hostname)
        }
        #expect(buffers.freeCount == 64)
    }

    @Test func aBufferOfASlotIsTakenOutOfTheMiddle() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 64)
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            var taken = MemoryVector<RegisteredSlice>()
            for slot in order {
                taken.append(try buffers.expectBuffer(slot: slot))
                buffers.expectNoBuffer(slot: slot)
            }
            #expect(buffers.freeCount == 0)
            buffers.expectNoBuffer()
        }
        #expect(buffers.freeCount == 4)
    }

    @Test func buffersAreRegisteredWithTheirBytes() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        var ring = try Ring<Int>(entries: 8)
        var vector = BufferVector()
        vector.append(Buffer(copying: pattern(100)))
        vector.append(Buffer(copying: pattern(5000, seed: 1), byteCapacity: 6000))
        vector.append(Buffer(byteCapacity: 1))
        let buffers = try ring.makeRegisteredBuffers(of: vector, slotCount: 4)
        #expect(buffers.count == 3 && buffers.freeCount == 3)
        #expect(buffers.byteCount(ofSlot: 0) == 100 && buffers.byteCount(ofSlot: 1) == 6000 && buffers.byteCount(ofSlot: 2) == 1)
        let written = try ring.run(Write(file, from: try buffers.expectBuffer(slot: 1), at: 0)).result.get()
        #expect(written == 5000)
        #expect(try contents(of: directory.path.appending("a")) == pattern(5000, seed: 1))
        let first = try buffers.expectBuffer(slot: 0)
        #expect(first.copyBytes() == pattern(100))
    }

    @Test func anEmptyTableIsFilledAndEmptiedSlotBySlot() throws {
        let directory = try TemporaryDirectory()
        let file = try Descriptor(opening: directory.file("a", containing: pattern(100)))
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(slotCount: 16)
        #expect(buffers.count == 0 && buffers.freeCount == 0 && buffers.slotCount == 16)
        buffers.expectNoBuffer()
        buffers.expectNoBuffer(slot: 7)
        try buffers.register(Buffer(byteCapacity: 100), inSlot: 7)
        #expect(buffers.count == 1 && buffers.freeCount == 1)
        var read = try ring.run(Read(file, into: try buffers.expectBuffer(), at: 0))
        #expect(read.operation.memory.copyBytes() == pattern(100))
        drop(read)
        // Another one in the same place.
        try buffers.register(Buffer(copying: [1, 2, 3], byteCapacity: 50), inSlot: 7)
        #expect(buffers.count == 1 && buffers.byteCount(ofSlot: 7) == 50)
        let slice = try buffers.expectBuffer(slot: 7)
        #expect(slice.copyBytes() == [1, 2, 3])
        read = try ring.run(Read(file, into: slice, at: 0))
        #expect(try read.result.get() == 50)
        drop(read)
        try buffers.unregister(slot: 7)
        #expect(buffers.count == 0 && buffers.freeCount == 0)
        buffers.expectNoBuffer(slot: 7)
        // Empty already.
        try buffers.unregister(slot: 7)
    }

    @Test func theLargestTableIsAsLargeAsTheKernelAllows() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(slotCount: RegisteredBuffers.maximumSlotCount)
        try buffers.register(Buffer(byteCapacity: 64), inSlot: 16383)
        let pair = try DescriptorPair.pipe()
        try write(9, to: pair.second)
        let read = try ring.run(Read(pair.first, into: try buffers.expectBuffer()))
        #expect(read.operation.memory.copyBytes() == [9])
    }

    @Test func mistakesTrap() async {
        expectSentence(
            "A table of registered buffers has from 1 to 16384 slots.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                _ = try ring.makeRegisteredBuffers(slotCount: 16385)
            })
        expectSentence(
            "There are more buffers than slots for them.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                _ = try ring.makeRegisteredBuffers(count: 3, byteCount: 64, slotCount: 2)
            })
        expectSentence(
            "A registered buffer has room for 1 byte to 1 GiB.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                _ = try ring.makeRegisteredBuffers(count: 3, byteCount: 0)
            })
        expectSentence(
            "A registered buffer has room for 1 byte to 1 GiB.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let buffers = try ring.makeRegisteredBuffers(slotCount: 2)
                try buffers.register(Buffer(byteCapacity: (1 << 30) + 1), inSlot: 0)
            })
        expectSentence(
            "The table of registered buffers does not have this slot.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let buffers = try ring.makeRegisteredBuffers(slotCount: 2)
                try buffers.unregister(slot: 2)
            })
    }

    // MARK: Errors

    @Test func aRingHasOneTable() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 64)
        let error = #expect(throws: BufferRegistrationError.self) { _ = try ring.makeRegisteredBuffers(count: 1, byteCount: 64) }
        #expect(error?.cause == .alreadyRegistered && error?.errno == .resourceBusy)
        #expect(error?.description.contains("the ring has registered buffers; drop that table and all its slices first") == true)
        // A table that could not be made leaves the one that is there alone.
        let pair = try DescriptorPair.pipe()
        try write(1, to: pair.second)
        let read = try ring.run(Read(pair.first, into: try buffers.expectBuffer()))
        #expect(read.operation.memory.count == 1)
        drop(read)
        drop(buffers)
        let again = try ring.makeRegisteredBuffers(count: 2, byteCount: 64)
        #expect(again.count == 2)
    }

    @Test func aTableOfAClosedRingSaysSo() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 64)
        ring.close()
        let error = #expect(throws: BufferRegistrationError.self) { try buffers.register(Buffer(byteCapacity: 64), inSlot: 0) }
        #expect(error?.cause == .ringClosed)
        #expect(throws: BufferRegistrationError.self) { try buffers.unregister(slot: 0) }
        // What it has can be used as plain memory still.
        var slice = try buffers.expectBuffer()
        slice.append(repeating: 1, count: 64)
        #expect(buffers.freeCount == 0)
    }

    @Test func eachBufferOfAPoolIsFreedByItself() async {
        // In a process of its own, in which nobody else uses memory meanwhile.
        await #expect(processExitsWith: .success) {
            let part = 16 << 20
            var ring = try Ring<Int>(entries: 8)
            let empty = try ring.makeRegisteredBuffers(count: 1, byteCount: 1)
            drop(empty)
            let before = try Memory.now()
            let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: part - 1, slotCount: 5)
            #expect(try Memory.now().resident - before.resident >= 4 * part)
            try buffers.unregister(slot: 1)
            #expect(try (3 * part..<4 * part).contains(Memory.now().resident - before.resident))
            // One with a slice is freed with that.
            let slice = try buffers.expectBuffer(slot: 3)
            try buffers.unregister(slot: 3)
            #expect(try Memory.now().resident - before.resident >= 3 * part)
            drop(slice)
            #expect(try (2 * part..<3 * part).contains(Memory.now().resident - before.resident))
            drop(buffers)
            #expect(try Memory.now().resident - before.resident < part && Memory.now().mapped - before.mapped < part)
        }
    }

    @Test func whatIsGoneFromTheMiddleOfAPoolMakesNoTwoMappingsOfOne() async {
        await #expect(processExitsWith: .success) {
            var ring = try Ring<Int>(entries: 8)
            let buffers = try ring.makeRegisteredBuffers(count: 128, byteCount: 4096)
            let before = try Memory.mappingCount()
            for slot in stride(from: 1, to: 128, by: 2) { try buffers.unregister(slot: slot) }
            #expect(try Memory.mappingCount() < before + 16)
            #expect(buffers.count == 64)
        }
    }

    @Test func tooLittleMemoryForAPoolIsNamed() async {
        await #expect(processExitsWith: .success) {
            var ring = try Ring<Int>(entries: 8)
            try Memory.limitMapped(toFurther: 8 << 20)
            let error = #expect(throws: BufferRegistrationError.self) {
                _ = try ring.makeRegisteredBuffers(count: 16, byteCount: 1 << 20)
            }
            #expect(error?.errno == .noMemory && error?.cause == .lockedMemoryLimit(byteCount: 16 << 20, limit: nil))
            #expect(error?.description.contains("there is no memory for 16777216 bytes more") == true)
            // The ring has no table now, and takes one that fits.
            _ = try ring.makeRegisteredBuffers(count: 4, byteCount: 1 << 20)
        }
    }

    @Test func theLimitOnLockedMemoryIsNamed() async {
        await #expect(processExitsWith: .success) {
            try #require(test_limit_locked_memory(256 * 1024) == 0)
            var ring = try Ring<Int>(entries: 8)
            let byteCount = 1 << 20
            var error = #expect(throws: BufferRegistrationError.self) {
                _ = try ring.makeRegisteredBuffers(count: 2, byteCount: byteCount)
            }
            #expect(error?.cause == .lockedMemoryLimit(byteCount: 2 * byteCount, limit: 256 * 1024) && error?.errno == .noMemory)
            let description = error?.description ?? ""
            #expect(description.contains("2097152 bytes more would exceed the limit on locked memory, which is 262144 bytes"))
            #expect(description.contains("ulimit -l"))
            // The ring has no table now, and takes one that fits.
            let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
            error = #expect(throws: BufferRegistrationError.self) { try buffers.register(Buffer(byteCapacity: byteCount), inSlot: 0) }
            #expect(error?.cause == .lockedMemoryLimit(byteCount: byteCount, limit: 256 * 1024))
            // The slot is as it was.
            let pair = try DescriptorPair.pipe()
            try write(1, to: pair.second)
            let read = try ring.run(Read(pair.first, into: try buffers.expectBuffer(slot: 0)))
            #expect(read.operation.memory.count == 1)
        }
    }

    // MARK: Tags

    @Test func theKernelSaysWhenItHasLetGoOfAReplacedBuffer() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096, tracksRelease: true)
        let pair = try DescriptorPair.pipe()
        try ring.prepare(Read(pair.first, into: try buffers.expectBuffer(slot: 0)), tag: 1)
        try ring.submit()
        try buffers.register(Buffer(byteCapacity: 100), inSlot: 0)
        try ring.expectNoCompletion()
        #expect(buffers.unreleasedCount == 1)
        try write(5, to: pair.second)
        let read = try ring.nextCompletionWaiting().take(Read<RegisteredSlice>.self)
        #expect(read.operation.memory.copyBytes() == [5])
        // The operation is done, and its slice is still here.
        try ring.expectNoCompletion()
        #expect(buffers.unreleasedCount == 0)
        #expect(ring.inFlightCount == 0 && ring.foreignCompletionCount == 0 && ring.staleCompletionCount == 0)
    }

    @Test func theKernelLetsGoAtOnceOfWhatNothingUses() throws {
        var ring = try Ring<Int>(entries: 8)
        var buffers = try ring.makeRegisteredBuffers(count: 3, byteCount: 4096, slotCount: 4, tracksRelease: true)
        try buffers.unregister(slot: 1)
        try buffers.unregister(slot: 3)
        #expect(buffers.unreleasedCount == 1)
        try ring.expectNoCompletion()
        #expect(buffers.unreleasedCount == 0)
        // A whole table, and one that is registered later.
        try buffers.register(Buffer(byteCapacity: 64), inSlot: 3)
        buffers = try ring.replaceTable(buffers)
        #expect(buffers.unreleasedCount == 3)
        try ring.expectNoCompletion()
        #expect(buffers.unreleasedCount == 0)
        #expect(ring.inFlightCount == 0 && ring.foreignCompletionCount == 0)
    }

    @Test func withoutTrackingTheKernelSaysNothing() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 3, byteCount: 4096)
        try buffers.unregister(slot: 1)
        #expect(buffers.unreleasedCount == 0)
        let result = try ring.submit(waitingFor: 1, timeout: .zero)
        #expect(result.timedOut && ring.readyCount == 0)
    }

    @Test func reportsThatNobodyReadEndWithTheRing() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 3, byteCount: 4096, tracksRelease: true)
        let pair = try DescriptorPair.pipe()
        try ring.prepare(Read(pair.first, into: try buffers.expectBuffer(slot: 0)), tag: 1)
        try ring.submit()
        try buffers.unregister(slot: 0)
        try buffers.unregister(slot: 1)
        #expect(buffers.unreleasedCount == 2)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(buffers.unreleasedCount == 0 && buffers.count == 1 && buffers.freeCount == 1)
    }
}

extension Ring where Tag: BitwiseCopyable {
    /// Drops a table, and makes an empty one.
    fileprivate mutating func replaceTable(_ buffers: consuming RegisteredBuffers) throws -> RegisteredBuffers {
        drop(buffers)
        return try makeRegisteredBuffers(slotCount: 1, tracksRelease: true)
    }
}
