// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct StatxTests {
    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: Statx("a/b")) { entry, operation, status in
            unsafe reference_prep_statx(entry, AT_FDCWD, operation.pointee.path.characters, 0, 0x7ff, status)
        }
        let directory = UnownedDescriptor(FileDescriptor(rawValue: 9))
        let statx = Statx("a", in: directory, flags: [.noFollow, .forceSync], fields: [.basic, .creationTime, .uniqueMount])
        unsafe expectEncoding(of: statx) { entry, operation, status in
            unsafe reference_prep_statx(entry, 9, operation.pointee.path.characters, 0x2100, 0x4fff, status)
        }
        unsafe expectEncoding(of: Statx(of: directory)) { entry, operation, status in
            unsafe reference_prep_statx(entry, 9, operation.pointee.path.characters, 0x1000, 0x7ff, status)
        }
    }

    @Test func saysTheSameAsTheSystemCall() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: pattern(12_345))
        let second = directory.path.appending("b")
        let linked = unsafe path.withPlatformString { from in unsafe second.withPlatformString { unsafe link(from, $0) } }
        try #require(linked == 0)
        var expected = stat()
        let found = unsafe path.withPlatformString { unsafe stat($0, &expected) }
        try #require(found == 0)
        var ring = try Ring<Int>(entries: 8)
        let file = try Descriptor(opening: path)
        for status in [try ring.run(Statx(path)).result.get(), try ring.run(Statx(of: file)).result.get()] {
            #expect(status.fields.isSuperset(of: .basic))
            #expect(status.kind == .regular)
            #expect(status.permissions.rawValue == expected.st_mode & 0o7777)
            #expect(status.byteCount == 12_345)
            #expect(status.allocatedByteCount == UInt64(expected.st_blocks * 512))
            #expect(status.linkCount == 2)
            #expect(status.inode == UInt64(expected.st_ino))
            #expect(status.owner == expected.st_uid)
            #expect(status.group == expected.st_gid)
            #expect(status.preferredByteCount == Int(expected.st_blksize))
            #expect(status.device == FileStatus.Device(major: device(expected.st_dev).major, minor: device(expected.st_dev).minor))
            #expect(status.modificationTime.seconds == Int64(expected.st_mtim.tv_sec))
            #expect(status.modificationTime.nanoseconds == UInt32(expected.st_mtim.tv_nsec))
            #expect(status.changeTime.seconds == Int64(expected.st_ctim.tv_sec))
            #expect(status.changeTime >= status.modificationTime)
            #expect(status.accessTime.seconds == Int64(expected.st_atim.tv_sec))
            #expect(status.modificationTime.sinceEpoch > .seconds(1_600_000_000))
        }
    }

    /// The two numbers of a device, from their scattered bits (`gnu_dev_major`).
    private func device(_ number: dev_t) -> (major: UInt32, minor: UInt32) {
        (
            UInt32(truncatingIfNeeded: (number >> 8) & 0xfff | (number >> 32) & 0xffff_f000),
            UInt32(truncatingIfNeeded: number & 0xff | (number >> 12) & 0xffff_ff00)
        )
    }

    @Test func tellsTheKindsOfFilesApart() throws {
        let directory = try TemporaryDirectory()
        let link = directory.path.appending("link")
        let linked = unsafe link.withPlatformString { unsafe symlink("nowhere", $0) }
        try #require(linked == 0)
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let sockets = try DescriptorPair.sockets()
        #expect(try ring.run(Statx(directory.path)).result.get().kind == .directory)
        #expect(try ring.run(Statx(of: pipe.first)).result.get().kind == .pipe)
        #expect(try ring.run(Statx(of: sockets.first)).result.get().kind == .socket)
        let null = try ring.run(Statx("/dev/null")).result.get()
        #expect(null.kind == .characterDevice)
        #expect(null.representedDevice == FileStatus.Device(major: 1, minor: 3))
        let status = try ring.run(Statx(link, flags: .noFollow)).result.get()
        #expect(status.kind == .symbolicLink)
        #expect(status.byteCount == 7)
    }

    @Test func givesMoreWhenAsked() throws {
        let directory = try TemporaryDirectory()
        var ring = try Ring<Int>(entries: 8)
        let status = try ring.run(Statx(directory.path, fields: [.basic, .creationTime, .mount])).result.get()
        #expect(status.fields.contains(.mount))
        if status.fields.contains(.creationTime) { #expect(status.creationTime <= status.changeTime) }
        let root = try ring.run(Statx("/proc")).result.get()
        #expect(root.supportedAttributes.contains(.mountRoot))
        #expect(root.attributes.contains(.mountRoot))
    }

    @Test func reportsWhatIsNotThere() throws {
        let directory = try TemporaryDirectory()
        var ring = try Ring<Int>(entries: 8)
        var errno = try ring.run(Statx(directory.path.appending("none"))).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
        errno = try ring.run(Statx(FilePath())).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
        errno = try ring.run(Statx(of: UnownedDescriptor(FileDescriptor(rawValue: 1_000_000)))).entry.errno
        #expect(errno == .badFileDescriptor)
    }

    @Test func canBeDroppedInFlight() throws {
        for _ in 0..<100 {
            var ring = try Ring<Int>(entries: 16)
            for tag in 0..<16 { try ring.prepare(Statx("/proc/self/status"), tag: tag) }
            try ring.submit()
            let leftovers = ring.close(deadline: .seconds(10))
            #expect(leftovers.isEmpty)
        }
    }
}
