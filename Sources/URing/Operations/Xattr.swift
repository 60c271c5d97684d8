// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// The name of an extended attribute, in memory of its own, as the kernel reads it: its bytes and a NUL.
///
/// It begins with its namespace: `user.`, `trusted.`, `security.` or `system.`. One without is `EOPNOTSUPP` in the result of an operation,
/// and one that is empty or longer than 255 bytes `ERANGE`.
@frozen
public struct XattrName: ~Copyable, Sendable {
    // Kept as a path is, and as it was given: nothing in it means anything but its file system.
    @usableFromInline let storage: PathStorage

    /// Copies a name.
    ///
    /// - Precondition: There is no NUL in it; see ``init(validating:)`` for strings that may have one.
    public init(_ name: String) {
        require(
            !name.utf8.contains(0), "The name of an attribute cannot have a NUL in it; make one of a foreign string with init(validating:)."
        )
        storage = PathStorage(copying: name)
    }

    /// Copies a name that comes from elsewhere.
    ///
    /// - Throws: `EINVAL` if there is a NUL in the string, where the kernel would end the name and take another attribute.
    public init(validating string: String) throws(Errno) {
        if string.utf8.contains(0) { throw .invalidArgument }
        storage = PathStorage(copying: string)
    }

    /// The name.
    public var string: String { storage.string }
}

/// Whether an extended attribute must be there already, `XATTR_*`; nothing set makes or replaces it.
@frozen
public struct XattrFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Makes the attribute, and fails with `EEXIST` when it is there.
    @inlinable public static var create: XattrFlags { XattrFlags(rawValue: CURING_XATTR_CREATE) }
    /// Replaces the attribute's value, and fails with `ENODATA` when it is not there.
    @inlinable public static var replace: XattrFlags { XattrFlags(rawValue: CURING_XATTR_REPLACE) }
}

/// Sets an extended attribute of the file at a path.
///
/// The result is empty. A value of more than 64 KiB is `E2BIG`, one that the file system has no room for `ENOSPC`, and a file system without
/// attributes `EOPNOTSUPP`. A symbolic link is followed.
///
/// - Requires: Linux 5.19, `IORING_OP_SETXATTR`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel has its own copies of name, value and path once the entry is consumed.
///
/// The liburing function is `io_uring_prep_setxattr`; see `io_uring_prep_setxattr(3)`, `setxattr(2)`.
@frozen
public struct SetXattr<Memory: ByteSource & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The attribute's name.
    public var name: XattrName
    /// The file's path; a relative one begins at the current directory.
    public var path: PathStorage
    /// The attribute's value: all initialised bytes.
    public var memory: Memory
    /// Whether the attribute must be there already.
    public var flags: XattrFlags

    /// Makes an operation that sets an attribute of the file at a path.
    ///
    /// - Parameters:
    ///   - name: The attribute's name.
    ///   - path: The file's path; the kernel takes no directory for it to begin at but the current one.
    ///   - memory: The attribute's value: all initialised bytes, possibly none.
    ///   - flags: Whether the attribute must be there already.
    @inlinable @inline(__always)
    public init(
        _ name: consuming XattrName, of path: consuming PathStorage, to memory: consuming Memory, flags: XattrFlags = []
    ) {
        self.name = name
        self.path = path
        self.memory = memory
        self.flags = flags
    }

    /// Makes an operation that sets an attribute of the file at a path; see ``init(_:of:to:flags:)-(XattrName,_,_,_)``.
    ///
    /// - Precondition: There is no NUL in the name.
    @inlinable @inline(__always)
    public init(_ name: String, of path: FilePath, to memory: consuming Memory, flags: XattrFlags = []) {
        self.init(XattrName(name), of: PathStorage(path), to: memory, flags: flags)
    }

    @inlinable public static var opcode: Opcode { .setxattr }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .setxattr
        // SAFETY: name, value and path are the operation's own, which has its final address.
        unsafe entry.setXattr(name, value: memory.kernelBytes)
        unsafe entry.address3 = path.kernelAddress
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}

/// Sets an extended attribute of an open file.
///
/// The result is as that of ``SetXattr``. A file that was opened for its path only is `EBADF`.
///
/// - Requires: Linux 5.19, `IORING_OP_FSETXATTR`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel has its own copies of name and value once the entry is consumed.
///
/// The liburing function is `io_uring_prep_fsetxattr`; see `io_uring_prep_fsetxattr(3)`, `fsetxattr(2)`.
@frozen
public struct FSetXattr<Memory: ByteSource & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The attribute's name.
    public var name: XattrName
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// The attribute's value: all initialised bytes.
    public var memory: Memory
    /// Whether the attribute must be there already.
    public var flags: XattrFlags

    /// Makes an operation that sets an attribute of an open file.
    ///
    /// - Parameters:
    ///   - name: The attribute's name.
    ///   - file: The file, which need not be open for writing.
    ///   - memory: The attribute's value: all initialised bytes, possibly none.
    ///   - flags: Whether the attribute must be there already.
    @inlinable @inline(__always)
    public init(
        _ name: consuming XattrName, of file: borrowing some FileResource & ~Copyable, to memory: consuming Memory, flags: XattrFlags = []
    ) {
        self.name = name
        self.file = file.hold()
        self.memory = memory
        self.flags = flags
    }

    /// Makes an operation that sets an attribute of an open file; see ``init(_:of:to:flags:)-(XattrName,_,_,_)``.
    ///
    /// - Precondition: There is no NUL in the name.
    @inlinable @inline(__always)
    public init(_ name: String, of file: borrowing some FileResource & ~Copyable, to memory: consuming Memory, flags: XattrFlags = []) {
        self.init(XattrName(name), of: file, to: memory, flags: flags)
    }

    @inlinable public static var opcode: Opcode { .fsetxattr }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .fsetxattr
        entry.setFile(file)
        // SAFETY: name and value are the operation's own, which has its final address.
        unsafe entry.setXattr(name, value: memory.kernelBytes)
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}

/// Reads an extended attribute of the file at a path into memory it owns.
///
/// The result is how many bytes the value has; the memory's count is then where they end. Into memory without any room nothing is written, and the
/// result says how much would be needed, which may be different when the attribute is read next. A value that there is too little room for is
/// `ERANGE`, and an attribute that is not there `ENODATA`. A symbolic link is followed.
///
/// - Requires: Linux 5.19, `IORING_OP_GETXATTR`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel writes to the memory until the completion; it has its own copies of name and path once the entry is consumed.
///
/// The liburing function is `io_uring_prep_getxattr`; see `io_uring_prep_getxattr(3)`, `getxattr(2)`.
@frozen
public struct GetXattr<Memory: ByteDestination & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The attribute's name.
    public var name: XattrName
    /// The file's path; a relative one begins at the current directory.
    public var path: PathStorage
    /// Where the value goes.
    public var memory: Memory

    /// Makes an operation that reads an attribute of the file at a path.
    ///
    /// - Parameters:
    ///   - name: The attribute's name.
    ///   - path: The file's path; the kernel takes no directory for it to begin at but the current one.
    ///   - memory: Where the value goes, from its start; no room at all asks for the value's size.
    @inlinable @inline(__always)
    public init(_ name: consuming XattrName, of path: consuming PathStorage, into memory: consuming Memory) {
        self.name = name
        self.path = path
        self.memory = memory
    }

    /// Makes an operation that reads an attribute of the file at a path; see ``init(_:of:into:)-(XattrName,_,_)``.
    ///
    /// - Precondition: There is no NUL in the name.
    @inlinable @inline(__always)
    public init(_ name: String, of path: FilePath, into memory: consuming Memory) {
        self.init(XattrName(name), of: PathStorage(path), into: memory)
    }

    @inlinable public static var opcode: Opcode { .getxattr }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .getxattr
        // SAFETY: name, memory and path are the operation's own, which has its final address.
        unsafe entry.setXattr(name, value: UnsafeRawBufferPointer(memory.kernelRoom))
        unsafe entry.address3 = path.kernelAddress
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        // SAFETY: the completion is that of this memory's operation.
        unsafe memory.didReadXattr(completion)
        return completion.count
    }
}

/// Reads an extended attribute of an open file into memory it owns.
///
/// The result is as that of ``GetXattr``.
///
/// - Requires: Linux 5.19, `IORING_OP_FGETXATTR`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel writes to the memory until the completion; it has its own copy of the name once the entry is consumed.
///
/// The liburing function is `io_uring_prep_fgetxattr`; see `io_uring_prep_fgetxattr(3)`, `fgetxattr(2)`.
@frozen
public struct FGetXattr<Memory: ByteDestination & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The attribute's name.
    public var name: XattrName
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// Where the value goes.
    public var memory: Memory

    /// Makes an operation that reads an attribute of an open file.
    ///
    /// - Parameters:
    ///   - name: The attribute's name.
    ///   - file: The file.
    ///   - memory: Where the value goes, from its start; no room at all asks for the value's size.
    @inlinable @inline(__always)
    public init(_ name: consuming XattrName, of file: borrowing some FileResource & ~Copyable, into memory: consuming Memory) {
        self.name = name
        self.file = file.hold()
        self.memory = memory
    }

    /// Makes an operation that reads an attribute of an open file; see ``init(_:of:into:)-(XattrName,_,_)``.
    ///
    /// - Precondition: There is no NUL in the name.
    @inlinable @inline(__always)
    public init(_ name: String, of file: borrowing some FileResource & ~Copyable, into memory: consuming Memory) {
        self.init(XattrName(name), of: file, into: memory)
    }

    @inlinable public static var opcode: Opcode { .fgetxattr }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .fgetxattr
        entry.setFile(file)
        // SAFETY: name and memory are the operation's own, which has its final address.
        unsafe entry.setXattr(name, value: UnsafeRawBufferPointer(memory.kernelRoom))
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        // SAFETY: the completion is that of this memory's operation.
        unsafe memory.didReadXattr(completion)
        return completion.count
    }
}

extension SubmissionEntry {
    /// Names an attribute, and points the entry at its value or the room for it.
    @inlinable @inline(__always)
    @unsafe func setXattr(_ name: borrowing XattrName, value: UnsafeRawBufferPointer) {
        unsafe address = unsafe name.storage.kernelAddress
        unsafe offset = UInt64(UInt(bitPattern: value.baseAddress))
        // More than the kernel takes stays more than that.
        length = UInt32(truncatingIfNeeded: min(value.count, SubmissionEntry.maximumTransfer))
    }
}

extension ByteDestination where Self: ~Copyable {
    /// Notes what of an attribute has been written.
    @inlinable @inline(__always)
    @unsafe mutating func didReadXattr(_ completion: CompletionEntry) {
        // Without room the result is what would be needed, and nothing has been written.
        guard completion.result >= 0, unsafe !kernelRoom.isEmpty else { return }
        // SAFETY: the kernel says that it has written so many bytes.
        unsafe didInitialize(byteCount: Int(completion.result))
    }
}
