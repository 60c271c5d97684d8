// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// What a file system tells of a file, `struct statx`.
///
/// Only what ``fields`` names was given; the rest is zero, or made up by the kernel for file systems that do not have it.
@frozen
public struct FileStatus: BitwiseCopyable, Sendable {
    @usableFromInline let statx: curing_statx

    /// Makes an empty one, for the kernel to fill in.
    @inlinable
    init() {
        statx = curing_statx()
    }

    /// Which parts were given.
    public var fields: Fields { Fields(rawValue: statx.mask) }
    /// What kind of file it is.
    public var kind: Kind { Kind(rawValue: statx.mode & 0o170000) }
    /// The permissions, with the set-user, set-group and sticky bits.
    public var permissions: FilePermissions { FilePermissions(rawValue: CInterop.Mode(statx.mode & 0o7777)) }
    /// How many bytes long it is; for a symbolic link, the target's path.
    public var byteCount: UInt64 { statx.size }
    /// How many bytes of space it takes.
    public var allocatedByteCount: UInt64 { statx.blocks &* 512 }
    /// How many names it has.
    public var linkCount: Int { Int(statx.nlink) }
    /// Its number in its file system.
    public var inode: UInt64 { statx.ino }
    /// The device of its file system.
    public var device: Device { Device(major: statx.dev_major, minor: statx.dev_minor) }
    /// The device that it is itself, if it is one.
    public var representedDevice: Device { Device(major: statx.rdev_major, minor: statx.rdev_minor) }
    /// Its owner's number.
    public var owner: UInt32 { statx.uid }
    /// Its group's number.
    public var group: UInt32 { statx.gid }
    /// When it was last read.
    public var accessTime: Time { Time(statx.atime) }
    /// When it was last written to.
    public var modificationTime: Time { Time(statx.mtime) }
    /// When its metadata last changed.
    public var changeTime: Time { Time(statx.ctime) }
    /// When it was made.
    public var creationTime: Time { Time(statx.btime) }
    /// How many bytes are good to transfer at once.
    public var preferredByteCount: Int { Int(statx.blksize) }
    /// What is special about it; only of ``supportedAttributes``.
    public var attributes: Attributes { Attributes(rawValue: statx.attributes) }
    /// Which attributes the file system knows.
    public var supportedAttributes: Attributes { Attributes(rawValue: statx.attributes_mask) }
    /// Its mount's number; unique for all time if ``Fields/uniqueMount`` was given.
    public var mount: UInt64 { statx.mnt_id }
    /// Its subvolume's number.
    public var subvolume: UInt64 { statx.subvol }
    /// How memory must be aligned for direct I/O, 0 if there is none.
    public var directMemoryAlignment: Int { Int(statx.dio_mem_align) }
    /// How offsets and byte counts must be aligned for direct I/O, 0 if there is none.
    public var directOffsetAlignment: Int { Int(statx.dio_offset_align) }
    /// How offsets and byte counts must be aligned for direct reads, if that is less than for writes.
    public var directReadOffsetAlignment: Int { Int(statx.dio_read_offset_align) }
    /// The fewest bytes that can be written all or nothing.
    public var minimumAtomicByteCount: Int { Int(statx.atomic_write_unit_min) }
    /// The most bytes that can be written all or nothing.
    public var maximumAtomicByteCount: Int { Int(statx.atomic_write_unit_max) }
    /// The most bytes that are written all or nothing without help by software, if that is less.
    public var optimalAtomicByteCount: Int { Int(statx.atomic_write_unit_max_opt) }
    /// The most buffers that an atomic write may have.
    public var maximumAtomicBufferCount: Int { Int(statx.atomic_write_segments_max) }
}

extension FileStatus {
    /// A moment, since the start of 1970.
    @frozen
    public struct Time: BitwiseCopyable, Sendable, Hashable, Comparable {
        /// Whole seconds, negative before 1970.
        public let seconds: Int64
        /// The rest, less than 1,000,000,000; always forward.
        public let nanoseconds: UInt32

        /// Makes a moment.
        @inlinable
        public init(seconds: Int64, nanoseconds: UInt32) {
            self.seconds = seconds
            self.nanoseconds = nanoseconds
        }

        init(_ time: curing_statx_timestamp) {
            self.init(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
        }

        /// How long after the start of 1970 it is.
        public var sinceEpoch: Duration { .seconds(seconds) + .nanoseconds(Int64(nanoseconds)) }

        /// Orders moments.
        @inlinable
        public static func < (left: Time, right: Time) -> Bool {
            (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
        }
    }

    /// A device, by its two numbers.
    @frozen
    public struct Device: BitwiseCopyable, Sendable, Hashable {
        /// The driver's number.
        public let major: UInt32
        /// The number the driver gave.
        public let minor: UInt32

        /// Names a device.
        @inlinable
        public init(major: UInt32, minor: UInt32) {
            self.major = major
            self.minor = minor
        }
    }

    /// What a file can be, `S_IF*`.
    @frozen
    public struct Kind: RawRepresentable, BitwiseCopyable, Sendable, Hashable {
        /// The kernel's bits.
        public let rawValue: UInt16

        /// Takes the kernel's bits.
        @inlinable
        public init(rawValue: UInt16) {
            self.rawValue = rawValue
        }

        /// A regular file.
        public static var regular: Kind { Kind(rawValue: 0o100000) }
        /// A directory.
        public static var directory: Kind { Kind(rawValue: 0o040000) }
        /// A symbolic link.
        public static var symbolicLink: Kind { Kind(rawValue: 0o120000) }
        /// A pipe, with a name or without.
        public static var pipe: Kind { Kind(rawValue: 0o010000) }
        /// A socket.
        public static var socket: Kind { Kind(rawValue: 0o140000) }
        /// A character device.
        public static var characterDevice: Kind { Kind(rawValue: 0o020000) }
        /// A block device.
        public static var blockDevice: Kind { Kind(rawValue: 0o060000) }
    }

    /// The parts of a file's metadata, `STATX_*`.
    @frozen
    public struct Fields: OptionSet, BitwiseCopyable, Sendable, Hashable {
        /// The kernel's bits.
        public let rawValue: UInt32

        /// Takes the kernel's bits.
        @inlinable
        public init(rawValue: UInt32) {
            self.rawValue = rawValue
        }

        /// All that stat(2) gives.
        @inlinable public static var basic: Fields { Fields(rawValue: CURING_STATX_BASIC_STATS) }
        /// ``FileStatus/kind``.
        @inlinable public static var kind: Fields { Fields(rawValue: CURING_STATX_TYPE) }
        /// ``FileStatus/permissions``.
        @inlinable public static var permissions: Fields { Fields(rawValue: CURING_STATX_MODE) }
        /// ``FileStatus/linkCount``.
        @inlinable public static var linkCount: Fields { Fields(rawValue: CURING_STATX_NLINK) }
        /// ``FileStatus/owner``.
        @inlinable public static var owner: Fields { Fields(rawValue: CURING_STATX_UID) }
        /// ``FileStatus/group``.
        @inlinable public static var group: Fields { Fields(rawValue: CURING_STATX_GID) }
        /// ``FileStatus/accessTime``.
        @inlinable public static var accessTime: Fields { Fields(rawValue: CURING_STATX_ATIME) }
        /// ``FileStatus/modificationTime``.
        @inlinable public static var modificationTime: Fields { Fields(rawValue: CURING_STATX_MTIME) }
        /// ``FileStatus/changeTime``.
        @inlinable public static var changeTime: Fields { Fields(rawValue: CURING_STATX_CTIME) }
        /// ``FileStatus/inode``.
        @inlinable public static var inode: Fields { Fields(rawValue: CURING_STATX_INO) }
        /// ``FileStatus/byteCount``.
        @inlinable public static var byteCount: Fields { Fields(rawValue: CURING_STATX_SIZE) }
        /// ``FileStatus/allocatedByteCount``.
        @inlinable public static var allocatedByteCount: Fields { Fields(rawValue: CURING_STATX_BLOCKS) }
        /// ``FileStatus/creationTime``.
        @inlinable public static var creationTime: Fields { Fields(rawValue: CURING_STATX_BTIME) }
        /// ``FileStatus/mount`` (Linux 5.8).
        @inlinable public static var mount: Fields { Fields(rawValue: CURING_STATX_MNT_ID) }
        /// The alignments for direct I/O (Linux 6.1).
        @inlinable public static var directAlignment: Fields { Fields(rawValue: CURING_STATX_DIOALIGN) }
        /// ``FileStatus/mount`` as a number that is never used again (Linux 6.8).
        @inlinable public static var uniqueMount: Fields { Fields(rawValue: CURING_STATX_MNT_ID_UNIQUE) }
        /// ``FileStatus/subvolume`` (Linux 6.10).
        @inlinable public static var subvolume: Fields { Fields(rawValue: CURING_STATX_SUBVOL) }
        /// What can be written all or nothing (Linux 6.11).
        @inlinable public static var atomicWrite: Fields { Fields(rawValue: CURING_STATX_WRITE_ATOMIC) }
        /// ``FileStatus/directReadOffsetAlignment`` (Linux 6.14).
        @inlinable public static var directReadAlignment: Fields { Fields(rawValue: CURING_STATX_DIO_READ_ALIGN) }
    }

    /// What can be special about a file, `STATX_ATTR_*`.
    @frozen
    public struct Attributes: OptionSet, BitwiseCopyable, Sendable, Hashable {
        /// The kernel's bits.
        public let rawValue: UInt64

        /// Takes the kernel's bits.
        @inlinable
        public init(rawValue: UInt64) {
            self.rawValue = rawValue
        }

        /// The file system compresses it.
        @inlinable public static var compressed: Attributes { Attributes(rawValue: CURING_STATX_ATTR_COMPRESSED) }
        /// It cannot be changed in any way.
        @inlinable public static var immutable: Attributes { Attributes(rawValue: CURING_STATX_ATTR_IMMUTABLE) }
        /// It can only be appended to.
        @inlinable public static var appendOnly: Attributes { Attributes(rawValue: CURING_STATX_ATTR_APPEND) }
        /// Backups leave it out.
        @inlinable public static var noDump: Attributes { Attributes(rawValue: CURING_STATX_ATTR_NODUMP) }
        /// It needs a key to be read.
        @inlinable public static var encrypted: Attributes { Attributes(rawValue: CURING_STATX_ATTR_ENCRYPTED) }
        /// Something is mounted on it on demand.
        @inlinable public static var automount: Attributes { Attributes(rawValue: CURING_STATX_ATTR_AUTOMOUNT) }
        /// It is a mount's root.
        @inlinable public static var mountRoot: Attributes { Attributes(rawValue: CURING_STATX_ATTR_MOUNT_ROOT) }
        /// Its contents are checked against a hash.
        @inlinable public static var verity: Attributes { Attributes(rawValue: CURING_STATX_ATTR_VERITY) }
        /// It is mapped straight from memory that keeps its contents.
        @inlinable public static var directAccess: Attributes { Attributes(rawValue: CURING_STATX_ATTR_DAX) }
        /// It can be written to all or nothing.
        @inlinable public static var atomicWrite: Attributes { Attributes(rawValue: CURING_STATX_ATTR_WRITE_ATOMIC) }
    }
}
