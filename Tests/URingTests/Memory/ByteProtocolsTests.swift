// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// Memory that says of itself to be larger than its room is, or smaller.
private struct Boaster: ByteSource, ByteDestination, ~Copyable {
    var buffer: Buffer
    var initializedByteCount: Int
    var byteCapacity: Int

    init(_ buffer: consuming Buffer, initializedByteCount: Int = 0, byteCapacity: Int) {
        self.buffer = buffer
        self.initializedByteCount = initializedByteCount
        self.byteCapacity = byteCapacity
    }

    @unsafe var kernelBytes: UnsafeRawBufferPointer { unsafe buffer.kernelBytes }

    @unsafe var kernelRoom: UnsafeMutableRawBufferPointer { mutating get { unsafe buffer.kernelRoom } }

    @unsafe mutating func didInitialize(byteCount: Int) { unsafe buffer.didInitialize(byteCount: byteCount) }
}

@Suite struct ByteProtocolsTests {
    @Test func initializedBytesEndWithTheRoom() async {
        expectSentence(
            "A value has no more initialised bytes than it has room for.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var boaster = Boaster(Buffer(byteCapacity: 16), initializedByteCount: 17, byteCapacity: 17)
                _ = boaster.mutableBytes.byteCount
            })
        expectSentence(
            "A value has no more initialised bytes than it has room for.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var boaster = Boaster(Buffer(byteCapacity: 16), initializedByteCount: -1, byteCapacity: 17)
                _ = boaster.mutableSpan.count
            })
        expectSentence(
            "A value has no more initialised bytes than it has room for.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var boaster = Boaster(Buffer(byteCapacity: 16), initializedByteCount: 100, byteCapacity: 100)
                boaster.truncate(to: 17)
            })
    }

    @Test func appendedBytesEndWithTheRoom() async {
        expectSentence(
            "The bytes do not fit into the rest of the buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var boaster = Boaster(Buffer(byteCapacity: 16), initializedByteCount: 0, byteCapacity: 100)
                boaster.append(Buffer(copying: [UInt8](repeating: 1, count: 17)).bytes)
            })
        expectSentence(
            "The bytes do not fit into the rest of the buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var boaster = Boaster(Buffer(byteCapacity: 16), initializedByteCount: 12, byteCapacity: 100)
                boaster.append(repeating: 1, count: 5)
            })
        expectSentence(
            "The bytes do not fit into the rest of the buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var boaster = Boaster(Buffer(byteCapacity: 16), initializedByteCount: -16, byteCapacity: 100)
                boaster.append(repeating: 1, count: 8)
            })
    }

    @Test func whatWasReadIsSpreadAsTheRoomWasListed() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        _ = try ring.run(Write(pipe.second, from: Buffer(copying: pattern(60)))).result.get()
        var vector = MemoryVector<Boaster>()
        vector.append(Boaster(Buffer(byteCapacity: 64), byteCapacity: 4))
        vector.append(Boaster(Buffer(byteCapacity: 64), byteCapacity: 64))
        let read = try ring.run(ReadVectored(pipe.first, into: vector))
        #expect(try read.result.get() == 60)
        #expect(read.operation.buffers[0].copyBytes() == pattern(60))
        #expect(read.operation.buffers[1].copyBytes() == [])
    }
}
