// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct RegisteredSliceTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 7))

    // MARK: Encoding

    @Test func readsAndWritesEncodeAsFixed() throws {
        var ring = try Ring<Int>(entries: 8)
        let identity = ring.core.table.identity
        let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096)
        let read = Read(file, into: try buffers.expectBuffer(slot: 3), at: 8192)
        unsafe expectEncoding(of: read, ringIdentity: identity) { entry, operation, _ in
            unsafe reference_prep_read_fixed(entry, 7, operation.pointee.memory.kernelRoom.baseAddress, 4096, 8192, 3)
        }
        var slice = try buffers.expectBuffer(slot: 2)
        slice.append(repeating: 1, count: 100)
        let rest = Read(file, into: slice, startingAt: 40, flags: [.highPriority, .noWait])
        unsafe expectEncoding(of: rest, ringIdentity: identity) { entry, operation, _ in
            let start = unsafe operation.pointee.memory.kernelRoom.baseAddress.unsafelyUnwrapped + 40
            unsafe reference_prep_read_fixed(entry, 7, start, 4056, .max, 2)
            unsafe entry.storeBytes(of: UInt32(0x1 | 0x8), toByteOffset: 28, as: UInt32.self)
        }
        slice = try buffers.expectBuffer(slot: 1)
        slice.append(repeating: 1, count: 100)
        let write = Write(file, from: slice, at: 5, startingAt: 40, flags: [.dataSync, .append])
        unsafe expectEncoding(of: write, ringIdentity: identity) { entry, operation, _ in
            let start = unsafe operation.pointee.memory.kernelBytes.baseAddress.unsafelyUnwrapped + 40
            unsafe reference_prep_write_fixed(entry, 7, start, 60, 5, 1)
            unsafe entry.storeBytes(of: UInt32(0x2 | 0x10), toByteOffset: 28, as: UInt32.self)
        }
        #expect(Read<RegisteredSlice>.opcode == .readFixed && Write<RegisteredSlice>.opcode == .writeFixed)
        #expect(Read<Buffer>.opcode == .read && Write<Buffer>.opcode == .write)
    }

    @Test func vectoredReadsAndWritesEncodeAsFixed() throws {
        var ring = try Ring<Int>(entries: 8)
        let identity = ring.core.table.identity
        let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096)
        let read = ReadVectored(file, into: try parts(of: buffers, slot: 3, byteCounts: [100, 200, 300]), at: 8192, flags: .noWait)
        unsafe expectEncoding(of: read, ringIdentity: identity) { entry, operation, _ in
            unsafe reference_prep_readv_fixed(entry, 7, operation.pointee.buffers.list, 4, 8192, 0x8, 3)
        }
        var vector = try parts(of: buffers, slot: 2, byteCounts: [100, 0, 200])
        vector[0].append(repeating: 1, count: 10)
        vector[2].append(repeating: 2, count: 10)
        // Empty entries would be EFAULT, and are left out.
        unsafe expectEncoding(of: WriteVectored(file, from: vector, flags: .dataSync), ringIdentity: identity) { entry, operation, _ in
            unsafe reference_prep_writev_fixed(entry, 7, operation.pointee.buffers.list, 2, .max, 0x2, 2)
        }
        #expect(ReadVectored<RegisteredSlice>.opcode == .readVectoredFixed && WriteVectored<RegisteredSlice>.opcode == .writeVectoredFixed)
        #expect(ReadVectored<Buffer>.opcode == .readVectored && WriteVectored<Buffer>.opcode == .writeVectored)
    }

    @Test func sendsAreEncodedAsPlain() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096)
        var slice = try buffers.expectBuffer(slot: 3)
        slice.append(repeating: 1, count: 100)
        unsafe expectEncoding(of: Send(file, from: slice, startingAt: 10), ringIdentity: ring.identity) { entry, operation, _ in
            let start = unsafe operation.pointee.memory.kernelBytes.baseAddress.unsafelyUnwrapped + 10
            unsafe reference_prep_send(entry, 7, start, 90, Int32(MSG_NOSIGNAL))
        }
    }

    @Test func zeroCopySendsEncodeAsFixed() throws {
        var ring = try Ring<Int>(entries: 8)
        let identity = ring.core.table.identity
        let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096)
        var slice = try buffers.expectBuffer(slot: 3)
        slice.append(repeating: 1, count: 100)
        let send = SendZeroCopy(file, from: slice, startingAt: 10, pollFirst: true, reportsUsage: true)
        unsafe expectEncoding(of: send, ringIdentity: identity) { entry, operation, _ in
            let start = unsafe operation.pointee.memory.kernelBytes.baseAddress.unsafelyUnwrapped + 10
            unsafe reference_prep_send_zc_fixed(entry, 7, start, 90, Int32(MSG_NOSIGNAL), 1 | 8, 3)
        }
        slice = try buffers.expectBuffer(slot: 2)
        slice.append(repeating: 1, count: 100)
        unsafe expectEncoding(of: SendToZeroCopy(file, from: slice, to: .ipv4Loopback(port: 9)), ringIdentity: identity) {
            entry, operation, kernelData in
            unsafe reference_prep_send_zc_to(
                entry, 7, operation.pointee.memory.kernelBytes.baseAddress, 100, Int32(MSG_NOSIGNAL), 4, kernelData, 16)
            unsafe entry.storeBytes(of: 2, toByteOffset: 40, as: UInt16.self)
        }
    }

    @Test func onAnotherRingItIsOfNoSlot() throws {
        var ring = try Ring<Int>(entries: 8)
        let other = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096)
        unsafe expectEncoding(of: Read(file, into: try buffers.expectBuffer(), at: 0), ringIdentity: other.core.table.identity) {
            entry, operation, _ in
            unsafe reference_prep_read_fixed(entry, 7, operation.pointee.memory.kernelRoom.baseAddress, 4096, 0, 0xffff)
        }
    }

    // MARK: Round trips

    @Test func aFileIsWrittenAndReadThroughRegisteredBuffers() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 8192)
        let bytes = pattern(8000)
        var source = try buffers.expectBuffer()
        source.append(Buffer(copying: bytes).bytes)
        let written = try ring.run(Write(file, from: source, at: 100))
        #expect(try written.result.get() == 8000)
        #expect(written.operation.memory.copyBytes() == bytes)
        var read = try ring.run(Read(file, into: try buffers.expectBuffer(), at: 1100))
        #expect(try read.result.get() == 7000)
        #expect(read.operation.memory.copyBytes() == [UInt8](bytes[1000...]))
        // Once more with the same operation, behind what is there.
        read.operation.start = 7000
        read.operation.position = 100
        read = try ring.run(read.operation)
        #expect(read.operation.memory.copyBytes() == [UInt8](bytes[1000...]) + [UInt8](bytes[..<1192]))
        #expect(try read.result.get() == 1192)
    }

    @Test func partsOfOneBufferAreReadIntoAtTheSameTime() throws {
        let directory = try TemporaryDirectory()
        let bytes = pattern(16384)
        let file = try Descriptor(opening: directory.file("a", containing: bytes))
        var ring = try Ring<Int>(entries: 32)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 16384)
        var rest = try buffers.expectBuffer()
        for index in 0..<15 {
            let tail = rest.split(at: 1024)
            try ring.prepare(Read(file, into: rest, at: .offset(index * 1024)), tag: index)
            rest = tail
        }
        try ring.prepare(Read(file, into: rest, at: 15360), tag: 15)
        #expect(buffers.freeCount == 0)
        for _ in 0..<16 {
            let completion = try ring.nextCompletionWaiting()
            let tag = completion.tag
            let read = completion.take(Read<RegisteredSlice>.self)
            #expect(read.operation.memory.copyBytes() == [UInt8](bytes[(tag * 1024)..<(tag * 1024 + 1024)]))
        }
        #expect(buffers.freeCount == 1)
    }

    @Test func vectoredTransfersGoThroughSeveralPartsOfOneBuffer() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
        var vector = try parts(of: buffers, slot: 0, byteCounts: [1000, 0, 2000])
        let bytes = pattern(2500)
        vector[0].append(Buffer(copying: bytes[..<1000]).bytes)
        vector[2].append(Buffer(copying: bytes[1000...]).bytes)
        let written = try ring.run(WriteVectored(file, from: vector, at: 0)).result.get()
        #expect(written == 2500)
        let read = try ring.run(ReadVectored(file, into: try parts(of: buffers, slot: 1, byteCounts: [10, 1500, 500]), at: 0))
        #expect(try read.result.get() == 2500)
        #expect(read.operation.buffers.copyBytes() == bytes)
        #expect(read.operation.buffers[0].count == 10 && read.operation.buffers[3].count == 490)
    }

    @Test func aVectoredWriteOfNothingWritesNothing() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 4096)
        let written = try ring.run(WriteVectored(file, from: try parts(of: buffers, slot: 0, byteCounts: [10]), at: 0)).result.get()
        #expect(written == 0)
    }

    @Test func aVectorOfTwoBuffersTraps() async {
        expectSentence(
            "The memory of one vectored operation has to be of one registered buffer; use an operation for each.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
                var vector = MemoryVector<RegisteredSlice>()
                vector.append(try buffers.expectBuffer())
                vector.append(try buffers.expectBuffer())
                try ring.prepare(ReadVectored(UnownedDescriptor.standardInput, into: vector), tag: 0)
            })
    }

    @Test func socketsSendAndReceiveSlicesAsPlainMemory() throws {
        let pair = try DescriptorPair.sockets()
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
        var slice = try buffers.expectBuffer()
        slice.append(repeating: 7, count: 100)
        let sent = try ring.run(Send(pair.first, from: slice)).result.get()
        #expect(sent == 100)
        let received = try ring.run(Receive(pair.second, into: try buffers.expectBuffer()))
        #expect(received.operation.memory.copyBytes() == [UInt8](repeating: 7, count: 100))
    }

    @Test func aSliceIsSentWithoutCopying() throws {
        var ring = try Ring<Int>(entries: 8)
        var other = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 4096)
        let pair = try TCPPair()
        var slice = try buffers.expectBuffer()
        slice.append(Buffer(copying: pattern(1000)).bytes)
        let sent = try ring.runToNotification(SendZeroCopy(pair.client, from: slice), tag: 0)
        #expect(try sent.result.get() == 1000)
        #expect(pair.server.receiveBounded(2000) == pattern(1000))
        let refused = try other.runToNotification(sent.operation, tag: 0)
        #expect(refused.operation.memory.copyBytes() == pattern(1000))
        #expect(throws: Errno.badAddress) { try refused.result.get() }
    }

    // MARK: Errors

    @Test func aRingWithoutTheBufferSaysBadAddress() throws {
        let directory = try TemporaryDirectory()
        let file = try Descriptor(opening: directory.file("a", containing: pattern(100)))
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 4096)
        var other = try Ring<Int>(entries: 8)
        var slice = try buffers.expectBuffer()
        slice.append(repeating: 9, count: 10)
        var read = try other.run(Read(file, into: slice, at: 0))
        #expect(read.entry.errno == .badAddress)
        // With a table that has other memory in the same slot, too.
        let others = try other.makeRegisteredBuffers(count: 1, byteCount: 4096)
        read = try other.run(read.operation)
        #expect(read.entry.errno == .badAddress)
        #expect(read.operation.memory.copyBytes() == [UInt8](repeating: 9, count: 10))
        #expect(others.freeCount == 1)
        read = try ring.run(read.operation)
        #expect(read.operation.memory.copyBytes() == pattern(100))
    }

    @Test func anotherSlotsIndexIsBadAddress() throws {
        let directory = try TemporaryDirectory()
        let file = try Descriptor(opening: directory.file("a", containing: pattern(100)))
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
        var read = Read(file, into: Misplaced(slice: try buffers.expectBuffer(slot: 1), index: 1), at: 0)
        var completed = try ring.run(read)
        #expect(try completed.result.get() == 100)
        for index in [0, 2, 0xffff] as [UInt16] {
            read = Read(file, into: Misplaced(slice: completed.operation.memory.slice, index: index), at: 0)
            completed = try ring.run(read)
            #expect(completed.entry.errno == .badAddress)
        }
    }

    @Test func anErrorGivesTheSliceBackAsItWas() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 4096)
        let pair = try DescriptorPair.pipe()
        var slice = try buffers.expectBuffer()
        slice.append(repeating: 9, count: 10)
        let read = try ring.run(Read(pair.second, into: slice))
        #expect(read.entry.errno == .badFileDescriptor)
        #expect(read.operation.memory.copyBytes() == [UInt8](repeating: 9, count: 10))
    }

    // MARK: Splitting and giving back

    @Test func splittingDividesRoomAndBytes() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 100)
        var first = try buffers.expectBuffer()
        first.append(Buffer(copying: pattern(60)).bytes)
        var second = first.split(at: 40)
        let third = second.split(at: 30)
        let empty = first.split(at: 40)
        #expect(first.byteCapacity == 40 && second.byteCapacity == 30 && third.byteCapacity == 30 && empty.byteCapacity == 0)
        #expect(first.copyBytes() == [UInt8](pattern(60)[..<40]))
        #expect(second.copyBytes() == [UInt8](pattern(60)[40...]))
        #expect(third.count == 0 && empty.count == 0)
        // What is written to one does not show in another.
        second.truncate(to: 0)
        second.append(repeating: 1, count: 30)
        #expect(first.copyBytes() == [UInt8](pattern(60)[..<40]))
        let addresses = unsafe (first.base, second.base, third.base)
        unsafe #expect(addresses.1 == addresses.0 + 40 && addresses.2 == addresses.1 + 30)
    }

    @Test func splittingOutsideTraps() async {
        expectSentence(
            "A slice can be split only within its memory.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var slice = try ring.makeRegisteredBuffers(count: 1, byteCount: 100).expectBuffer()
                _ = slice.split(at: 101)
            })
        expectSentence(
            "A slice can be split only within its memory.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var slice = try ring.makeRegisteredBuffers(count: 1, byteCount: 100).expectBuffer()
                _ = slice.split(at: -1)
            })
    }

    @Test func aBufferIsFreeWhenAllPartsAreBack() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 100)
        var first = try buffers.expectBuffer()
        let second = first.split(at: 50)
        #expect(buffers.freeCount == 0)
        first.giveBack()
        #expect(buffers.freeCount == 0)
        buffers.expectNoBuffer(slot: 0)
        drop(second)
        #expect(buffers.freeCount == 1)
        let again = try buffers.expectBuffer()
        #expect(again.byteCapacity == 100)
    }

    @Test func bytesStayWithABufferThatComesBackInOnePiece() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 100)
        var slice = try buffers.expectBuffer()
        slice.append(repeating: 3, count: 20)
        slice.giveBack()
        slice = try buffers.expectBuffer(slot: 0)
        #expect(slice.copyBytes() == [UInt8](repeating: 3, count: 20))
        slice.giveBack()
        // From the pool it comes empty.
        slice = try buffers.expectBuffer()
        #expect(slice.count == 0)
        slice.append(repeating: 4, count: 20)
        let tail = slice.split(at: 10)
        slice.giveBack()
        drop(tail)
        slice = try buffers.expectBuffer(slot: 0)
        #expect(slice.count == 0)
    }

    /// Parts of a buffer with these byte counts, and one with the rest.
    private func parts(of buffers: borrowing RegisteredBuffers, slot: Int, byteCounts: [Int]) throws -> MemoryVector<RegisteredSlice> {
        var vector = MemoryVector<RegisteredSlice>()
        var rest = try buffers.expectBuffer(slot: slot)
        for byteCount in byteCounts {
            let tail = rest.split(at: byteCount)
            vector.append(rest)
            rest = tail
        }
        vector.append(rest)
        return vector
    }
}

/// A slice that says of itself to be of another slot.
private struct Misplaced: ByteDestination, ~Copyable {
    var slice: RegisteredSlice
    let index: UInt16

    static var isRegistered: Bool { true }

    func registeredIndex(on ring: RingIdentity) -> UInt16 { index }

    @unsafe var kernelRoom: UnsafeMutableRawBufferPointer { mutating get { unsafe slice.kernelRoom } }

    var initializedByteCount: Int { slice.initializedByteCount }

    var byteCapacity: Int { slice.byteCapacity }

    mutating func didInitialize(byteCount: Int) { unsafe slice.didInitialize(byteCount: byteCount) }
}
