// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// The fields of a submission queue entry, for ``RawOperation`` and ``RawMultishot``.
///
/// The names are those of ``SubmissionEntry``, which says what else each stands for. The user data is the ring's.
@frozen
public struct RawEntry: BitwiseCopyable, Sendable {
    /// Which operation this is.
    public var opcode: Opcode
    /// The flags common to all operations, `IOSQE_*`.
    public var flags: UInt8 = 0
    /// The I/O priority, or flags of the socket operations.
    public var ioPriority: UInt16 = 0
    /// The file descriptor, or what some operations keep in its place.
    public var fileDescriptor: Int32 = -1
    /// The file offset; also `addr2`, and `cmd_op` in its lower-addressed half.
    public var offset: UInt64 = 0
    /// The address of the data; also `splice_off_in`.
    public var address: UInt64 = 0
    /// The byte count of the data, or a count, a mode or flags.
    public var length: UInt32 = 0
    /// The operation's own flags.
    public var operationFlags: UInt32 = 0
    /// The index of a registered buffer, or the buffer group.
    public var bufferIndex: UInt16 = 0
    /// The registered credentials to use.
    public var personality: UInt16 = 0
    /// The slot for a new direct descriptor plus one; also `splice_fd_in`, `optlen` and in its lower-addressed half `addr_len`.
    public var fileIndex: UInt32 = 0
    /// A third address; also `optval` and the start of a command's data.
    public var address3: UInt64 = 0
    /// The last eight bytes.
    public var lastWord: UInt64 = 0

    /// Makes an entry that says nothing yet but the operation's code, and that there is no file.
    @inlinable
    public init(_ opcode: Opcode) {
        self.opcode = opcode
    }
}

/// An operation that URing has no type for, and that completes once.
///
/// The entry goes to the kernel as it is given, and the result is what the kernel answers, whether that is an error or not. What
/// the operation owns stays alive until then, and comes back with it. A result that is a resource, such as a descriptor,
/// is nobody's when the completion is dropped.
///
/// - Requires: What the opcode requires.
/// - Important: The kernel touches what the entry points to, for as long as the opcode says. With completions of 32 bytes, mind what
///   ``RingOptions/Flags/mixedCompletions`` says.
///
/// The liburing function is `io_uring_prep_rw`; see `io_uring_enter(2)`.
@frozen
public struct RawOperation<Owned: ~Copyable>: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public let file: FileHold?
    /// What the kernel gets to see.
    public let entry: RawEntry
    /// What lives as long as the operation.
    public let owned: Owned

    /// Makes an operation from an entry.
    ///
    /// - Important: Unsafe because the kernel reads and writes where the entry says. Every address in it must lie in memory that stays in
    ///   place as long as `owned` exists, and that nobody else accesses meanwhile; memory inside the value itself
    ///   moves with it, so it must be memory that the value points to, such as a ``Buffer``'s. For pointers into the operation
    ///   conform a type to ``SingleShotOperation``.
    ///
    /// - Parameters:
    ///   - entry: The fields.
    ///   - owned: What is to live until the operation is taken back or dropped.
    /// - Precondition: The entry does not ask for its completion to be skipped: the operation would never end.
    @inlinable
    @unsafe public init(_ entry: RawEntry, owning owned: consuming Owned) {
        entry.requireCompletion()
        file = nil
        self.entry = entry
        self.owned = owned
    }

    /// Makes an operation on a file from an entry, whose descriptor is set to the file's.
    ///
    /// - Important: Unsafe as ``init(_:owning:)`` is.
    ///
    /// - Parameters:
    ///   - entry: The fields.
    ///   - file: The file, kept open until the operation is done.
    ///   - owned: What is to live until the operation is taken back or dropped.
    /// - Precondition: The entry does not ask for its completion to be skipped: the operation would never end.
    @inlinable
    @unsafe public init(_ entry: RawEntry, on file: borrowing some FileResource & ~Copyable, owning owned: consuming Owned) {
        entry.requireCompletion()
        self.file = file.hold()
        self.entry = entry
        self.owned = owned
    }

    /// Means nothing: the code is the entry's.
    @inlinable public static var opcode: Opcode { .nop }

    /// Means nothing: what Linux must be depends on the entry.
    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @inlinable
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.setFields(self.entry)
        entry.setFile(file)
    }

    @inlinable
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing NoKernelData
    ) -> Result<CompletionEntry, Errno> {
        require(
            !completion.flags.contains(.more), "This raw operation completes more than once; prepare it as a RawMultishot.")
        return .success(completion)
    }
}

/// An operation that URing has no type for, and that may complete more than once.
///
/// The entry goes to the kernel as it is given, and each result is what the kernel answers, whether that is an error or not. What
/// the operation owns stays alive until the last one, and comes back with it. A result that is a resource, such as a
/// descriptor, is nobody's when the completion is dropped.
///
/// - Requires: What the opcode requires.
/// - Important: The kernel touches what the entry points to, for as long as the opcode says. With completions of 32 bytes, mind what
///   ``RingOptions/Flags/mixedCompletions`` says.
///
/// The liburing function is `io_uring_prep_rw`; see `io_uring_enter(2)`.
@frozen
public struct RawMultishot<Owned: ~Copyable>: MultishotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public let file: FileHold?
    /// What the kernel gets to see.
    public let entry: RawEntry
    /// What lives as long as the operation.
    public let owned: Owned

    /// Makes an operation from an entry.
    ///
    /// - Important: Unsafe because the kernel reads and writes where the entry says. Every address in it must lie in memory that stays in
    ///   place as long as `owned` exists, and that nobody else accesses meanwhile; memory inside the value itself
    ///   moves with it, so it must be memory that the value points to, such as a ``Buffer``'s. For pointers into the operation
    ///   conform a type to ``MultishotOperation``.
    ///
    /// - Parameters:
    ///   - entry: The fields.
    ///   - owned: What is to live until the operation is taken back or dropped.
    /// - Precondition: The entry does not ask for its completion to be skipped: the operation would never end.
    @inlinable
    @unsafe public init(_ entry: RawEntry, owning owned: consuming Owned) {
        entry.requireCompletion()
        file = nil
        self.entry = entry
        self.owned = owned
    }

    /// Makes an operation on a file from an entry, whose descriptor is set to the file's.
    ///
    /// - Important: Unsafe as ``init(_:owning:)`` is.
    ///
    /// - Parameters:
    ///   - entry: The fields.
    ///   - file: The file, kept open until the operation is done.
    ///   - owned: What is to live until the operation is taken back or dropped.
    /// - Precondition: The entry does not ask for its completion to be skipped: the operation would never end.
    @inlinable
    @unsafe public init(_ entry: RawEntry, on file: borrowing some FileResource & ~Copyable, owning owned: consuming Owned) {
        entry.requireCompletion()
        self.file = file.hold()
        self.entry = entry
        self.owned = owned
    }

    /// Means nothing: the code is the entry's.
    @inlinable public static var opcode: Opcode { .nop }

    /// Means nothing: what Linux must be depends on the entry.
    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @inlinable
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.setFields(self.entry)
        entry.setFile(file)
    }

    @inlinable
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing NoKernelData
    ) -> Result<CompletionEntry, Errno> {
        .success(completion)
    }
}

extension RawOperation where Owned == Void {
    /// Makes an operation from an entry without addresses.
    ///
    /// - Important: Unsafe as ``init(_:owning:)`` is.
    /// - Precondition: The entry does not ask for its completion to be skipped: the operation would never end.
    @inlinable
    @unsafe public init(_ entry: RawEntry) {
        unsafe self.init(entry, owning: ())
    }
}

extension RawMultishot where Owned == Void {
    /// Makes an operation from an entry without addresses.
    ///
    /// - Important: Unsafe as ``init(_:owning:)`` is.
    /// - Precondition: The entry does not ask for its completion to be skipped: the operation would never end.
    @inlinable
    @unsafe public init(_ entry: RawEntry) {
        unsafe self.init(entry, owning: ())
    }
}

extension RawEntry {
    /// Traps when the entry would give no last completion that names the operation.
    @inlinable
    func requireCompletion() {
        require(
            flags & CURING_SQE_CQE_SKIP_SUCCESS == 0,
            "A raw operation ends with its completion; leave IOSQE_CQE_SKIP_SUCCESS out of its flags.")
        // Newer kernels take it as the user data of the notification, the last completion.
        require(
            (opcode != .sendZeroCopy && opcode != .sendMessageZeroCopy) || address3 == 0,
            "A zero-copy send ends with its notification, which needs the operation's own user data; leave address3 at zero.")
    }
}

extension SubmissionEntry {
    /// Directs the operation at a file, if there is one.
    @inlinable
    func setFile(_ file: borrowing FileHold?) {
        switch file {
        case .some(let file): setFile(file)
        case .none: break
        }
    }

    /// Copies all fields but the user data.
    @inlinable
    func setFields(_ fields: RawEntry) {
        opcode = fields.opcode
        flags = fields.flags
        ioPriority = fields.ioPriority
        fileDescriptor = fields.fileDescriptor
        unsafe offset = fields.offset
        unsafe address = fields.address
        length = fields.length
        operationFlags = fields.operationFlags
        bufferIndex = fields.bufferIndex
        personality = fields.personality
        fileIndex = fields.fileIndex
        unsafe address3 = fields.address3
        unsafe lastWord = fields.lastWord
    }
}
