// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How a further name is given to a file.
@frozen
public struct LinkFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Gives the name to what a symbolic link points to, not to the link itself.
    @inlinable public static var followSymbolicLink: LinkFlags { LinkFlags(rawValue: CURING_AT_SYMLINK_FOLLOW) }
    /// With an empty path, gives the name to the file that is given as the directory.
    ///
    /// The process needs the capability `CAP_DAC_READ_SEARCH`, or has to have opened the file itself (Linux 6.10).
    @inlinable public static var emptyPath: LinkFlags { LinkFlags(rawValue: CURING_AT_EMPTY_PATH) }
}

/// Gives a file a further name, in the same file system: a hard link.
///
/// The result is empty. A name that is taken is `EEXIST` in it, and another file system `EXDEV`.
///
/// - Requires: Linux 5.15, `IORING_OP_LINKAT`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel has its own copies of the paths once the entry is consumed.
///
/// The liburing function is `io_uring_prep_linkat`; see `io_uring_prep_linkat(3)`, `linkat(2)`.
@frozen
public struct LinkAt: SingleShotOperation, ~Copyable {
    /// Where the path begins, if it is relative.
    public var directory: FileHold
    /// The path of the file.
    public var path: PathStorage
    /// Where the new path begins, if it is relative.
    public var newDirectory: FileHold
    /// The new path.
    public var newPath: PathStorage
    /// How the name is given.
    public var flags: LinkFlags

    /// Makes an operation that gives a file a further name.
    ///
    /// - Parameters:
    ///   - path: The path of the file.
    ///   - directory: Where the path begins, if it is relative.
    ///   - newPath: The new path.
    ///   - newDirectory: Where the new path begins, if it is relative.
    ///   - flags: How the name is given.
    @inlinable @inline(__always)
    public init(
        _ path: consuming PathStorage, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        to newPath: consuming PathStorage,
        in newDirectory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        flags: LinkFlags = []
    ) {
        self.directory = directory.hold()
        self.path = path
        self.newDirectory = newDirectory.hold()
        self.newPath = newPath
        self.flags = flags
    }

    /// Makes an operation that gives a file a further name; see ``init(_:in:to:in:flags:)-(PathStorage,_,_,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        to newPath: FilePath, in newDirectory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        flags: LinkFlags = []
    ) {
        self.init(PathStorage(path), in: directory, to: PathStorage(newPath), in: newDirectory, flags: flags)
    }

    @inlinable public static var opcode: Opcode { .linkAt }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 15) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .linkAt
        // SAFETY: the paths are the operation's own.
        unsafe entry.setPaths(path, in: directory, newPath, in: newDirectory)
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}

/// Makes a symbolic link.
///
/// The result is empty. Whether there is anything at the link's target does not matter; a path that is taken is `EEXIST` in the result.
///
/// - Requires: Linux 5.15, `IORING_OP_SYMLINKAT`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel has its own copies of the paths once the entry is consumed.
///
/// The liburing function is `io_uring_prep_symlinkat`; see `io_uring_prep_symlinkat(3)`, `symlinkat(2)`.
@frozen
public struct SymlinkAt: SingleShotOperation, ~Copyable {
    /// What the link says.
    public var target: PathStorage
    /// Where the link's path begins, if it is relative.
    public var directory: FileHold
    /// The link's path.
    public var path: PathStorage

    /// Makes an operation that makes a symbolic link.
    ///
    /// - Parameters:
    ///   - target: What the link says; if it is relative, it begins where the link is.
    ///   - path: The link's path.
    ///   - directory: Where the link's path begins, if it is relative.
    @inlinable @inline(__always)
    public init(
        to target: consuming PathStorage, at path: consuming PathStorage,
        in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory
    ) {
        self.target = target
        self.directory = directory.hold()
        self.path = path
    }

    /// Makes an operation that makes a symbolic link; see ``init(to:at:in:)-(PathStorage,_,_)``.
    ///
    /// The link says what a `FilePath` keeps of its text, which is neither a slash at the end nor one behind another.
    /// To copy links, or to have them say anything else, use the other initialiser.
    @inlinable @inline(__always)
    public init(
        to target: FilePath, at path: FilePath,
        in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory
    ) {
        self.init(to: PathStorage(target), at: PathStorage(path), in: directory)
    }

    @inlinable public static var opcode: Opcode { .symlinkAt }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 15) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .symlinkAt
        entry.setDirectory(directory)
        // SAFETY: the paths are the operation's own.
        unsafe entry.setPath(target)
        unsafe entry.offset = path.kernelAddress
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}
