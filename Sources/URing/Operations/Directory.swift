// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How a name is removed.
@frozen
public struct UnlinkFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Removes an empty directory instead of a file, as rmdir(2) does.
    @inlinable public static var removeDirectory: UnlinkFlags { UnlinkFlags(rawValue: CURING_AT_REMOVEDIR) }
}

/// Removes a file's name, or an empty directory.
///
/// The result is empty. The file itself goes with its last name and its last open descriptor.
///
/// - Requires: Linux 5.11, `IORING_OP_UNLINKAT`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel has its own copy of the path once the entry is consumed.
///
/// The liburing function is `io_uring_prep_unlinkat`; see `io_uring_prep_unlinkat(3)`, `unlinkat(2)`.
@frozen
public struct UnlinkAt: SingleShotOperation, ~Copyable {
    /// Where the path begins, if it is relative.
    public var directory: FileHold
    /// The path.
    public var path: PathStorage
    /// How the name is removed.
    public var flags: UnlinkFlags

    /// Makes an operation that removes a name.
    ///
    /// - Parameters:
    ///   - path: The path.
    ///   - directory: Where the path begins, if it is relative.
    ///   - flags: How the name is removed; without any, a directory is `EISDIR` in the result.
    @inlinable @inline(__always)
    public init(
        _ path: consuming PathStorage, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        flags: UnlinkFlags = []
    ) {
        self.directory = directory.hold()
        self.path = path
        self.flags = flags
    }

    /// Makes an operation that removes a name; see ``init(_:in:flags:)-(PathStorage,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        flags: UnlinkFlags = []
    ) {
        self.init(PathStorage(path), in: directory, flags: flags)
    }

    @inlinable public static var opcode: Opcode { .unlinkAt }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 11) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .unlinkAt
        entry.setDirectory(directory)
        // SAFETY: the path is the operation's own.
        unsafe entry.setPath(path)
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}

/// How a file gets another name, `RENAME_*`.
@frozen
public struct RenameFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Fails with `EEXIST` if the new name is taken.
    @inlinable public static var noReplace: RenameFlags { RenameFlags(rawValue: CURING_RENAME_NOREPLACE) }
    /// Swaps two names; both must exist.
    @inlinable public static var exchange: RenameFlags { RenameFlags(rawValue: CURING_RENAME_EXCHANGE) }
    /// Leaves an overlay file system's whiteout behind.
    @inlinable public static var whiteout: RenameFlags { RenameFlags(rawValue: CURING_RENAME_WHITEOUT) }
}

/// Gives a file or directory another name, in the same file system.
///
/// The result is empty. What had the new name before is replaced, unless the flags say otherwise.
///
/// - Requires: Linux 5.11, `IORING_OP_RENAMEAT`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel has its own copies of the paths once the entry is consumed.
///
/// The liburing function is `io_uring_prep_renameat`; see `io_uring_prep_renameat(3)`, `renameat2(2)`.
@frozen
public struct RenameAt: SingleShotOperation, ~Copyable {
    /// Where the path begins, if it is relative.
    public var directory: FileHold
    /// The path.
    public var path: PathStorage
    /// Where the new path begins, if it is relative.
    public var newDirectory: FileHold
    /// The new path.
    public var newPath: PathStorage
    /// How the name changes.
    public var flags: RenameFlags

    /// Makes an operation that gives a file another name.
    ///
    /// - Parameters:
    ///   - path: The path.
    ///   - directory: Where the path begins, if it is relative.
    ///   - newPath: The new path.
    ///   - newDirectory: Where the new path begins, if it is relative.
    ///   - flags: How the name changes.
    @inlinable @inline(__always)
    public init(
        _ path: consuming PathStorage, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        to newPath: consuming PathStorage,
        in newDirectory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        flags: RenameFlags = []
    ) {
        self.directory = directory.hold()
        self.path = path
        self.newDirectory = newDirectory.hold()
        self.newPath = newPath
        self.flags = flags
    }

    /// Makes an operation that gives a file another name; see ``init(_:in:to:in:flags:)-(PathStorage,_,_,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        to newPath: FilePath, in newDirectory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        flags: RenameFlags = []
    ) {
        self.init(PathStorage(path), in: directory, to: PathStorage(newPath), in: newDirectory, flags: flags)
    }

    @inlinable public static var opcode: Opcode { .renameAt }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 11) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .renameAt
        // SAFETY: the paths are the operation's own.
        unsafe entry.setPaths(path, in: directory, newPath, in: newDirectory)
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}

/// Makes a directory.
///
/// The result is empty.
///
/// - Requires: Linux 5.15, `IORING_OP_MKDIRAT`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel has its own copy of the path once the entry is consumed.
///
/// The liburing function is `io_uring_prep_mkdirat`; see `io_uring_prep_mkdirat(3)`, `mkdirat(2)`.
@frozen
public struct MkdirAt: SingleShotOperation, ~Copyable {
    /// Where the path begins, if it is relative.
    public var directory: FileHold
    /// The path.
    public var path: PathStorage
    /// The new directory's permissions.
    public var permissions: FilePermissions

    /// Makes an operation that makes a directory.
    ///
    /// - Parameters:
    ///   - path: The path.
    ///   - directory: Where the path begins, if it is relative.
    ///   - permissions: The new directory's permissions, less the process's mask; all by default.
    @inlinable @inline(__always)
    public init(
        _ path: consuming PathStorage, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        permissions: FilePermissions = [.ownerReadWriteExecute, .groupReadWriteExecute, .otherReadWriteExecute]
    ) {
        self.directory = directory.hold()
        self.path = path
        self.permissions = permissions
    }

    /// Makes an operation that makes a directory; see ``init(_:in:permissions:)-(PathStorage,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        permissions: FilePermissions = [.ownerReadWriteExecute, .groupReadWriteExecute, .otherReadWriteExecute]
    ) {
        self.init(PathStorage(path), in: directory, permissions: permissions)
    }

    @inlinable public static var opcode: Opcode { .mkdirAt }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 15) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .mkdirAt
        entry.setDirectory(directory)
        // SAFETY: the path is the operation's own.
        unsafe entry.setPath(path)
        entry.length = UInt32(permissions.rawValue)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}
