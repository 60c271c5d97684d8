// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CTestSupport
import SystemPackage
import Testing

@testable import URing

@Suite struct FsyncTests {
    @Test func encodesLikeLiburing() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: Fsync(file)) { entry, _, _ in unsafe reference_prep_fsync(entry, 7, 0) }
        unsafe expectEncoding(of: Fsync(file, flags: .dataSync)) { entry, _, _ in unsafe reference_prep_fsync(entry, 7, 1) }
        unsafe expectEncoding(of: Fsync(file, range: 4096..<12288)) { entry, _, _ in
            unsafe reference_prep_fsync(entry, 7, 0)
            unsafe entry.storeBytes(of: 4096, toByteOffset: 8, as: UInt64.self)
            unsafe entry.storeBytes(of: 8192, toByteOffset: 24, as: UInt32.self)
        }
    }

    @Test func writesAFileThrough() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        var ring = try Ring<Int>(entries: 8)
        _ = try ring.run(Write(file, from: Buffer(copying: pattern(10_000)), at: 0))
        try ring.run(Fsync(file)).result.get()
        try ring.run(Fsync(file, range: 0..<4096, flags: .dataSync)).result.get()
        try ring.run(Fsync(file, range: 0..<UInt64(UInt32.max))).result.get()
    }

    @Test func reportsWhatCannotBeSynced() throws {
        let pair = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let errno = try ring.run(Fsync(pair.first)).entry.errno
        #expect(errno == .invalidArgument)
    }

    @Test func trapsOnRangesTheEntryCannotSay() async {
        expectSentence(
            "A sync needs a range with bytes in it, or none for the whole file.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Fsync(UnownedDescriptor.standardOutput, range: 5..<5)
            })
        expectSentence(
            "A sync takes a range of less than 4 GiB, or the whole file.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Fsync(UnownedDescriptor.standardOutput, range: 0..<(1 << 32))
            })
    }

    @Test func trapsOnRangesThatAreSetLater() async {
        expectSentence(
            "A sync takes a range of less than 4 GiB, or the whole file.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var sync = Fsync(UnownedDescriptor.standardOutput, range: 0..<1)
                sync.range = 0..<(1 << 32 + 1)
                try ring.prepare(sync, tag: 1)
            })
    }
}

@Suite struct SyncFileRangeTests {
    @Test func encodesLikeLiburing() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: SyncFileRange(file, range: 4096..<12288, flags: [.waitBefore, .write, .waitAfter])) { entry, _, _ in
            unsafe reference_prep_sync_file_range(entry, 7, 8192, 4096, 7)
        }
        unsafe expectEncoding(of: SyncFileRange(file, flags: .write)) { entry, _, _ in
            unsafe reference_prep_sync_file_range(entry, 7, 0, 0, 2)
        }
    }

    @Test func writesPagesOut() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        var ring = try Ring<Int>(entries: 8)
        let number = file.unowned.fileDescriptor.rawValue
        // Far from each other: the page cache keeps neighbours together.
        let far: UInt64 = 8 << 20
        for offset in [0, far] {
            _ = try ring.run(Write(file, from: Buffer(copying: pattern(4096)), at: .offset(offset)))
        }
        // One page, or none on a file system in memory.
        let unwritten = test_unwritten_pages(number, 0, 4096)
        try ring.run(SyncFileRange(file, range: far..<far + 4096, flags: [.write, .waitAfter])).result.get()
        #expect(test_unwritten_pages(number, far, 4096) == 0)
        #expect(test_unwritten_pages(number, 0, 4096) == unwritten)
        try ring.run(SyncFileRange(file, flags: [.waitBefore, .write, .waitAfter])).result.get()
        #expect(test_unwritten_pages(number, 0, 4096) == 0)
        let bytes = try contents(of: directory.path.appending("a"))
        #expect(bytes.count == Int(far) + 4096)
        #expect(bytes.prefix(4096).elementsEqual(pattern(4096)) && bytes.suffix(4096).elementsEqual(pattern(4096)))
    }

    @Test func reportsWhatCannotBe() throws {
        let directory = try TemporaryDirectory()
        let pair = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        var errno = try ring.run(SyncFileRange(pair.first, flags: .write)).entry.errno
        #expect(errno == .illegalSeek)
        errno = try ring.run(SyncFileRange(directory.open("a"), flags: SyncFileRangeFlags(rawValue: 1 << 9))).entry.errno
        #expect(errno == .invalidArgument)
    }

    @Test func trapsOnRangesTheEntryCannotSay() async {
        expectSentence(
            "A sync needs a range with bytes in it, or none for the whole file.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = SyncFileRange(UnownedDescriptor.standardOutput, range: 5..<5, flags: .write)
            })
    }
}
