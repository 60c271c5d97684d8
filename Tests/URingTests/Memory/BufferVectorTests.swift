// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import URing

@Suite struct BufferVectorTests {
    @Test func growsAndGivesItsBuffersBack() {
        var vector = BufferVector(minimumCapacity: 0)
        for size in 1...100 { vector.append(Buffer(copying: [UInt8](repeating: UInt8(size), count: size))) }
        #expect(vector.count == 100)
        #expect(vector.byteCount == 5050)
        #expect(vector.byteCapacity == 5050)
        let former = vector.replace(at: 3, with: Buffer(copying: [9] as [UInt8]))
        #expect(former.copyBytes() == [4, 4, 4, 4])
        #expect(vector[3].copyBytes() == [9])
        vector[3].truncate(to: 0)
        #expect(vector[3].count == 0)
        var size = 100
        while let buffer = vector.popLast() {
            #expect(buffer.count == (size == 4 ? 0 : size))
            size -= 1
        }
        #expect(size == 0)
    }

    @Test func itsOwnMemoryIsFreed() async {
        await #expect(processExitsWith: .success) {
            func use() { for count in 1...500 { drop(BufferVector(count: count % 10, byteCapacity: 8)) } }
            use()
            try requireNothingIsLeaked(but: 10_000, by: use)
        }
    }

    @Test func distributesWhatTheKernelWrote() {
        var vector = BufferVector(count: 4, byteCapacity: 10)
        unsafe vector.didInitialize(byteCount: 25)
        #expect(counts(of: vector) == [10, 10, 5, 0])
        #expect(vector.initializedByteCount == 25)
        unsafe vector.didInitialize(byteCount: 10)
        #expect(counts(of: vector) == [10, 0, 0, 0])
        unsafe vector.didInitialize(byteCount: 40)
        #expect(counts(of: vector) == [10, 10, 10, 10])
        unsafe vector.didInitialize(byteCount: 0)
        #expect(counts(of: vector) == [0, 0, 0, 0])
    }

    @Test func countsInitialisedBytesOnlyUpToTheFirstGap() {
        var vector = BufferVector()
        vector.append(Buffer(copying: [1, 2] as [UInt8]))
        vector.append(Buffer(copying: [3] as [UInt8], byteCapacity: 2))
        vector.append(Buffer(copying: [4, 5] as [UInt8]))
        #expect(vector.initializedByteCount == 3)
        #expect(vector.byteCount == 5)
        #expect(vector.copyBytes() == [1, 2, 3, 4, 5])
    }

    @Test func showsTheBytesOfEachBuffer() {
        var vector = BufferVector(count: 2, byteCapacity: 4)
        vector[1].append(copying: [4, 5, 6] as [UInt8])
        var span = vector[1].mutableSpan
        span[2] = 7
        let counts = (vector[0].bytes.byteCount, vector[1].bytes.byteCount)
        #expect(counts == (0, 3))
        let last = vector[1].span
        let bytes = (last[0], last[1], last[2])
        #expect(bytes == (4, 5, 7))
    }

    @Test func listsTheBuffersOwnAddressesAndCounts() {
        var vector = BufferVector(count: 3, byteCapacity: 10)
        vector[0].append(repeating: 1, count: 10)
        vector[1].append(repeating: 2, count: 4)
        let first = unsafe UInt(bitPattern: vector[0].kernelRoom.baseAddress)
        let second = unsafe UInt(bitPattern: vector[1].kernelRoom.baseAddress)
        unsafe expectList(vector.kernelRoomList(), starts: first, counts: [10, 10, 10])
        unsafe expectList(vector.kernelRoomList(startingAt: 4), starts: first + 4, counts: [6, 10, 10])
        unsafe expectList(vector.kernelRoomList(startingAt: 10), starts: second, counts: [10, 10])
        unsafe expectList(vector.kernelRoomList(startingAt: 14), starts: second + 4, counts: [6, 10])
        unsafe expectList(vector.kernelBytesList(), starts: first, counts: [10, 4])
        unsafe expectList(vector.kernelBytesList(startingAt: 13), starts: second + 3, counts: [1])
        #expect(unsafe vector.kernelBytesList(startingAt: 14).isEmpty)
    }

    @unsafe private func expectList(
        _ list: UnsafeBufferPointer<iovec>, starts: UInt, counts: [Int], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let actual = unsafe list.map { unsafe $0.iov_len }
        #expect(actual == counts, sourceLocation: sourceLocation)
        let address = unsafe UInt(bitPattern: list[0].iov_base)
        #expect(address == starts, sourceLocation: sourceLocation)
    }

    @Test func trapsOnTooManyBuffersAndOnPlacesThatAreNotThere() async {
        expectSentence(
            "A vector has at most 1024 buffers; use several operations for more.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = BufferVector(minimumCapacity: 1025) })
        expectSentence(
            "A vector has at most 1024 buffers; use several operations for more.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = BufferVector(count: 1025, byteCapacity: 1)
            })
        expectSentence(
            "A vector has at most 1024 buffers; use several operations for more.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var vector = BufferVector(count: 1024, byteCapacity: 1)
                vector.append(Buffer(byteCapacity: 1))
            })
        expectSentence(
            "There is no buffer at this index.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let vector = BufferVector(count: 1, byteCapacity: 1)
                _ = vector[1].count
            })
        expectSentence(
            "More bytes than the buffers have room for cannot have been written.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var vector = BufferVector(count: 2, byteCapacity: 4)
                unsafe vector.didInitialize(byteCount: 9)
            })
    }
}
