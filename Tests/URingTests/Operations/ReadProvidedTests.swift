// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CTestSupport
import SystemPackage
import Testing

@testable import URing

@Suite struct ReadProvidedTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 9))

    @Test func encodesLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let identity = ring.core.table.identity
        let pool = try ring.makeBufferRing(count: 4, byteCount: 8, group: 5)
        unsafe expectEncoding(of: ReadProvided(file, into: pool, at: 77, flags: .noWait), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_read(entry, 9, nil, 0, 77)
            unsafe selectBuffer(in: entry, group: 5)
            unsafe entry.storeBytes(of: TransferFlags.noWait.rawValue, toByteOffset: 28, as: UInt32.self)
        }
        unsafe expectEncoding(of: ReadMultishot(file, into: pool), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_read_multishot(entry, 9, 0, .max, 5)
        }
    }

    @Test func readsAFileWhereItIsTold() throws {
        var ring = try Ring<Int>(entries: 8)
        let directory = try TemporaryDirectory()
        let path = try directory.file("read", containing: pattern(100))
        let file = try Descriptor(opening: path)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 64)
        for position in [0, 90, 50, 100] {
            let lease = try ring.run(ReadProvided(file, into: pool, at: .offset(position))).result.get()
            #expect(lease.copyBytes() == Array(pattern(100)[position..<min(position + 64, 100)]))
            #expect(pool.availableCount == 3)
        }
        try expectWhole(pool)
    }

    @Test func anErrorThatNamesABufferGivesItBack() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        let directory = try Descriptor(opening: "/tmp", options: .directory)
        let failed = try ring.run(ReadProvided(directory, into: pool, at: 0))
        #expect(failed.entry.errno == .isDirectory && failed.entry.flags.contains(.buffer))
        try expectWhole(pool)
    }

    @Test func readsAPipePieceByPiece() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        let pipe = try DescriptorPair.pipe()
        let writeEnd = pipe.second
        for count in [10, 30] {
            try ring.prepare(ReadProvided(pipe.first, into: pool), tag: 1)
            try ring.submit()
            _ = try ring.run(Write(writeEnd, from: Buffer(copying: pattern(count))), tag: 2).result.get()
            let lease = try ring.nextCompletionWaiting().take(ReadProvided.self).result.get()
            #expect(lease.copyBytes() == pattern(count))
            #expect(pool.availableCount == 1)
        }
        try writeEnd.close()
        let end = try ring.run(ReadProvided(pipe.first, into: pool), tag: 1).result.get()
        #expect(end.count == 0)
        drop(end)
        try expectWhole(pool)
    }

    @Test func aMultishotReadsAPipeUntilItEnds() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 8)
        let pipe = try DescriptorPair.pipe()
        let writeEnd = pipe.second
        try ring.prepare(ReadMultishot(pipe.first, into: pool), tag: 1)
        _ = try ring.run(Write(writeEnd, from: Buffer(copying: pattern(20))), tag: 2).result.get()
        var bytes: [UInt8] = []
        while bytes.count < 20 {
            let lease = try ring.nextCompletionWaiting().event(ReadMultishot.self).expectMore()
            bytes += lease.copyBytes()
        }
        #expect(bytes == pattern(20))
        try writeEnd.close()
        let completed = try ring.nextCompletionWaiting().event(ReadMultishot.self).expectFinished()
        let ending = completed.ending
        #expect(ending == .endOfStream)
    }

    @Test func aFileThatCannotBePolledIsNotReadAgainAndAgain() throws {
        var ring = try Ring<Int>(entries: 8)
        let directory = try TemporaryDirectory()
        let file = try Descriptor(opening: try directory.file("read", containing: pattern(100)))
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        try ring.prepare(ReadMultishot(file, into: pool), tag: 1)
        let ended = try ring.nextCompletionWaiting().event(ReadMultishot.self).expectFinished()
        #expect(ended.ending == .failed(Errno(rawValue: 77)))
        try expectWhole(pool)
    }

    /// A terminal can only be read by waiting, so the worker keeps at it, and the kernel ends it with what it has read.
    @Test(arguments: [RingKind.plain, .deferred]) func aWorkerEndsItWithItsFirstRead(kind: RingKind) throws {
        try withRing(kind) { ring in
            let pool = try ring.makeBufferRing(count: 4, byteCount: 16)
            let keyboard = try Descriptor(opening: "/dev/ptmx", .readWrite)
            let number = test_open_terminal(keyboard.number)
            try #require(number >= 0)
            // SAFETY: nobody else closes the number that was just made.
            let terminal = unsafe Descriptor(adopting: FileDescriptor(rawValue: number))
            try ring.prepare(ReadMultishot(terminal, into: pool), tag: 1, options: .asynchronous)
            try ring.submit()
            _ = try keyboard.unowned.fileDescriptor.writeAll([7, 10])
            let ended = try ring.nextCompletionWaiting().event(ReadMultishot.self).expectFinished()
            #expect(ended.ending == .rearm)
            let lease = try ended.result.get()
            #expect(lease.copyBytes() == [7, 10])
        }
    }

    @Test func letsGoOfFileAndPoolWhenTheRingIsDropped() throws {
        let pipe = try DescriptorPair.pipe()
        let other = try DescriptorPair.pipe()
        do {
            var ring = try Ring<Int>(entries: 8)
            let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
            try ring.prepare(ReadProvided(pipe.first, into: pool), tag: 1)
            try ring.prepare(ReadMultishot(other.first, into: pool), tag: 2)
            try ring.submit()
            expectHeld(pipe.first)
            expectHeld(other.first)
        }
        expectHeld(pipe.first, false)
        expectHeld(other.first, false)
    }
}
