// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How a file is opened, `O_*`, beside the access mode.
///
/// Close-on-exec is not among them: it is the default, and the operations have a parameter for it.
@frozen
public struct OpenFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Makes the file if there is none; needs permissions.
    @inlinable public static var create: OpenFlags { OpenFlags(rawValue: CURING_O_CREAT) }
    /// Fails with `EEXIST` if there is a file already; goes with ``create``.
    @inlinable public static var exclusive: OpenFlags { OpenFlags(rawValue: CURING_O_EXCL) }
    /// Cuts the file off to nothing.
    @inlinable public static var truncate: OpenFlags { OpenFlags(rawValue: CURING_O_TRUNC) }
    /// Writes at the end of the file, whatever the offset.
    @inlinable public static var append: OpenFlags { OpenFlags(rawValue: CURING_O_APPEND) }
    /// Does not wait while opening, nor in later calls of the process.
    ///
    /// A ring's operations wait for such a file all the same, except splices: ``TransferFlags/noWait`` has them fail with `EAGAIN` instead.
    /// So do more than a hundred events that somebody else was faster at: prepare the operation again.
    @inlinable public static var nonBlocking: OpenFlags { OpenFlags(rawValue: CURING_O_NONBLOCK) }
    /// Goes past the page cache, straight between the device and aligned memory.
    @inlinable public static var direct: OpenFlags { OpenFlags(rawValue: CURING_O_DIRECT) }
    /// Every write returns when its data is on the device.
    @inlinable public static var dataSync: OpenFlags { OpenFlags(rawValue: CURING_O_DSYNC) }
    /// Every write returns when its data and all metadata are on the device.
    @inlinable public static var sync: OpenFlags { OpenFlags(rawValue: CURING_O_SYNC) }
    /// Fails with `ENOTDIR` if it is not a directory.
    @inlinable public static var directory: OpenFlags { OpenFlags(rawValue: CURING_O_DIRECTORY) }
    /// Fails with `ELOOP` if the path's last part is a symbolic link.
    @inlinable public static var noFollow: OpenFlags { OpenFlags(rawValue: CURING_O_NOFOLLOW) }
    /// Leaves the access time alone when reading.
    @inlinable public static var noAccessTime: OpenFlags { OpenFlags(rawValue: CURING_O_NOATIME) }
    /// Does not make a terminal the process's controlling one.
    @inlinable public static var noControllingTerminal: OpenFlags { OpenFlags(rawValue: CURING_O_NOCTTY) }
    /// Opens only the place in the file system, not the file: good as a directory or for ``Statx``.
    @inlinable public static var pathOnly: OpenFlags { OpenFlags(rawValue: CURING_O_PATH) }
    /// Makes a file without a name in the directory that the path names; needs permissions and write access.
    @inlinable public static var temporaryFile: OpenFlags { OpenFlags(rawValue: CURING_O_TMPFILE) }

    /// Sees to it that there are permissions for a file that may be made.
    @inlinable
    func require(_ permissions: FilePermissions?) {
        URing.require(
            permissions != nil || !(contains(.create) || isSuperset(of: .temporaryFile)),
            "Opening with `create` or `temporaryFile` needs permissions for the file.")
    }

    /// All bits of the kernel's flags.
    @inlinable
    func bits(access: FileDescriptor.AccessMode, closesOnExec: Bool) -> UInt32 {
        rawValue | UInt32(bitPattern: access.rawValue) | (closesOnExec ? CURING_O_CLOEXEC : 0)
    }
}

/// Opens a file.
///
/// The result is its descriptor, which is closed when nobody takes it. When a ring's file table has no free slot for it, the error is
/// ``SystemPackage/Errno/fileTableFull``; a file that was to be made has been made by then.
///
/// The kernel first tries without waiting, unless the operation is asynchronous or comes behind one that drains: a FIFO without its other end
/// is then opened for reading, and for writing is `ENXIO`. With ``PrepareOptions/asynchronous`` a worker thread waits for the other end; a
/// cancel ends that with `EINTR` in the result.
///
/// - Requires: Linux 5.6, `IORING_OP_OPENAT`; into a file table Linux 5.15, into any slot of it 5.19.
/// - Important: The kernel has its own copy of the path once the entry is consumed.
///
/// The liburing functions are `io_uring_prep_openat` and `io_uring_prep_openat_direct`; see `io_uring_prep_openat(3)`, `openat(2)`.
@frozen
public struct OpenAt<File: OwnedFile & ~Copyable>: SingleShotOperation, ~Copyable {
    /// Where the path begins, if it is relative.
    public var directory: FileHold
    /// The path.
    public var path: PathStorage
    /// What is going to be done with the file.
    public var access: FileDescriptor.AccessMode
    /// How it is opened.
    public var flags: OpenFlags
    /// The permissions of a new file.
    public var permissions: FilePermissions
    /// Whether programs that the process executes do not get the descriptor; they never get a direct one.
    public var closesOnExec: Bool
    /// Where the file goes.
    public var place: File.Place

    @inlinable @inline(__always)
    init(
        path: consuming PathStorage, directory: consuming FileHold, access: FileDescriptor.AccessMode, flags: OpenFlags,
        permissions: FilePermissions?, closesOnExec: Bool, place: consuming File.Place
    ) {
        flags.require(permissions)
        self.directory = directory
        self.path = path
        self.access = access
        self.flags = flags
        self.permissions = permissions ?? []
        self.closesOnExec = closesOnExec
        self.place = place
    }

    @inlinable public static var opcode: Opcode { .openAt }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .openAt
        entry.setDirectory(directory)
        // SAFETY: the path is the operation's own.
        unsafe entry.setPath(path)
        entry.length = UInt32(permissions.rawValue)
        entry.operationFlags = flags.bits(access: access, closesOnExec: closesOnExec && !File.isDirect)
        entry.setPlace(place, of: File.self)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<File, Errno> {
        unsafe completion.deliver(to: &place)
    }
}

extension OpenAt where File == Descriptor {
    /// Makes an operation that opens a file.
    ///
    /// - Parameters:
    ///   - path: The path.
    ///   - directory: Where the path begins, if it is relative.
    ///   - access: What is going to be done with the file.
    ///   - flags: How it is opened.
    ///   - permissions: The permissions of a new file, less the process's mask.
    ///   - closesOnExec: Whether programs that the process executes do not get the descriptor.
    /// - Precondition: There are permissions if a file may be made.
    @inlinable @inline(__always)
    public init(
        _ path: consuming PathStorage, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, flags: OpenFlags = [], permissions: FilePermissions? = nil,
        closesOnExec: Bool = true
    ) {
        self.init(
            path: path, directory: directory.hold(), access: access, flags: flags, permissions: permissions, closesOnExec: closesOnExec,
            place: Descriptor.Place())
    }

    /// Makes an operation that opens a file; see ``init(_:in:_:flags:permissions:closesOnExec:)-(PathStorage,_,_,_,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, flags: OpenFlags = [], permissions: FilePermissions? = nil,
        closesOnExec: Bool = true
    ) {
        self.init(PathStorage(path), in: directory, access, flags: flags, permissions: permissions, closesOnExec: closesOnExec)
    }
}

extension OpenAt where File == DirectDescriptor {
    /// Makes an operation that opens a file into a ring's file table.
    ///
    /// - Parameters:
    ///   - path: The path.
    ///   - directory: Where the path begins, if it is relative.
    ///   - access: What is going to be done with the file.
    ///   - slot: Where the file goes.
    ///   - flags: How it is opened.
    ///   - permissions: The permissions of a new file, less the process's mask.
    /// - Precondition: There are permissions if a file may be made.
    @inlinable @inline(__always)
    public init(
        _ path: consuming PathStorage, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, into slot: consuming FileSlot, flags: OpenFlags = [],
        permissions: FilePermissions? = nil
    ) {
        self.init(
            path: path, directory: directory.hold(), access: access, flags: flags, permissions: permissions, closesOnExec: false,
            place: slot)
    }

    /// Makes an operation that opens a file into a ring's file table; see ``init(_:in:_:into:flags:permissions:)-(PathStorage,_,_,_,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, into slot: consuming FileSlot, flags: OpenFlags = [],
        permissions: FilePermissions? = nil
    ) {
        self.init(PathStorage(path), in: directory, access, into: slot, flags: flags, permissions: permissions)
    }
}

/// How a path may lead to its file, `RESOLVE_*`.
@frozen
public struct ResolveFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt64

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Not into another mount, or `EXDEV`.
    @inlinable public static var noCrossingMounts: ResolveFlags { ResolveFlags(rawValue: CURING_RESOLVE_NO_XDEV) }
    /// Not through links that the kernel makes up, such as those below `/proc/self/fd`, or `ELOOP`.
    @inlinable public static var noMagicLinks: ResolveFlags { ResolveFlags(rawValue: CURING_RESOLVE_NO_MAGICLINKS) }
    /// Not through symbolic links, or `ELOOP`.
    @inlinable public static var noSymbolicLinks: ResolveFlags { ResolveFlags(rawValue: CURING_RESOLVE_NO_SYMLINKS) }
    /// Not out of the directory, by `..`, a link or an absolute path, or `EXDEV`.
    @inlinable public static var beneath: ResolveFlags { ResolveFlags(rawValue: CURING_RESOLVE_BENEATH) }
    /// As if the directory were the root, for absolute paths and links as well.
    @inlinable public static var inRoot: ResolveFlags { ResolveFlags(rawValue: CURING_RESOLVE_IN_ROOT) }
    /// Only as far as the kernel has everything in memory, or `EAGAIN` (Linux 5.12).
    @inlinable public static var cached: ResolveFlags { ResolveFlags(rawValue: CURING_RESOLVE_CACHED) }
}

/// Opens a file by a path that must not lead everywhere.
///
/// The result is its descriptor, which is closed when nobody takes it. Unlike ``OpenAt``, flags that do not go together are `EINVAL`. When a
/// ring's file table has no free slot for it, the error is ``SystemPackage/Errno/fileTableFull``; a file that was to be made has been made
/// by then. FIFOs are as for ``OpenAt``.
///
/// - Requires: Linux 5.6, `IORING_OP_OPENAT2`; into a file table Linux 5.15, into any slot of it 5.19.
/// - Important: The kernel has its own copy of the path once the entry is consumed.
///
/// The liburing functions are `io_uring_prep_openat2` and `io_uring_prep_openat2_direct`; see `io_uring_prep_openat2(3)`, `openat2(2)`.
@frozen
public struct OpenAt2<File: OwnedFile & ~Copyable>: SingleShotOperation, ~Copyable {
    /// Where the path begins, if it is relative.
    public var directory: FileHold
    /// The path.
    public var path: PathStorage
    /// What is going to be done with the file.
    public var access: FileDescriptor.AccessMode
    /// How it is opened.
    public var flags: OpenFlags
    /// The permissions of a new file.
    public var permissions: FilePermissions
    /// How the path may lead to the file.
    public var resolve: ResolveFlags
    /// Whether programs that the process executes do not get the descriptor; they never get a direct one.
    public var closesOnExec: Bool
    /// Where the file goes.
    public var place: File.Place

    @inlinable @inline(__always)
    init(
        path: consuming PathStorage, directory: consuming FileHold, access: FileDescriptor.AccessMode, flags: OpenFlags,
        permissions: FilePermissions?, resolve: ResolveFlags, closesOnExec: Bool, place: consuming File.Place
    ) {
        flags.require(permissions)
        self.directory = directory
        self.path = path
        self.access = access
        self.flags = flags
        self.permissions = permissions ?? []
        self.resolve = resolve
        self.closesOnExec = closesOnExec
        self.place = place
    }

    @inlinable public static var opcode: Opcode { .openAt2 }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<OpenHow>) {
        let bits = flags.bits(access: access, closesOnExec: closesOnExec && !File.isDirect)
        unsafe kernelData.initialize(
            to: OpenHow(flags: UInt64(bits), permissions: UInt64(permissions.rawValue), resolve: resolve.rawValue))
        entry.opcode = .openAt2
        entry.setDirectory(directory)
        // SAFETY: the path is the operation's own, and the kernel data lies beside it.
        unsafe entry.setPath(path)
        unsafe entry.offset = UInt64(UInt(bitPattern: kernelData))
        entry.length = UInt32(MemoryLayout<OpenHow>.size)
        entry.setPlace(place, of: File.self)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing OpenHow) -> Result<File, Errno> {
        unsafe completion.deliver(to: &place)
    }
}

extension OpenAt2 where File == Descriptor {
    /// Makes an operation that opens a file.
    ///
    /// - Parameters:
    ///   - path: The path.
    ///   - directory: Where the path begins, if it is relative; with ``ResolveFlags/inRoot`` also if it is absolute.
    ///   - access: What is going to be done with the file.
    ///   - flags: How it is opened.
    ///   - permissions: The permissions of a new file, less the process's mask.
    ///   - resolve: How the path may lead to the file.
    ///   - closesOnExec: Whether programs that the process executes do not get the descriptor.
    /// - Precondition: There are permissions if a file may be made.
    @inlinable @inline(__always)
    public init(
        _ path: consuming PathStorage, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, flags: OpenFlags = [], permissions: FilePermissions? = nil,
        resolve: ResolveFlags, closesOnExec: Bool = true
    ) {
        self.init(
            path: path, directory: directory.hold(), access: access, flags: flags, permissions: permissions, resolve: resolve,
            closesOnExec: closesOnExec, place: Descriptor.Place())
    }

    /// Makes an operation that opens a file; see ``init(_:in:_:flags:permissions:resolve:closesOnExec:)-(PathStorage,_,_,_,_,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, flags: OpenFlags = [], permissions: FilePermissions? = nil,
        resolve: ResolveFlags, closesOnExec: Bool = true
    ) {
        self.init(
            PathStorage(path), in: directory, access, flags: flags, permissions: permissions, resolve: resolve, closesOnExec: closesOnExec)
    }
}

extension OpenAt2 where File == DirectDescriptor {
    /// Makes an operation that opens a file into a ring's file table.
    ///
    /// - Parameters:
    ///   - path: The path.
    ///   - directory: Where the path begins, if it is relative; with ``ResolveFlags/inRoot`` also if it is absolute.
    ///   - access: What is going to be done with the file.
    ///   - slot: Where the file goes.
    ///   - flags: How it is opened.
    ///   - permissions: The permissions of a new file, less the process's mask.
    ///   - resolve: How the path may lead to the file.
    /// - Precondition: There are permissions if a file may be made.
    @inlinable @inline(__always)
    public init(
        _ path: consuming PathStorage, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, into slot: consuming FileSlot, flags: OpenFlags = [],
        permissions: FilePermissions? = nil, resolve: ResolveFlags
    ) {
        self.init(
            path: path, directory: directory.hold(), access: access, flags: flags, permissions: permissions, resolve: resolve,
            closesOnExec: false, place: slot)
    }

    /// Makes an operation that opens a file into a ring's file table; see
    /// ``init(_:in:_:into:flags:permissions:resolve:)-(PathStorage,_,_,_,_,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, into slot: consuming FileSlot, flags: OpenFlags = [],
        permissions: FilePermissions? = nil, resolve: ResolveFlags
    ) {
        self.init(PathStorage(path), in: directory, access, into: slot, flags: flags, permissions: permissions, resolve: resolve)
    }
}

/// What the kernel reads of an ``OpenAt2`` beside the path, `struct open_how`.
@frozen
public struct OpenHow: BitwiseCopyable, Sendable {
    @usableFromInline let how: curing_open_how

    @inlinable @inline(__always)
    init(flags: UInt64, permissions: UInt64, resolve: UInt64) {
        how = curing_open_how(flags: flags, mode: permissions, resolve: resolve)
    }
}
