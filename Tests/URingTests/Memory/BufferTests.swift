// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import URing

@Suite struct BufferTests {
    @Test func startsEmptyWithTheRoomAskedFor() {
        let buffer = Buffer(byteCapacity: 100)
        #expect(buffer.count == 0)
        #expect(buffer.byteCapacity == 100)
        #expect(buffer.freeCapacity == 100)
        #expect(buffer.copyBytes() == [])
    }

    @Test(arguments: [16, 512, 4096, 65536]) func isAlignedAsAskedFor(alignment: Int) {
        var buffer = Buffer(byteCapacity: 10, alignment: alignment)
        let address = unsafe UInt(bitPattern: buffer.kernelRoom.baseAddress)
        #expect(address % UInt(alignment) == 0)
    }

    @Test func copiesCollectionsAndSpans() {
        let buffer = Buffer(copying: [1, 2, 3] as [UInt8], byteCapacity: 10)
        #expect(buffer.copyBytes() == [1, 2, 3])
        #expect(buffer.freeCapacity == 7)
        let another = Buffer(copying: buffer.bytes)
        #expect(another.copyBytes() == [1, 2, 3])
        #expect(another.freeCapacity == 0)
        let roomy = Buffer(copying: [1, 2, 3] as [UInt8], byteCapacity: 1)
        #expect(roomy.byteCapacity == 3)
    }

    /// A collection that has another number of bytes than it says.
    private struct Liar: Collection {
        let count: Int
        let endIndex: Int

        var startIndex: Int { 0 }

        func index(after index: Int) -> Int { index + 1 }

        subscript(index: Int) -> UInt8 { UInt8(index) }
    }

    @Test func copiesNoMoreThanThereIsOfACollectionAndRoomFor() {
        let short = Buffer(copying: Liar(count: 64, endIndex: 3))
        #expect(short.copyBytes() == [0, 1, 2] && short.byteCapacity == 64)
        let long = Buffer(copying: Liar(count: 3, endIndex: 64))
        #expect(long.copyBytes() == [0, 1, 2] && long.byteCapacity == 3)
        let odd = Buffer(copying: Liar(count: -5, endIndex: 64), byteCapacity: 2)
        #expect(odd.copyBytes() == [0, 1])
    }

    @Test func copiesCollectionsThatDoNotLieInARow() {
        #expect(Buffer(copying: "rows".utf8.reversed()).copyBytes() == Array("swor".utf8))
        #expect(Buffer(copying: (0..<100).lazy.map { UInt8($0) }, byteCapacity: 200).copyBytes() == (0..<100).map { UInt8($0) })
    }

    @Test func appendsAndTruncates() {
        var buffer = Buffer(byteCapacity: 8)
        buffer.append(repeating: 7, count: 3)
        let more = Buffer(copying: [8, 9] as [UInt8])
        buffer.append(more.bytes)
        #expect(buffer.copyBytes() == [7, 7, 7, 8, 9])
        buffer.truncate(to: 4)
        #expect(buffer.copyBytes() == [7, 7, 7, 8])
        buffer.append(Buffer(byteCapacity: 0).bytes)
        #expect(buffer.count == 4)
    }

    @Test func appendsSpansAndCollections() {
        var buffer = Buffer(copying: [1] as [UInt8], byteCapacity: 8)
        buffer.append(([2, 3] as [UInt8]).span)
        buffer.append(copying: [4, 5] as [UInt8])
        buffer.append(copying: [])
        buffer.append(copying: "ab".utf8.reversed())
        #expect(buffer.copyBytes() == [1, 2, 3, 4, 5, 98, 97])
        buffer.append(copying: Liar(count: 100, endIndex: 1))
        #expect(buffer.copyBytes() == [1, 2, 3, 4, 5, 98, 97, 0])
    }

    @Test func letsItsBytesBeChangedInPlace() {
        var buffer = Buffer(copying: [1, 2, 3] as [UInt8])
        var bytes = buffer.mutableBytes
        bytes.storeBytes(of: 9, toByteOffset: 1, as: UInt8.self)
        #expect(buffer.copyBytes() == [1, 9, 3])
        #expect(buffer.bytes.unsafeByte(1) == 9)
    }

    @Test func canBeEmpty() {
        let buffer = Buffer(byteCapacity: 0)
        #expect(buffer.byteCapacity == 0)
        #expect(buffer.copyBytes() == [])
    }

    @Test func trapsOnWhatDoesNotFit() async {
        expectSentence(
            "A buffer's capacity cannot be negative.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Buffer(byteCapacity: -1) })
        expectSentence(
            "A buffer's alignment must be a power of two.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Buffer(byteCapacity: 1, alignment: 48)
            })
        expectSentence(
            "The bytes do not fit into the rest of the buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var buffer = Buffer(byteCapacity: 4)
                buffer.append(repeating: 0, count: 5)
            })
        expectSentence(
            "The bytes do not fit into the rest of the buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var buffer = Buffer(byteCapacity: 4)
                buffer.append(Buffer(copying: [1, 2, 3, 4, 5] as [UInt8]).bytes)
            })
        expectSentence(
            "The bytes do not fit into the rest of the buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var buffer = Buffer(copying: [1] as [UInt8], byteCapacity: 4)
                buffer.append(copying: [2, 3, 4, 5] as [UInt8])
            })
        expectSentence(
            "The bytes do not fit into the rest of the buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var buffer = Buffer(copying: [1] as [UInt8], byteCapacity: 4)
                buffer.append(copying: Liar(count: 1, endIndex: 4))
            })
        expectSentence(
            "A buffer can be truncated only to fewer bytes than it has.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var buffer = Buffer(copying: [1, 2] as [UInt8])
                buffer.truncate(to: 3)
            })
        expectSentence(
            "More bytes than the buffer has room for cannot have been written.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var buffer = Buffer(byteCapacity: 4)
                unsafe buffer.didInitialize(byteCount: 5)
            })
    }

    @Test func goesToAnotherTask() async {
        let buffer = Buffer(copying: [1, 2, 3] as [UInt8])
        let task = Task { [buffer = consume buffer] in buffer.copyBytes() }
        #expect(await task.value == [1, 2, 3])
    }
}

extension RawSpan {
    fileprivate func unsafeByte(_ offset: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
}
