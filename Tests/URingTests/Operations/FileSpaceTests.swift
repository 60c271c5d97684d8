// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import SystemPackage
import Testing

@testable import URing

@Suite struct FTruncateTests {
    @Test func encodesLikeLiburing() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: FTruncate(file, to: 123_456)) { entry, _, _ in unsafe reference_prep_ftruncate(entry, 7, 123_456) }
    }

    @Test func cutsAFileOffAndLengthensIt() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: pattern(100))
        let file = try Descriptor(opening: path, .readWrite)
        var ring = try Ring<Int>(entries: 8)
        try ring.run(FTruncate(file, to: 3)).result.get()
        #expect(try contents(of: path) == [UInt8](pattern(3)))
        try ring.run(FTruncate(file, to: 5)).result.get()
        #expect(try contents(of: path) == pattern(3) + [0, 0])
    }

    @Test func reportsWhatCannotBe() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [1] as [UInt8])
        var ring = try Ring<Int>(entries: 8)
        var errno = try ring.run(FTruncate(Descriptor(opening: path), to: 0)).entry.errno
        #expect(errno == .invalidArgument)
        errno = try ring.run(FTruncate(Descriptor(opening: path, .writeOnly), to: .max)).entry.errno
        #expect(errno == .invalidArgument)
    }
}

@Suite struct FallocateTests {
    @Test func encodesLikeLiburing() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: Fallocate(file, at: 4096, byteCount: 5 << 32)) { entry, _, _ in
            unsafe reference_prep_fallocate(entry, 7, 0, 4096, 5 << 32)
        }
        unsafe expectEncoding(of: Fallocate(file, at: 0, byteCount: 1, flags: [.keepSize, .punchHole])) { entry, _, _ in
            unsafe reference_prep_fallocate(entry, 7, 3, 0, 1)
        }
    }

    @Test func allocatesAndPunchesHoles() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [UInt8](repeating: 5, count: 8192))
        let file = try Descriptor(opening: path, .readWrite)
        var ring = try Ring<Int>(entries: 8)
        try ring.run(Fallocate(file, at: 8192, byteCount: 4096)).result.get()
        #expect(try ring.run(Statx(of: file)).result.get().byteCount == 12288)
        try ring.run(Fallocate(file, at: 12288, byteCount: 4096, flags: .keepSize)).result.get()
        #expect(try ring.run(Statx(of: file)).result.get().byteCount == 12288)
        try ring.run(Fallocate(file, at: 0, byteCount: 4096, flags: [.punchHole, .keepSize])).result.get()
        let expected = [UInt8](repeating: 0, count: 4096) + [UInt8](repeating: 5, count: 4096) + [UInt8](repeating: 0, count: 4096)
        #expect(try contents(of: path) == expected)
    }

    @Test func reportsWhatCannotBe() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.open("a")
        var ring = try Ring<Int>(entries: 8)
        var errno = try ring.run(Fallocate(file, at: 0, byteCount: 0)).entry.errno
        #expect(errno == .invalidArgument)
        errno = try ring.run(Fallocate(file, at: 0, byteCount: 1, flags: .punchHole)).entry.errno
        #expect(errno == .notSupported)
    }
}
