// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct LinkAtTests {
    @Test func encodesLikeLiburing() {
        let old = UnownedDescriptor(FileDescriptor(rawValue: 9))
        let new = UnownedDescriptor(FileDescriptor(rawValue: 10))
        unsafe expectEncoding(of: LinkAt("a", in: old, to: "b", in: new, flags: [.followSymbolicLink, .emptyPath])) { entry, operation, _ in
            unsafe reference_prep_linkat(
                entry, 9, operation.pointee.path.characters, 10, operation.pointee.newPath.characters, AT_SYMLINK_FOLLOW | 0x1000)
        }
        unsafe expectEncoding(of: LinkAt("a", to: "b")) { entry, operation, _ in
            unsafe reference_prep_linkat(
                entry, AT_FDCWD, operation.pointee.path.characters, AT_FDCWD, operation.pointee.newPath.characters, 0)
        }
    }

    @Test func givesAFileAFurtherName() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [1, 2] as [UInt8])
        var ring = try Ring<Int>(entries: 8)
        let base = try Descriptor(opening: directory.path, options: .directory)
        try ring.run(MkdirAt("d", in: base)).result.get()
        let below = try Descriptor(opening: directory.path.appending("d"), options: .directory)
        try ring.run(LinkAt("a", in: base, to: "b", in: below)).result.get()
        try ring.run(UnlinkAt(path)).result.get()
        #expect(try contents(of: directory.path.appending("d/b")) == [1, 2])
        let errno = try ring.run(LinkAt("d/b", in: base, to: "d", in: base)).entry.errno
        #expect(errno == .fileExists)
    }

    @Test func linksWhatASymbolicLinkPointsToOrTheLink() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.file("a", containing: [1] as [UInt8])
        var ring = try Ring<Int>(entries: 8)
        let base = try Descriptor(opening: directory.path, options: .directory)
        try ring.run(SymlinkAt(to: "a", at: "l", in: base)).result.get()
        try ring.run(LinkAt("l", in: base, to: "link", in: base)).result.get()
        try ring.run(LinkAt("l", in: base, to: "file", in: base, flags: .followSymbolicLink)).result.get()
        #expect(try ring.run(Statx("link", in: base, flags: .noFollow)).result.get().kind == .symbolicLink)
        #expect(try ring.run(Statx("file", in: base, flags: .noFollow)).result.get().kind == .regular)
    }

    @Test func namesAFileThatHasNone() throws {
        let directory = try TemporaryDirectory()
        var ring = try Ring<Int>(entries: 8)
        let open = OpenAt<Descriptor>(directory.path, .readWrite, flags: .temporaryFile, permissions: .ownerReadWrite)
        let file = try ring.run(open).result.get()
        #expect(try ring.run(Write(file, from: Buffer(copying: [7]), at: 0)).result.get() == 1)
        try ring.run(LinkAt("", in: file, to: directory.path.appending("named"), flags: .emptyPath)).result.get()
        #expect(try contents(of: directory.path.appending("named")) == [7])
    }

    @Test func reportsWhatIsNotThere() throws {
        let directory = try TemporaryDirectory()
        var ring = try Ring<Int>(entries: 8)
        let errno = try ring.run(LinkAt(directory.path.appending("none"), to: directory.path.appending("b"))).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
    }
}

@Suite struct SymlinkAtTests {
    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: SymlinkAt(to: "target", at: "a")) { entry, operation, _ in
            unsafe reference_prep_symlinkat(
                entry, operation.pointee.target.characters, AT_FDCWD, operation.pointee.path.characters)
        }
        let directory = UnownedDescriptor(FileDescriptor(rawValue: 9))
        unsafe expectEncoding(of: SymlinkAt(to: "target", at: "a", in: directory)) { entry, operation, _ in
            unsafe reference_prep_symlinkat(entry, operation.pointee.target.characters, 9, operation.pointee.path.characters)
        }
    }

    @Test func makesALinkThatSaysWhatItWasTold() throws {
        let directory = try TemporaryDirectory()
        _ = try directory.file("a", containing: [5] as [UInt8])
        var ring = try Ring<Int>(entries: 8)
        let base = try Descriptor(opening: directory.path, options: .directory)
        let linked = try ring.run(SymlinkAt(to: "a", at: "l", in: base))
        try linked.result.get()
        let (target, path) = (linked.operation.target.path, linked.operation.path.path)
        #expect(target == "a" && path == "l")
        #expect(try contents(of: directory.path.appending("l")) == [5])
        try ring.run(SymlinkAt(to: "/none/at/all", at: "dangling", in: base)).result.get()
        var errno = try ring.run(Statx("dangling", in: base)).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
        errno = try ring.run(SymlinkAt(to: "a", at: "l", in: base)).entry.errno
        #expect(errno == .fileExists)
    }

    /// They wait behind a read, and the kernel has its own copies of the paths by then.
    @Test func pathsAreLetGoOfWithTheRingWhileTheyWait() throws {
        let directory = try TemporaryDirectory()
        let pair = try DescriptorPair.pipe()
        let path = directory.path.appending("l")
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.link { chain in
                try chain.prepare(Read(pair.first, into: Buffer(byteCapacity: 1)), tag: 1)
                try chain.prepare(SymlinkAt(to: "a", at: path), tag: 2)
            }
            try ring.submit()
            #expect(ring.inFlightCount == 2)
        }
        var ring = try Ring<Int>(entries: 8)
        let errno = try ring.run(Statx(path, flags: .noFollow)).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
    }
}
