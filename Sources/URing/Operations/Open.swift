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
    /// Does not wait, neither while opening nor later; io_uring then answers `EAGAIN` too.
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

    /// Whether permissions are needed.
    @inlinable
    var makesFile: Bool { contains(.create) || isSuperset(of: .temporaryFile) }

    /// All bits of the kernel's flags.
    @inlinable
    func bits(access: FileDescriptor.AccessMode, closesOnExec: Bool) -> UInt32 {
        rawValue | UInt32(bitPattern: access.rawValue) | (closesOnExec ? CURING_O_CLOEXEC : 0)
    }
}

/// Opens a file.
///
/// The result is its descriptor, which is closed when nobody takes it.
///
/// - Requires: Linux 5.6, `IORING_OP_OPENAT`.
/// - Important: The kernel has its own copy of the path once the entry is consumed.
///
/// The liburing function is `io_uring_prep_openat`; see `io_uring_prep_openat(3)`, `openat(2)`.
@frozen
public struct OpenAt: SingleShotOperation, ~Copyable {
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
    /// Whether programs that the process executes do not get the descriptor.
    public var closesOnExec: Bool

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
        _ path: consuming PathStorage, in directory: borrowing some FileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, flags: OpenFlags = [], permissions: FilePermissions? = nil,
        closesOnExec: Bool = true
    ) {
        require(permissions != nil || !flags.makesFile, "Opening with `create` or `temporaryFile` needs permissions for the file.")
        self.directory = directory.hold()
        self.path = path
        self.access = access
        self.flags = flags
        self.permissions = permissions ?? []
        self.closesOnExec = closesOnExec
    }

    /// Makes an operation that opens a file; see ``init(_:in:_:flags:permissions:closesOnExec:)-(PathStorage,_,_,_,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some FileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, flags: OpenFlags = [], permissions: FilePermissions? = nil,
        closesOnExec: Bool = true
    ) {
        self.init(PathStorage(path), in: directory, access, flags: flags, permissions: permissions, closesOnExec: closesOnExec)
    }

    @inlinable public static var opcode: Opcode { .openAt }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .openAt
        entry.setFile(directory)
        // SAFETY: the path is the operation's own.
        unsafe entry.setPath(path)
        entry.length = UInt32(permissions.rawValue)
        entry.operationFlags = flags.bits(access: access, closesOnExec: closesOnExec)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Descriptor, Errno> {
        completion.takeDescriptor()
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
/// The result is its descriptor, which is closed when nobody takes it. Unlike ``OpenAt``, flags that do not go together are `EINVAL`.
///
/// - Requires: Linux 5.6, `IORING_OP_OPENAT2`.
/// - Important: The kernel has its own copy of the path once the entry is consumed.
///
/// The liburing function is `io_uring_prep_openat2`; see `io_uring_prep_openat2(3)`, `openat2(2)`.
@frozen
public struct OpenAt2: SingleShotOperation, ~Copyable {
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
    /// Whether programs that the process executes do not get the descriptor.
    public var closesOnExec: Bool

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
        _ path: consuming PathStorage, in directory: borrowing some FileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, flags: OpenFlags = [], permissions: FilePermissions? = nil,
        resolve: ResolveFlags, closesOnExec: Bool = true
    ) {
        require(permissions != nil || !flags.makesFile, "Opening with `create` or `temporaryFile` needs permissions for the file.")
        self.directory = directory.hold()
        self.path = path
        self.access = access
        self.flags = flags
        self.permissions = permissions ?? []
        self.resolve = resolve
        self.closesOnExec = closesOnExec
    }

    /// Makes an operation that opens a file; see ``init(_:in:_:flags:permissions:resolve:closesOnExec:)-(PathStorage,_,_,_,_,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some FileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        _ access: FileDescriptor.AccessMode = .readOnly, flags: OpenFlags = [], permissions: FilePermissions? = nil,
        resolve: ResolveFlags, closesOnExec: Bool = true
    ) {
        self.init(
            PathStorage(path), in: directory, access, flags: flags, permissions: permissions, resolve: resolve, closesOnExec: closesOnExec)
    }

    @inlinable public static var opcode: Opcode { .openAt2 }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<OpenHow>) {
        let bits = flags.bits(access: access, closesOnExec: closesOnExec)
        unsafe kernelData.initialize(
            to: OpenHow(flags: UInt64(bits), permissions: UInt64(permissions.rawValue), resolve: resolve.rawValue))
        entry.opcode = .openAt2
        entry.setFile(directory)
        // SAFETY: the path is the operation's own, and the kernel data lies beside it.
        unsafe entry.setPath(path)
        entry.offset = UInt64(UInt(bitPattern: kernelData))
        entry.length = UInt32(MemoryLayout<OpenHow>.size)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing OpenHow) -> Result<Descriptor, Errno> {
        completion.takeDescriptor()
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

extension CompletionEntry {
    /// The result as a descriptor that is now owned, or the error.
    @inlinable @inline(__always)
    func takeDescriptor() -> Result<Descriptor, Errno> {
        result < 0 ? .failure(Errno(rawValue: 0 &- result)) : .success(Descriptor(received: result))
    }
}
