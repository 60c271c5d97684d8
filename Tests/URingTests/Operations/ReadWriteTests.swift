// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct ReadTests {
    @Test func encodesLikeLiburing() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: Read(file, into: Buffer(byteCapacity: 4096), at: 8192)) { entry, operation, _ in
            unsafe reference_prep_read(entry, 7, operation.pointee.memory.kernelRoom.baseAddress, 4096, 8192)
        }
        unsafe expectEncoding(of: Read(file, into: Buffer(byteCapacity: 10))) { entry, operation, _ in
            unsafe reference_prep_read(entry, 7, operation.pointee.memory.kernelRoom.baseAddress, 10, .max)
        }
        let buffer = Buffer(copying: [1, 2, 3] as [UInt8], byteCapacity: 10)
        let read = Read(file, into: buffer, at: 5, startingAt: 3, flags: [.highPriority, .noWait])
        unsafe expectEncoding(of: read) { entry, operation, _ in
            unsafe reference_prep_read(entry, 7, operation.pointee.memory.kernelRoom.baseAddress.unsafelyUnwrapped + 3, 7, 5)
            unsafe entry.storeBytes(of: UInt32(0x1 | 0x8), toByteOffset: 28, as: UInt32.self)
        }
    }

    @Test func readsFromAnOffsetAndStopsAtTheEnd() throws {
        let directory = try TemporaryDirectory()
        let bytes = pattern(10_000)
        let file = try Descriptor(opening: directory.file("a", containing: bytes))
        var ring = try Ring<Int>(entries: 8)
        var completed = try ring.run(Read(file, into: Buffer(byteCapacity: 4096), at: 1000))
        #expect(try completed.result.get() == 4096)
        #expect(completed.operation.memory.copyBytes() == [UInt8](bytes[1000..<5096]))
        completed = try ring.run(Read(file, into: Buffer(byteCapacity: 4096), at: 9000))
        #expect(completed.operation.memory.copyBytes() == [UInt8](bytes[9000...]))
        #expect(try completed.result.get() == 1000)
        completed = try ring.run(Read(file, into: Buffer(copying: [1] as [UInt8]), at: 10_000))
        #expect(completed.operation.memory.count == 0)
        #expect(try completed.result.get() == 0)
    }

    @Test func movesTheFilesOwnPosition() throws {
        let directory = try TemporaryDirectory()
        let bytes = pattern(3000)
        let file = try Descriptor(opening: directory.file("a", containing: bytes))
        var ring = try Ring<Int>(entries: 8)
        var all: [UInt8] = []
        while true {
            let completed = try ring.run(Read(file, into: Buffer(byteCapacity: 1024)))
            all += completed.operation.memory.copyBytes()
            if try completed.result.get() == 0 { break }
        }
        #expect(all == bytes)
    }

    @Test func keepsTheBytesBeforeItsStart() throws {
        let directory = try TemporaryDirectory()
        let file = try Descriptor(opening: directory.file("a", containing: [5, 6, 7] as [UInt8]))
        var ring = try Ring<Int>(entries: 8)
        let buffer = Buffer(copying: [1, 2, 3, 4] as [UInt8], byteCapacity: 6)
        let completed = try ring.run(Read(file, into: buffer, at: 0, startingAt: 3))
        #expect(completed.operation.memory.copyBytes() == [1, 2, 3, 5, 6, 7])
        #expect(try completed.result.get() == 3)
    }

    @Test func keepsTheMemoryAsItWasWhenItFails() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.pipe()
        let completed = try ring.run(Read(pair.second, into: Buffer(copying: [1, 2] as [UInt8], byteCapacity: 9)))
        #expect(completed.entry.errno == .badFileDescriptor)
        #expect(completed.operation.memory.copyBytes() == [1, 2])
        #expect(throws: Errno.badFileDescriptor) { try completed.result.get() }
    }

    @Test func reportsADescriptorThatIsNotOpen() throws {
        var ring = try Ring<Int>(entries: 8)
        let completed = try ring.run(Read(UnownedDescriptor(FileDescriptor(rawValue: 1_000_000)), into: Buffer(byteCapacity: 1)))
        #expect(completed.entry.errno == .badFileDescriptor)
    }

    @Test func doesNotWaitWithNoWait() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.pipe()
        let completed = try ring.run(Read(pair.first, into: Buffer(byteCapacity: 1), flags: .noWait))
        #expect(completed.entry.errno == .resourceTemporarilyUnavailable)
    }

    @Test func asksForAtMostTwoGibibytesLessAPage() throws {
        let directory = try TemporaryDirectory()
        let bytes = pattern(5000)
        let file = try Descriptor(opening: directory.file("a", containing: bytes))
        let number = file.unowned.fileDescriptor.rawValue
        unsafe expectEncoding(of: Read(file, into: HugeRoom(byteCapacity: 5 << 30), at: 0)) { entry, operation, _ in
            unsafe reference_prep_read(entry, number, operation.pointee.memory.kernelRoom.baseAddress, 0x7fff_f000, 0)
        }
        // A count whose low 32 bits are zero must not become a read of nothing.
        unsafe expectEncoding(of: Read(file, into: HugeRoom(byteCapacity: 4 << 30), at: 0)) { entry, operation, _ in
            unsafe reference_prep_read(entry, number, operation.pointee.memory.kernelRoom.baseAddress, 0x7fff_f000, 0)
        }
        var ring = try Ring<Int>(entries: 8)
        let completed = try ring.run(Read(file, into: HugeRoom(byteCapacity: 5 << 30), at: 0))
        #expect(completed.operation.memory.copyBytes() == bytes)
        #expect(try completed.result.get() == 5000)
    }

    @Test func readsDirectlyIntoAlignedMemory() throws {
        let directory = try TemporaryDirectory()
        let bytes = pattern(16384)
        var ring = try Ring<Int>(entries: 8)
        let path = try directory.file("a", containing: bytes)
        let opened = try ring.run(OpenAt(path, flags: .direct))
        let file: Descriptor
        switch consume opened.result {
        case .success(let descriptor): file = descriptor
        case .failure(let errno):
            // tmpfs before Linux 6.5 and overlays of it have no direct I/O.
            try #require(errno == .invalidArgument)
            try Test.cancel("The temporary directory has no direct I/O.")
        }
        let completed = try ring.run(Read(file, into: Buffer(byteCapacity: 8192, alignment: 4096), at: 4096))
        #expect(completed.operation.memory.copyBytes() == [UInt8](bytes[4096..<12288]))
        #expect(try completed.result.get() == 8192)
    }

    @Test func letsGoOfFileAndMemoryWhenTheRingIsDropped() throws {
        let pair = try DescriptorPair.pipe()
        let readEnd = pair.first
        let writeEnd = pair.second
        weak var witness: ReleaseWitness?
        do {
            var ring = try Ring<Int>(entries: 8)
            let owner = ReleaseWitness()
            witness = owner
            try ring.prepare(Read(readEnd, into: WatchedRoom(byteCapacity: 4096, witness: owner)), tag: 1)
            try ring.submit()
            _ = consume readEnd
            #expect(ring.inFlightCount == 1)
            expectReader(of: writeEnd, exists: true)
        }
        #expect(witness == nil)
        expectReader(of: writeEnd, exists: false)
    }

    @Test func keepsTheFileOpenForAReadWhoseDescriptorIsDropped() throws {
        let pair = try DescriptorPair.pipe()
        let readEnd = pair.first
        let writeEnd = pair.second
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Read(readEnd, into: Buffer(byteCapacity: 16)), tag: 1)
        try ring.submit()
        let isHeld = readEnd.isHeld
        #expect(isHeld)
        let closedNow = try readEnd.close()
        #expect(!closedNow)
        expectReader(of: writeEnd, exists: true)
        try ring.prepare(Write(writeEnd, from: Buffer(copying: [1, 2, 3] as [UInt8])), tag: 2)
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == 1 {
                let completed = completion.take(Read<Buffer>.self)
                #expect(completed.operation.memory.copyBytes() == [1, 2, 3])
            }
        }
        expectReader(of: writeEnd, exists: false)
    }
}

@Suite struct WriteTests {
    @Test func encodesLikeLiburing() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: Write(file, from: Buffer(copying: pattern(100)), at: 8192)) { entry, operation, _ in
            unsafe reference_prep_write(entry, 7, operation.pointee.memory.kernelBytes.baseAddress, 100, 8192)
        }
        let write = Write(file, from: Buffer(copying: pattern(100)), startingAt: 40, flags: [.dataSync, .append])
        unsafe expectEncoding(of: write) { entry, operation, _ in
            unsafe reference_prep_write(entry, 7, operation.pointee.memory.kernelBytes.baseAddress.unsafelyUnwrapped + 40, 60, .max)
            unsafe entry.storeBytes(of: UInt32(0x2 | 0x10), toByteOffset: 28, as: UInt32.self)
        }
    }

    @Test func writesAtAnOffsetAndAtTheCurrentPosition() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        var ring = try Ring<Int>(entries: 8)
        for part in [[1, 2], [3, 4]] as [[UInt8]] {
            let written = try ring.run(Write(file, from: Buffer(copying: part))).result.get()
            #expect(written == 2)
        }
        let written = try ring.run(Write(file, from: Buffer(copying: [9, 8, 7] as [UInt8]), at: 6, startingAt: 1)).result.get()
        #expect(written == 2)
        #expect(try contents(of: directory.path.appending("a")) == [1, 2, 3, 4, 0, 0, 8, 7])
    }

    @Test func appendsWhateverTheOffset() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [1, 2] as [UInt8])
        let file = try Descriptor(opening: path, .writeOnly)
        var ring = try Ring<Int>(entries: 8)
        let written = try ring.run(Write(file, from: Buffer(copying: [3] as [UInt8]), at: 0, flags: .append)).result.get()
        #expect(written == 1)
        #expect(try contents(of: path) == [1, 2, 3])
    }

    @Test func writesNothingFromAnEmptyBuffer() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        var ring = try Ring<Int>(entries: 8)
        let written = try ring.run(Write(file, from: Buffer(byteCapacity: 10), at: 0)).result.get()
        #expect(written == 0)
    }

    @Test func reportsAFileThatCannotBeWritten() throws {
        let directory = try TemporaryDirectory()
        let file = try Descriptor(opening: directory.file("a", containing: [1] as [UInt8]))
        var ring = try Ring<Int>(entries: 8)
        let completed = try ring.run(Write(file, from: Buffer(copying: [1, 2] as [UInt8]), at: 0))
        #expect(completed.entry.errno == .badFileDescriptor)
        #expect(completed.operation.memory.copyBytes() == [1, 2])
    }

    @Test func canBeWrittenToAPipeWithoutAReaderAndWithoutASignal() throws {
        let pair = try DescriptorPair.pipe()
        _ = consume pair.first
        var ring = try Ring<Int>(entries: 8)
        let completed = try ring.run(Write(pair.second, from: Buffer(copying: [1] as [UInt8]), flags: .noSignal))
        #expect(completed.entry.errno == .brokenPipe)
    }

    @Test func letsGoOfTheFileWhenTheRingIsDropped() throws {
        let pair = try DescriptorPair.pipe()
        let readEnd = pair.first
        let writeEnd = pair.second
        do {
            var ring = try Ring<Int>(entries: 8)
            // More than a pipe takes: the write waits for a reader.
            var buffer = Buffer(byteCapacity: 1 << 22)
            buffer.append(repeating: 5, count: 1 << 22)
            try ring.prepare(Write(writeEnd, from: buffer), tag: 1)
            try ring.submit()
            _ = consume writeEnd
            #expect(ring.inFlightCount == 1)
            expectWriter(of: readEnd, exists: true)
        }
        expectWriter(of: readEnd, exists: false)
    }
}
