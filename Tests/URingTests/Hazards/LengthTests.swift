// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage
import Testing

@testable import URing

/// Row M12: how many bytes the kernel may touch comes from the memory's owner.
@Suite struct M12LengthTests {
    @Test func aReadAsksForNoMoreThanThereIsRoomFor() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("long", containing: pattern(10_000))
        var ring = try Ring<Int>(entries: 8)
        let file = try Descriptor(opening: path)
        for capacity in [1, 15, 16, 17, 4095, 9999] {
            let completed = try ring.run(Read(file, into: Buffer(byteCapacity: capacity), at: 0))
            #expect(completed.result == .success(capacity))
            #expect(completed.operation.memory.copyBytes() == Array(pattern(10_000)[..<capacity]))
        }
        var half = Buffer(byteCapacity: 100)
        half.append(repeating: 9, count: 60)
        let completed = try ring.run(Read(file, into: half, at: 0, startingAt: 60))
        #expect(completed.result == .success(40))
        #expect(completed.operation.memory.copyBytes() == Array(repeating: 9, count: 60) + pattern(10_000)[..<40])
    }

    @Test func aWriteTakesNoMoreThanIsInitialised() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path.appending("written")
        var ring = try Ring<Int>(entries: 8)
        let file = try Descriptor(opening: path, .writeOnly, options: .create, permissions: .ownerReadWrite)
        var buffer = Buffer(byteCapacity: 4096)
        buffer.append(repeating: 7, count: 10)
        let completed = try ring.run(Write(file, from: buffer, at: 0, startingAt: 4))
        #expect(completed.result == .success(6))
        #expect(try contents(of: path) == Array(repeating: 7, count: 6))
    }

    @Test func lengthsBeyondWhatTheKernelMovesAreCut() {
        let entry = UnsafeMutablePointer<curing_sqe>.allocate(capacity: 1)
        defer { unsafe entry.deallocate() }
        unsafe entry.initialize(to: curing_sqe())
        for count in [0x7fff_f000, 0x7fff_f001, 0x8000_0000, 0x1_0000_0000, 0x1_0000_0001, Int.max] {
            // Nobody looks at the memory.
            let start = unsafe UnsafeRawPointer(bitPattern: 0x1000)
            unsafe SubmissionEntry(entry, of: nil).setBytes(UnsafeRawBufferPointer(start: start, count: count))
            #expect(unsafe entry.pointee.len == 0x7fff_f000)
        }
    }

    @Test func anOffsetBelowZeroTraps() async {
        #expect(FilePosition.offset(Int.max).rawValue == 0x7fff_ffff_ffff_ffff)
        // All ones would be the file's own position.
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = FilePosition.offset(-1)
        }
        expectSentence("A file has nothing before its beginning.", of: result)
    }

    /// A program that has counted one below zero would write where the file's own position is.
    @Test func theNumberThatStandsForNoOffsetTraps() async {
        #expect(FilePosition.offset(UInt64.max - 1).rawValue == UInt64.max - 1)
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = FilePosition.offset(UInt64(0) &- 1)
        }
        expectSentence("No file is that long", of: result)
    }

    @Test func readingIntoNothingTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 1)
            try ring.prepare(Read(UnownedDescriptor.standardInput, into: Buffer(byteCapacity: 0)), tag: 0)
        }
        expectSentence("A read needs room: the memory is empty or full.", of: result)
    }

    @Test func startingBeyondTheInitialisedBytesTraps() async {
        let read = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 1)
            try ring.prepare(Read(UnownedDescriptor.standardInput, into: Buffer(byteCapacity: 10), startingAt: 1), tag: 0)
        }
        expectSentence("A read must start within the initialised bytes, or right behind them.", of: read)
        let write = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 1)
            try ring.prepare(Write(UnownedDescriptor.standardInput, from: Buffer(byteCapacity: 10), startingAt: 1), tag: 0)
        }
        expectSentence("A write must start within the initialised bytes.", of: write)
    }

    /// Where operations of sixteen bytes, of which eight are initialised, must not start: in front of them, and behind a gap.
    static let startsOutside = [-4096, -1, 9, 15, 16, 17]

    @Test(arguments: startsOutside) func aReadWhoseStartWasMovedOutsideTraps(start: Int) async {
        expectSentence(
            "A read must start within the initialised bytes, or right behind them.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [start] in
                var ring = try Ring<Int>(entries: 8)
                let pair = try DescriptorPair.pipe()
                var read = Read(pair.first, into: Buffer(copying: pattern(8), byteCapacity: 16), startingAt: 8)
                read.start = start
                try ring.prepare(read, tag: 0)
            })
    }

    @Test(arguments: startsOutside) func aWriteWhoseStartWasMovedOutsideTraps(start: Int) async {
        expectSentence(
            "A write must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [start] in
                var ring = try Ring<Int>(entries: 8)
                let pair = try DescriptorPair.pipe()
                var write = Write(pair.second, from: Buffer(copying: pattern(8), byteCapacity: 16))
                write.start = start
                try ring.prepare(write, tag: 0)
            })
    }

    @Test(arguments: startsOutside) func aVectoredReadWhoseStartWasMovedOutsideTraps(start: Int) async {
        expectSentence(
            "A read must start within the initialised bytes, or right behind them.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [start] in
                var ring = try Ring<Int>(entries: 8)
                let pair = try DescriptorPair.pipe()
                var buffers = BufferVector(count: 2, byteCapacity: 8)
                buffers[0].append(repeating: 1, count: 8)
                var read = ReadVectored(pair.first, into: buffers, startingAt: 8)
                read.start = start
                try ring.prepare(read, tag: 0)
            })
    }

    @Test(arguments: startsOutside) func aVectoredWriteWhoseStartWasMovedOutsideTraps(start: Int) async {
        expectSentence(
            "A write must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [start] in
                var ring = try Ring<Int>(entries: 8)
                let pair = try DescriptorPair.pipe()
                var buffers = BufferVector(count: 2, byteCapacity: 8)
                buffers[0].append(repeating: 1, count: 8)
                var write = WriteVectored(pair.second, from: buffers)
                write.start = start
                try ring.prepare(write, tag: 0)
            })
    }

    @Test func aReadWhoseStartWasMovedToTheEndTraps() async {
        expectSentence(
            "A read needs room: the memory is empty or full.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pair = try DescriptorPair.pipe()
                var read = Read(pair.first, into: Buffer(copying: pattern(16)))
                read.start = 16
                try ring.prepare(read, tag: 0)
            })
    }

    @Test func aVectoredReadWhoseStartWasMovedToTheEndTraps() async {
        expectSentence(
            "A read needs room: there is no buffer, or all are empty or full.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pair = try DescriptorPair.pipe()
                var buffers = BufferVector()
                for _ in 0..<2 { buffers.append(Buffer(copying: pattern(8))) }
                var read = ReadVectored(pair.first, into: buffers)
                read.start = 16
                try ring.prepare(read, tag: 0)
            })
    }

    @Test func aKernelThatClaimsMoreThanThereIsRoomForTraps() async {
        expectSentence(
            "More bytes than the buffer has room for cannot have been written.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var read = Read(UnownedDescriptor.standardInput, into: Buffer(byteCapacity: 10))
                _ = unsafe read.complete(CompletionEntry(result: 11), kernelData: NoKernelData())
            })
    }
}
