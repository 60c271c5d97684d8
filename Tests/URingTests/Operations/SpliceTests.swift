// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import SystemPackage
import Testing

@testable import URing

@Suite struct SpliceTests {
    @Test func encodesLikeLiburing() {
        let source = UnownedDescriptor(FileDescriptor(rawValue: 7))
        let destination = UnownedDescriptor(FileDescriptor(rawValue: 8))
        unsafe expectEncoding(of: Splice(from: source, to: destination, byteCount: 5)) { entry, _, _ in
            unsafe reference_prep_splice(entry, 7, -1, 8, -1, 5, 0)
        }
        unsafe expectEncoding(
            of: Splice(
                from: source, sourceOffset: 4096, to: destination, destinationOffset: .offset(12), byteCount: 1 << 40,
                flags: [.move, .nonBlocking, .more])
        ) { entry, _, _ in
            unsafe reference_prep_splice(entry, 7, 4096, 8, 12, 0x7fff_f000, 7)
        }
    }

    @Test func namesASourceThatIsASlot() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 8)
        let source = DirectDescriptor(received: 7, in: table.state)
        let destination = UnownedDescriptor(FileDescriptor(rawValue: 8))
        unsafe expectEncoding(of: Splice(from: source, to: destination, byteCount: 5, flags: .more), ringIdentity: ring.identity) {
            entry, _, _ in
            unsafe reference_prep_splice(entry, 7, -1, 8, -1, 5, 4 | CURING_SPLICE_F_FD_IN_FIXED)
        }
    }

    /// A number of the process would be somebody else's file as a slot.
    @Test func noFlagMakesASlotOfANumber() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        let flags = SpliceFlags(rawValue: .max)
        #expect(encodedEntry(of: Splice(from: file, to: file, byteCount: 1, flags: flags), ringIdentity: 0).op_flags == .max >> 1)
        #expect(encodedEntry(of: Tee(from: file, to: file, byteCount: 1, flags: flags), ringIdentity: 0).op_flags == .max >> 1)
    }

    @Test func movesFromFileToFileThroughAPipe() throws {
        let directory = try TemporaryDirectory()
        let source = try Descriptor(opening: directory.file("a", containing: pattern(10_000)))
        let destination = try directory.open("b")
        let pair = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        #expect(try ring.run(Splice(from: source, sourceOffset: 100, to: pair.second, byteCount: 5000)).result.get() == 5000)
        #expect(try ring.run(Splice(from: pair.first, to: destination, destinationOffset: 10, byteCount: 3000)).result.get() == 3000)
        #expect(try ring.run(Splice(from: pair.first, to: destination, destinationOffset: 3010, byteCount: 1 << 40)).result.get() == 2000)
        let expected = [UInt8](repeating: 0, count: 10) + pattern(10_000)[100..<5100]
        #expect(try contents(of: directory.path.appending("b")) == expected)
        #expect(try ring.run(Splice(from: source, sourceOffset: 10_000, to: pair.second, byteCount: 1)).result.get() == 0)
    }

    @Test func filesWithoutAnOffsetMoveOn() throws {
        let directory = try TemporaryDirectory()
        let source = try Descriptor(opening: directory.file("a", containing: pattern(100)))
        let sockets = try DescriptorPair.sockets()
        let pair = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        for _ in 0..<2 {
            #expect(try ring.run(Splice(from: source, to: pair.second, byteCount: 50)).result.get() == 50)
            #expect(try ring.run(Splice(from: pair.first, to: sockets.first, byteCount: 50)).result.get() == 50)
        }
        let received = try ring.run(Read(sockets.second, into: Buffer(byteCapacity: 200)))
        #expect(received.operation.memory.copyBytes() == pattern(100))
    }

    @Test func movesBetweenSlots() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: pattern(100))
        let other = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 8)
        let source = try ring.run(OpenAt(path, .readOnly, into: table.anySlot)).result.get()
        let pipe = try ring.run(Pipe(into: table.anySlot, table.anySlot)).result.get()
        #expect(try ring.run(Splice(from: source, sourceOffset: 1, to: pipe.second, byteCount: 99)).result.get() == 99)
        #expect(try ring.run(Splice(from: pipe.first, to: other.second, byteCount: 99)).result.get() == 99)
        let read = try ring.run(Read(other.first, into: Buffer(byteCapacity: 200)))
        #expect(read.operation.memory.copyBytes() == [UInt8](pattern(100)[1...]))
    }

    @Test func anotherRingsSlotTraps() async {
        expectSentence(
            "This direct descriptor is another ring's",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let table = try ring.makeFileTable(count: 1)
                let file = try ring.run(OpenAt("/dev/null", .readOnly, into: table.anySlot)).result.get()
                var other = try Ring<Int>(entries: 8)
                let pair = try DescriptorPair.pipe()
                try other.prepare(Splice(from: file, to: pair.second, byteCount: 1), tag: 1)
            })
    }

    @Test(arguments: RingKind.allCases) func waitsForData(kind: RingKind) throws {
        let source = try DescriptorPair.pipe()
        let destination = try DescriptorPair.pipe()
        try withRing(kind) { ring in
            try ring.prepare(Splice(from: source.first, to: destination.second, byteCount: 10), tag: 3)
            try ring.submit()
            try ring.expectNoCompletion()
            expectHeld(source.first)
            expectHeld(destination.second)
            try write(5, to: source.second)
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == 3)
            #expect(try completion.take(Splice.self).result.get() == 1)
        }
        #expect(try readByte(from: destination.first) == 5)
        expectHeld(source.first, false)
        expectHeld(destination.second, false)
    }

    /// A cancel by file does not find it before the worker has begun, and does not count it afterwards.
    @Test func cancellingWhatIsOnTheDestinationEndsIt() throws {
        let source = try DescriptorPair.pipe()
        let destination = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Splice(from: source.first, to: destination.second, byteCount: 10), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        let others = try ring.run(CancelAll(on: source.first), tag: 2).result.get()
        #expect(others == 0 && ring.inFlightCount == 1)
        var result: Result<Int, Errno>?
        for _ in 0..<100_000 where result == nil {
            try ring.prepare(CancelAll(on: destination.second), tag: 3)
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == 1 { result = completion.take(Splice.self).result }
        }
        #expect(result == .failure(.interrupted))
    }

    @Test func bothFilesAreLetGoOfWithTheRing() throws {
        let source = try DescriptorPair.pipe()
        let destination = try DescriptorPair.pipe()
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Splice(from: source.first, to: destination.second, byteCount: 10), tag: 1)
            try ring.prepare(Tee(from: source.first, to: destination.second, byteCount: 10), tag: 2)
            try ring.submit()
            try ring.expectNoCompletion()
            expectHeld(source.first)
            expectHeld(destination.second)
            let leftovers = ring.close(deadline: .seconds(10))
            #expect(leftovers.isEmpty)
        }
        expectHeld(source.first, false)
        expectHeld(destination.second, false)
    }

    @Test func reportsWhatCannotBe() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        let pair = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        var errno = try ring.run(Splice(from: file, to: directory.open("b"), byteCount: 1)).entry.errno
        #expect(errno == .invalidArgument)
        errno = try ring.run(Splice(from: pair.first, to: pair.second, byteCount: 1)).entry.errno
        #expect(errno == .invalidArgument)
        errno = try ring.run(Splice(from: pair.first, sourceOffset: 0, to: file, byteCount: 1)).entry.errno
        #expect(errno == .illegalSeek)
        errno = try ring.run(Splice(from: pair.first, to: file, byteCount: 1, flags: .nonBlocking)).entry.errno
        #expect(errno == .resourceTemporarilyUnavailable)
        errno = try ring.run(Splice(from: UnownedDescriptor(FileDescriptor(rawValue: 1_000_000)), to: pair.second, byteCount: 1)).entry
            .errno
        #expect(errno == .badFileDescriptor)
    }
}

@Suite struct TeeTests {
    @Test func encodesLikeLiburing() {
        let source = UnownedDescriptor(FileDescriptor(rawValue: 7))
        let destination = UnownedDescriptor(FileDescriptor(rawValue: 8))
        unsafe expectEncoding(of: Tee(from: source, to: destination, byteCount: 5, flags: .nonBlocking)) { entry, _, _ in
            unsafe reference_prep_tee(entry, 7, 8, 5, 2)
        }
    }

    @Test func leavesTheDataWhereItIs() throws {
        let source = try DescriptorPair.pipe()
        let destination = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1)
        let slot = try ring.run(RegisterDescriptor(source.first, into: table.anySlot)).result.get()
        try write(5, to: source.second)
        #expect(try ring.run(Tee(from: slot, to: destination.second, byteCount: 10)).result.get() == 1)
        #expect(try readByte(from: source.first) == 5)
        #expect(try readByte(from: destination.first) == 5)
    }

    @Test func waitsForData() throws {
        let source = try DescriptorPair.pipe()
        let destination = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Tee(from: source.first, to: destination.second, byteCount: 10), tag: 3)
        try ring.submit()
        try ring.expectNoCompletion()
        expectHeld(source.first)
        try write(6, to: source.second)
        #expect(try ring.nextCompletionWaiting().take(Tee.self).result.get() == 1)
        #expect(try readByte(from: destination.first) == 6)
    }

    @Test func reportsWhatIsNoPipe() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        let pair = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let errno = try ring.run(Tee(from: file, to: pair.second, byteCount: 1)).entry.errno
        #expect(errno == .invalidArgument)
    }
}
