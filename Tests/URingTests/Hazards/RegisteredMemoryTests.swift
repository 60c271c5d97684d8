// SPDX-License-Identifier: Apache-2.0

import Foundation
import SystemPackage
import Testing

@testable import URing

/// Row M10: registered memory is the registration's until it is unregistered, and all that use it have let go.
@Suite struct M10RegisteredMemoryTests {
    /// A read of one byte that waits at a pipe, in flight, with a slice of all of a buffer.
    private func waitingRead(_ pipe: borrowing DescriptorPair, _ ring: inout Ring<Int>, _ slice: consuming RegisteredSlice) throws {
        try ring.prepare(Read(pipe.first, into: slice), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        #expect(ring.inFlightCount == 1)
    }

    /// Lets such a read go on, and expects its byte in memory of this size.
    private func finishRead(_ pipe: borrowing DescriptorPair, _ ring: inout Ring<Int>, byteCapacity: Int = 4096) throws {
        try write(7, to: pipe.second)
        let read = try ring.nextCompletionWaiting().take(Read<RegisteredSlice>.self)
        #expect(try read.result.get() == 1)
        #expect(read.operation.memory.copyBytes() == [7] && read.operation.memory.byteCapacity == byteCapacity)
    }

    /// Memory that is allocated in the place of buffers that were freed by mistake.
    private func otherMemory() -> BufferVector {
        var vector = BufferVector(count: 256, byteCapacity: 4096)
        for index in 0..<vector.count { vector[index].append(repeating: 0xee, count: 4096) }
        return vector
    }

    private func expectUntouched(_ vector: borrowing BufferVector) {
        let isUntouched = vector.copyBytes().allSatisfy { $0 == 0xee }
        #expect(isUntouched)
    }

    private func expectRegistered(_ ring: inout Ring<Int>, sourceLocation: SourceLocation = #_sourceLocation) {
        let error = #expect(throws: BufferRegistrationError.self, sourceLocation: sourceLocation) {
            _ = try ring.makeRegisteredBuffers(slotCount: 1)
        }
        #expect(error?.cause == .alreadyRegistered, sourceLocation: sourceLocation)
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func aTableDroppedDuringAReadStaysRegisteredUntilItIsDone(options: RingOptions) throws {
        var ring = try Ring<Int>(entries: 8, options: options)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
        let pipe = try DescriptorPair.pipe()
        try waitingRead(pipe, &ring, try buffers.expectBuffer())
        drop(buffers)
        expectRegistered(&ring)
        try finishRead(pipe, &ring)
        let next = try ring.makeRegisteredBuffers(slotCount: 1)
        #expect(next.count == 0)
    }

    @Test func aReadThatIsOnlyPreparedKeepsADroppedTableRegistered() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Read(pipe.first, into: try buffers.expectBuffer(slot: 1)), tag: 1)
        drop(buffers)
        expectRegistered(&ring)
        try finishRead(pipe, &ring)
    }

    @Test func aSliceInHandKeepsADroppedTableRegistered() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
        let pipe = try DescriptorPair.pipe()
        var slice = try buffers.expectBuffer()
        let rest = slice.split(at: 1000)
        drop(buffers)
        drop(rest)
        try waitingRead(pipe, &ring, slice)
        try finishRead(pipe, &ring, byteCapacity: 1000)
        let next = try ring.makeRegisteredBuffers(slotCount: 1)
        #expect(next.count == 0)
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func aSlotIsReplacedDuringARead(options: RingOptions) throws {
        var ring = try Ring<Int>(entries: 8, options: options)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 4096)
        let pipe = try DescriptorPair.pipe()
        try waitingRead(pipe, &ring, try buffers.expectBuffer())
        try buffers.register(Buffer(copying: pattern(64)), inSlot: 0)
        #expect(buffers.count == 1 && buffers.freeCount == 1)
        let others = otherMemory()
        // The read goes on in the old memory, and the new one is another's.
        try finishRead(pipe, &ring)
        expectUntouched(others)
        let slice = try buffers.expectBuffer(slot: 0)
        #expect(slice.copyBytes() == pattern(64))
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func aSlotIsEmptiedDuringARead(options: RingOptions) throws {
        var ring = try Ring<Int>(entries: 8, options: options)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 4096)
        let pair = try DescriptorPair.sockets()
        try waitingRead(pair, &ring, try buffers.expectBuffer())
        try buffers.unregister(slot: 0)
        let others = otherMemory()
        try finishRead(pair, &ring)
        expectUntouched(others)
        #expect(buffers.count == 0 && buffers.freeCount == 0)
    }

    @Test func aSlotIsEmptiedBeforeTheKernelSeesTheRead() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 4096)
        let pipe = try DescriptorPair.pipe()
        try write(7, to: pipe.second)
        var slice = try buffers.expectBuffer()
        slice.append(repeating: 5, count: 10)
        try ring.prepare(Read(pipe.first, into: slice), tag: 1)
        try buffers.unregister(slot: 0)
        var read = try ring.nextCompletionWaiting().take(Read<RegisteredSlice>.self)
        #expect(read.entry.errno == .badAddress)
        #expect(read.operation.memory.copyBytes() == [UInt8](repeating: 5, count: 10))
        // And again, prepared after it was emptied; other memory that is there by now is not written to.
        try buffers.register(Buffer(copying: pattern(64)), inSlot: 0)
        read = try ring.run(read.operation)
        #expect(read.entry.errno == .badAddress)
        let other = try buffers.expectBuffer(slot: 0)
        #expect(other.copyBytes() == pattern(64))
    }

    @Test func aBufferThatIsBeingSentIsTheKernelsUntilTheNotification() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 60_000, tracksRelease: true)
        let connection = try StalledConnection()
        var slice = try buffers.expectBuffer()
        slice.append(repeating: 6, count: 60_000)
        try ring.prepare(SendZeroCopy(connection.sender, from: slice), tag: 1)
        let sent = try ring.nextCompletionWaiting().event(SendZeroCopy<RegisteredSlice>.self).expectMore()
        #expect(sent == 60_000)
        try buffers.unregister(slot: 0)
        try ring.expectNoCompletion()
        #expect(buffers.unreleasedCount == 1)
        #expect(try connection.drain(60_000) == [UInt8](repeating: 6, count: 60_000))
        let completed = try ring.nextCompletionWaiting().event(SendZeroCopy<RegisteredSlice>.self).expectFinished()
        try ring.expectNoCompletion()
        #expect(buffers.unreleasedCount == 0)
        #expect(completed.operation.memory.count == 60_000)
    }

    @Test func aSliceOutlivesItsTableAndItsRing() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
        var slice = try buffers.expectBuffer()
        slice.append(Buffer(copying: pattern(1000)).bytes)
        var other = try buffers.expectBuffer()
        drop(buffers)
        ring.close()
        #expect(slice.copyBytes() == pattern(1000))
        other.append(slice.bytes)
        slice.giveBack()
        #expect(other.copyBytes() == pattern(1000))
        // As plain memory it is good on any ring.
        var another = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let sent = try another.run(Send(pair.first, from: other)).result.get()
        #expect(sent == 1000)
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func slicesInFlightComeBackWhenTheRingIsDropped(options: RingOptions) throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8, options: options)
        let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096)
        for _ in 0..<3 { try ring.prepare(Read(pipe.first, into: try buffers.expectBuffer()), tag: 1) }
        try ring.submit()
        try ring.prepare(Read(pipe.first, into: try buffers.expectBuffer()), tag: 1)
        #expect(buffers.freeCount == 0)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty && buffers.freeCount == 4)
    }

    @Test func aDroppedCompletionGivesTheSliceBack() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 4096)
        try write(1, to: pipe.second)
        try ring.prepare(Read(pipe.first, into: try buffers.expectBuffer()), tag: 1)
        let completion = try ring.nextCompletionWaiting()
        #expect(buffers.freeCount == 0)
        drop(completion)
        #expect(buffers.freeCount == 1)
    }

    @Test func nothingIsWrittenAfterTheRingsEnd() throws {
        let file = try DirectFile()
        // Less than a user may lock by default.
        let partCount = DirectFile.readCount
        let partByteCount = 128 * 1024
        var clock = try Ring<Int>(entries: 8)
        for _ in 0..<30 {
            var ring = try Ring<Int>(entries: 64)
            let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: partCount * partByteCount + 4096)
            // One page of the buffer stays here, so that the memory does too, and what happens to it can be seen.
            var rest = try buffers.expectBuffer()
            let kept = rest.split(at: partCount * partByteCount)
            let start = unsafe rest.base
            for index in 0..<partCount {
                let tail = rest.split(at: partByteCount)
                try ring.prepare(Read(file.descriptor, into: rest, at: .offset(index * partByteCount)), tag: index)
                rest = tail
            }
            try ring.submit()
            drop(buffers)
            ring.close()
            let memory = unsafe UnsafeMutableRawBufferPointer(start: start, count: partCount * partByteCount)
            unsafe memory.initializeMemory(as: UInt8.self, repeating: 0xa5)
            try file.passReads(on: &clock)
            let expected = 0xa5a5_a5a5_a5a5_a5a5 as UInt64
            let isUntouched = stride(from: 0, to: partCount * partByteCount, by: 512).allSatisfy { offset in
                unsafe memory.load(fromByteOffset: offset, as: UInt64.self) == expected
            }
            #expect(isUntouched)
            drop(kept)
        }
    }

    @Test func theKernelLetsGoOfTheMemoryWithTheLastSlice() async {
        await #expect(processExitsWith: .success) {
            let byteCount = 1 << 20
            let before = try pinnedByteCount()
            var ring = try Ring<Int>(entries: 8)
            let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: byteCount)
            try #require(try pinnedByteCount() == before + 2 * byteCount)
            var slice = try buffers.expectBuffer()
            let rest = slice.split(at: 4096)
            drop(buffers)
            drop(slice)
            try #require(try pinnedByteCount() == before + 2 * byteCount)
            drop(rest)
            try #require(try pinnedByteCount() == before)
        }
    }

    @Test func nothingIsLeaked() async {
        await #expect(processExitsWith: .success) {
            func use(_ rounds: Int) throws {
                let pipe = try DescriptorPair.pipe()
                for _ in 0..<rounds {
                    var ring = try Ring<Int>(entries: 2)
                    let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096, slotCount: 8)
                    try ring.prepare(Read(pipe.first, into: try buffers.expectBuffer(slot: 0)), tag: 1)
                    try ring.submit()
                    try buffers.register(Buffer(byteCapacity: 4096), inSlot: 0)
                    try buffers.register(Buffer(byteCapacity: 4096), inSlot: 7)
                    #expect(throws: BufferRegistrationError.self) { _ = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096) }
                    let slice = try buffers.expectBuffer(slot: 1)
                    try buffers.unregister(slot: 1)
                    try buffers.unregister(slot: 2)
                    drop(slice)
                    drop(buffers)
                }
            }
            try use(4)
            // Each round has four buffers of a page, and two that are allocated.
            try requireNothingIsLeaked(but: 10_000) { try use(200) }
        }
    }

    /// On another thread the kernel does not forget it, and does when the ring's own thread makes the next table, or with the ring.
    @Test func aTableDroppedOnAnotherThreadIsFreedWhenTheKernelForgetsIt() async {
        await #expect(processExitsWith: .success) {
            var ring = try Ring<Int>(entries: 8)
            let byteCount = 64 << 20
            let before = try Memory.now().resident
            for isLast in [false, true] {
                let buffers = Handed(Optional(try ring.makeRegisteredBuffers(count: 1, byteCount: byteCount)))
                onAnotherThread { buffers.value = nil }
                try #require(try Memory.now().resident >= before + byteCount)
                if isLast { break }
                drop(try ring.makeRegisteredBuffers(slotCount: 1))
                try #require(try Memory.now().resident < before + byteCount)
            }
            ring.close()
            try #require(try Memory.now().resident < before + byteCount)
        }
    }

    /// Its slots still share the memory then, so slices come and go through the other table, before the ring's own end and after it.
    @Test(arguments: [false, true]) func aCloneDroppedOnAnotherThreadEndsOnce(whileThereIsASlice: Bool) async {
        await #expect(processExitsWith: .success) { [whileThereIsASlice] in
            var first = try Ring<Int>(entries: 8)
            var second = try Ring<Int>(entries: 8)
            let buffers = try first.makeRegisteredBuffers(count: 2, byteCount: 4096)
            let clone = Handed(Optional(try second.makeRegisteredBuffers(cloning: buffers)))
            onAnotherThread { clone.value = nil }
            drop(try buffers.expectBuffer(slot: 0))
            var slice: RegisteredSlice? = whileThereIsASlice ? try buffers.expectBuffer(slot: 1) : nil
            second.close()
            slice = nil
            // Else something has let go of the table that was left, or of the memory, twice.
            slice = try buffers.expectBuffer(slot: 1)
            drop(buffers)
            guard let whole = slice else { throw Errno.invalidArgument }
            let completed = try first.run(Write(try DescriptorPair.pipe().second, from: whole))
            try #require(completed.result.get() == 0)
        }
    }

    @Test func aCloneDroppedOnAnotherThreadMakesRoomForTheNext() async {
        await #expect(processExitsWith: .success) {
            var first = try Ring<Int>(entries: 8)
            var second = try Ring<Int>(entries: 8)
            let buffers = try first.makeRegisteredBuffers(count: 2, byteCount: 4096)
            let clone = Handed(Optional(try second.makeRegisteredBuffers(cloning: buffers)))
            onAnotherThread { clone.value = nil }
            let slice = try buffers.expectBuffer(slot: 1)
            let next = try second.makeRegisteredBuffers(count: 2, byteCount: 4096)
            let pipe = try DescriptorPair.pipe()
            // The next table has other memory in this slot.
            let refused = try second.run(Read(pipe.first, into: slice))
            try #require(refused.entry.errno == .badAddress)
            drop(refused)
            drop(next)
        }
    }
}
