// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct ReadVectoredTests {
    @Test func encodesLikeLiburing() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: ReadVectored(file, into: BufferVector(count: 5, byteCapacity: 64), at: 8192)) { entry, operation, _ in
            unsafe reference_prep_readv(entry, 7, operation.pointee.buffers.list, 5, 8192)
        }
        let read = ReadVectored(file, into: BufferVector(count: 1024, byteCapacity: 1), flags: [.highPriority, .noWait])
        unsafe expectEncoding(of: read) { entry, operation, _ in
            unsafe reference_prep_readv2(entry, 7, operation.pointee.buffers.list, 1024, .max, 0x1 | 0x8)
        }
    }

    @Test func fillsTheBuffersInOrder() throws {
        let directory = try TemporaryDirectory()
        let bytes = pattern(1000)
        let file = try Descriptor(opening: directory.file("a", containing: bytes))
        var ring = try Ring<Int>(entries: 8)
        var completed = try ring.run(ReadVectored(file, into: BufferVector(count: 6, byteCapacity: 200), at: 50))
        #expect(try completed.result.get() == 950)
        #expect(counts(of: completed.operation.buffers) == [200, 200, 200, 200, 150, 0])
        #expect(completed.operation.buffers.copyBytes() == [UInt8](bytes[50...]))
        completed = try ring.run(ReadVectored(file, into: completed.operation.buffers, at: 1000))
        #expect(counts(of: completed.operation.buffers) == [0, 0, 0, 0, 0, 0])
        #expect(try completed.result.get() == 0)
    }

    @Test func goesOnWhereAnEarlierReadEnded() throws {
        let directory = try TemporaryDirectory()
        let bytes = pattern(300)
        let file = try Descriptor(opening: directory.file("a", containing: bytes))
        var ring = try Ring<Int>(entries: 8)
        var buffers = BufferVector(count: 3, byteCapacity: 100)
        unsafe buffers.didInitialize(byteCount: 100)
        buffers[0].truncate(to: 0)
        buffers[0].append(repeating: 255, count: 100)
        buffers[1].append(repeating: 254, count: 30)
        let completed = try ring.run(ReadVectored(file, into: buffers, at: 0, startingAt: 130))
        #expect(try completed.result.get() == 170)
        let expected = [UInt8](repeating: 255, count: 100) + [UInt8](repeating: 254, count: 30) + bytes[..<170]
        #expect(completed.operation.buffers.copyBytes() == expected)
    }

    @Test func takesAsManyBuffersAsTheKernelDoes() throws {
        let directory = try TemporaryDirectory()
        let bytes = pattern(1024 * 3)
        let file = try Descriptor(opening: directory.file("a", containing: bytes))
        var ring = try Ring<Int>(entries: 8)
        let completed = try ring.run(ReadVectored(file, into: BufferVector(count: 1024, byteCapacity: 3), at: 0))
        #expect(completed.operation.buffers.copyBytes() == bytes)
    }

    @Test func reportsAFileThatCannotBeRead() throws {
        let pair = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        var buffers = BufferVector()
        buffers.append(Buffer(copying: [1, 2] as [UInt8]))
        let completed = try ring.run(ReadVectored(pair.second, into: buffers))
        #expect(completed.entry.errno == .badFileDescriptor)
        #expect(completed.operation.buffers.copyBytes() == [1, 2])
    }

    @Test func trapsWithoutRoom() async {
        expectSentence(
            "A read needs room: there is no buffer, or all are empty or full.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 1)
                try ring.prepare(ReadVectored(UnownedDescriptor.standardInput, into: BufferVector()), tag: 0)
            })
        expectSentence(
            "A read needs room: there is no buffer, or all are empty or full.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 1)
                try ring.prepare(ReadVectored(UnownedDescriptor.standardInput, into: BufferVector(count: 3, byteCapacity: 0)), tag: 0)
            })
        expectSentence(
            "A read must start within the initialised bytes, or right behind them.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var buffers = BufferVector(count: 2, byteCapacity: 8)
                buffers[1].append(repeating: 0, count: 8)
                var ring = try Ring<Int>(entries: 1)
                try ring.prepare(ReadVectored(UnownedDescriptor.standardInput, into: buffers, startingAt: 8), tag: 0)
            })
    }

    @Test func letsGoOfTheFileWhenTheRingIsDropped() throws {
        let pair = try DescriptorPair.pipe()
        let readEnd = pair.first
        let writeEnd = pair.second
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(ReadVectored(readEnd, into: BufferVector(count: 16, byteCapacity: 4096)), tag: 1)
            try ring.submit()
            _ = consume readEnd
            #expect(ring.inFlightCount == 1)
            expectReader(of: writeEnd, exists: true)
        }
        expectReader(of: writeEnd, exists: false)
    }
}

@Suite struct WriteVectoredTests {
    @Test func encodesLikeLiburing() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: WriteVectored(file, from: BufferVector(count: 5, byteCapacity: 64), at: 8192)) { entry, operation, _ in
            unsafe reference_prep_writev(entry, 7, operation.pointee.buffers.list, 0, 8192)
        }
        var buffers = BufferVector(count: 3, byteCapacity: 4)
        for index in 0..<3 { buffers[index].append(repeating: 1, count: 4) }
        unsafe expectEncoding(of: WriteVectored(file, from: buffers, startingAt: 5, flags: [.sync])) { entry, operation, _ in
            unsafe reference_prep_writev2(entry, 7, operation.pointee.buffers.list, 2, .max, 0x4)
        }
    }

    @Test func writesTheInitialisedBytesInOrder() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        var ring = try Ring<Int>(entries: 8)
        var buffers = BufferVector()
        buffers.append(Buffer(copying: [1, 2, 3] as [UInt8], byteCapacity: 100))
        buffers.append(Buffer(byteCapacity: 100))
        buffers.append(Buffer(copying: [4, 5] as [UInt8]))
        var completed = try ring.run(WriteVectored(file, from: buffers, at: 0))
        #expect(try completed.result.get() == 5)
        completed = try ring.run(WriteVectored(file, from: completed.operation.buffers, at: 5, startingAt: 2))
        #expect(completed.operation.buffers.byteCount == 5)
        #expect(try completed.result.get() == 3)
        #expect(try contents(of: directory.path.appending("a")) == [1, 2, 3, 4, 5, 3, 4, 5])
    }

    @Test func reportsAFileThatCannotBeWritten() throws {
        let pair = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let completed = try ring.run(WriteVectored(pair.first, from: BufferVector(count: 1, byteCapacity: 1)))
        #expect(completed.entry.errno == .badFileDescriptor)
    }

    @Test func trapsWithoutBuffersAndOutsideTheirBytes() async {
        expectSentence(
            "A write needs at least one buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 1)
                try ring.prepare(WriteVectored(UnownedDescriptor.standardOutput, from: BufferVector()), tag: 0)
            })
        expectSentence(
            "A write must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 1)
                try ring.prepare(
                    WriteVectored(UnownedDescriptor.standardOutput, from: BufferVector(count: 1, byteCapacity: 8), startingAt: 1), tag: 0)
            })
    }

    @Test func letsGoOfTheFileWhenTheRingIsDropped() throws {
        let pair = try DescriptorPair.pipe()
        let readEnd = pair.first
        let writeEnd = pair.second
        do {
            var ring = try Ring<Int>(entries: 8)
            var buffers = BufferVector(count: 8, byteCapacity: 1 << 19)
            for index in 0..<8 { buffers[index].append(repeating: 5, count: 1 << 19) }
            try ring.prepare(WriteVectored(writeEnd, from: buffers), tag: 1)
            try ring.submit()
            _ = consume writeEnd
            #expect(ring.inFlightCount == 1)
            expectWriter(of: readEnd, exists: true)
        }
        expectWriter(of: readEnd, exists: false)
    }
}
