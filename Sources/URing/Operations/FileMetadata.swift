// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How a file is found and how fresh its metadata is to be, `AT_*`.
@frozen
public struct StatxFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Looks at a symbolic link itself.
    @inlinable public static var noFollow: StatxFlags { StatxFlags(rawValue: CURING_AT_SYMLINK_NOFOLLOW) }
    /// Does not mount what is mounted on demand.
    @inlinable public static var noAutomount: StatxFlags { StatxFlags(rawValue: CURING_AT_NO_AUTOMOUNT) }
    /// Looks at the directory argument itself, any kind of file, when the path is empty.
    @inlinable public static var emptyPath: StatxFlags { StatxFlags(rawValue: CURING_AT_EMPTY_PATH) }
    /// Asks the server of a network file system.
    @inlinable public static var forceSync: StatxFlags { StatxFlags(rawValue: CURING_AT_STATX_FORCE_SYNC) }
    /// Takes what is cached of a network file system.
    @inlinable public static var doNotSync: StatxFlags { StatxFlags(rawValue: CURING_AT_STATX_DONT_SYNC) }
}

/// Asks for a file's metadata.
///
/// The result is a ``FileStatus``; its ``FileStatus/fields`` say which parts the file system gave.
///
/// - Requires: Linux 5.6, `IORING_OP_STATX`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel writes to the operation's kernel data until the completion; it has its own copy of the path once the entry
///   is consumed. The operation does not fit a slot of the in-flight table and lies in a box.
///
/// The liburing function is `io_uring_prep_statx`; see `io_uring_prep_statx(3)`, `statx(2)`.
@frozen
public struct Statx: SingleShotOperation, ~Copyable {
    /// Where the path begins, if it is relative.
    public var directory: FileHold
    /// The path.
    public var path: PathStorage
    /// How the file is found.
    public var flags: StatxFlags
    /// What is asked for.
    public var fields: FileStatus.Fields

    /// Makes an operation that asks for the metadata of the file at a path.
    ///
    /// - Parameters:
    ///   - path: The path.
    ///   - directory: Where the path begins, if it is relative.
    ///   - flags: How the file is found.
    ///   - fields: What is asked for; the kernel may give more or less.
    @inlinable @inline(__always)
    public init(
        _ path: consuming PathStorage, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        flags: StatxFlags = [], fields: FileStatus.Fields = .basic
    ) {
        self.directory = directory.hold()
        self.path = path
        self.flags = flags
        self.fields = fields
    }

    /// Makes an operation that asks for the metadata of the file at a path; see ``init(_:in:flags:fields:)-(PathStorage,_,_,_)``.
    @inlinable @inline(__always)
    public init(
        _ path: FilePath, in directory: borrowing some NumberedFileResource & ~Copyable = UnownedDescriptor.currentDirectory,
        flags: StatxFlags = [], fields: FileStatus.Fields = .basic
    ) {
        self.init(PathStorage(path), in: directory, flags: flags, fields: fields)
    }

    /// Makes an operation that asks for the metadata of an open file; the kernel does not for a direct descriptor.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - flags: How fresh the metadata is to be.
    ///   - fields: What is asked for; the kernel may give more or less.
    @inlinable @inline(__always)
    public init(of file: borrowing some NumberedFileResource & ~Copyable, flags: StatxFlags = [], fields: FileStatus.Fields = .basic) {
        self.init(PathStorage(FilePath()), in: file, flags: flags.union(.emptyPath), fields: fields)
    }

    @inlinable public static var opcode: Opcode { .statx }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<FileStatus>) {
        unsafe kernelData.initialize(to: FileStatus())
        entry.opcode = .statx
        entry.setDirectory(directory)
        // SAFETY: the path is the operation's own, and the kernel data lies beside it.
        unsafe entry.setPath(path)
        unsafe entry.offset = UInt64(UInt(bitPattern: kernelData))
        entry.length = fields.rawValue
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing FileStatus) -> Result<FileStatus, Errno> {
        completion.result < 0 ? .failure(Errno(rawValue: 0 &- completion.result)) : .success(copy kernelData)
    }
}
