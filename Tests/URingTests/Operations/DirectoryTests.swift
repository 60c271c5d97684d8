// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct UnlinkAtTests {
    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: UnlinkAt("a/b")) { entry, operation, _ in
            unsafe reference_prep_unlinkat(entry, AT_FDCWD, operation.pointee.path.characters, 0)
        }
        let directory = UnownedDescriptor(FileDescriptor(rawValue: 9))
        unsafe expectEncoding(of: UnlinkAt("a", in: directory, flags: .removeDirectory)) { entry, operation, _ in
            unsafe reference_prep_unlinkat(entry, 9, operation.pointee.path.characters, AT_REMOVEDIR)
        }
    }

    @Test func removesFilesAndDirectories() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [1] as [UInt8])
        var ring = try Ring<Int>(entries: 8)
        let base = try Descriptor(opening: directory.path, options: .directory)
        try ring.run(UnlinkAt("a", in: base)).result.get()
        var errno = try ring.run(Statx(path)).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
        errno = try ring.run(UnlinkAt("a", in: base)).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
        try ring.run(MkdirAt("d", in: base)).result.get()
        errno = try ring.run(UnlinkAt("d", in: base)).entry.errno
        #expect(errno == .isDirectory)
        try ring.run(UnlinkAt("d", in: base, flags: .removeDirectory)).result.get()
        errno = try ring.run(Statx("d", in: base)).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
    }
}

@Suite struct RenameAtTests {
    @Test func encodesLikeLiburing() {
        let old = UnownedDescriptor(FileDescriptor(rawValue: 9))
        let new = UnownedDescriptor(FileDescriptor(rawValue: 10))
        unsafe expectEncoding(of: RenameAt("a", in: old, to: "b", in: new, flags: [.noReplace, .whiteout])) { entry, operation, _ in
            unsafe reference_prep_renameat(
                entry, 9, operation.pointee.path.characters, 10, operation.pointee.newPath.characters, 5)
        }
        unsafe expectEncoding(of: RenameAt("a", to: "b", flags: .exchange)) { entry, operation, _ in
            unsafe reference_prep_renameat(
                entry, AT_FDCWD, operation.pointee.path.characters, AT_FDCWD, operation.pointee.newPath.characters, 2)
        }
    }

    @Test func renamesReplacesAndExchanges() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.file("a", containing: [1] as [UInt8])
        _ = try directory.file("b", containing: [2] as [UInt8])
        var ring = try Ring<Int>(entries: 8)
        let base = try Descriptor(opening: directory.path, options: .directory)
        var errno = try ring.run(RenameAt("a", in: base, to: "b", in: base, flags: .noReplace)).entry.errno
        #expect(errno == .fileExists)
        try ring.run(RenameAt("a", in: base, to: "b", in: base, flags: .exchange)).result.get()
        #expect(try contents(of: directory.path.appending("a")) == [2])
        #expect(try contents(of: directory.path.appending("b")) == [1])
        try ring.run(MkdirAt("d", in: base)).result.get()
        let below = try Descriptor(opening: directory.path.appending("d"), options: .directory)
        try ring.run(RenameAt("a", in: base, to: "c", in: below)).result.get()
        #expect(try contents(of: directory.path.appending("d/c")) == [2])
        try ring.run(RenameAt(directory.path.appending("b"), to: directory.path.appending("d/c"))).result.get()
        #expect(try contents(of: directory.path.appending("d/c")) == [1])
        errno = try ring.run(RenameAt("b", in: base, to: "x", in: base)).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
    }
}

@Suite struct MkdirAtTests {
    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: MkdirAt("a")) { entry, operation, _ in
            unsafe reference_prep_mkdirat(entry, AT_FDCWD, operation.pointee.path.characters, 0o777)
        }
        let directory = UnownedDescriptor(FileDescriptor(rawValue: 9))
        unsafe expectEncoding(of: MkdirAt("a", in: directory, permissions: .ownerReadWriteExecute)) { entry, operation, _ in
            unsafe reference_prep_mkdirat(entry, 9, operation.pointee.path.characters, 0o700)
        }
    }

    @Test func makesADirectoryWithItsPermissions() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path.appending("new")
        var ring = try Ring<Int>(entries: 8)
        try ring.run(MkdirAt(path, permissions: .ownerReadWriteExecute)).result.get()
        let status = try ring.run(Statx(path)).result.get()
        #expect(status.kind == .directory)
        #expect(status.permissions == .ownerReadWriteExecute)
        var errno = try ring.run(MkdirAt(path)).entry.errno
        #expect(errno == .fileExists)
        errno = try ring.run(MkdirAt(path.appending("a/b"))).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
    }
}
