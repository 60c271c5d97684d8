// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Accepts connections into a ring's file table until it is ended.
///
/// Each result is one connection in a slot that the kernel has chosen. When the table is full, the kernel accepts one more connection,
/// drops it, and ends this with ``MultishotEnding/tableFull``: watch ``FileTable/usedCount``, and prepare it again when a slot is free.
///
/// - Requires: Linux 5.19, `IORING_OP_ACCEPT` with `IORING_ACCEPT_MULTISHOT` and `IORING_FILE_INDEX_ALLOC`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_multishot_accept_direct`; see `io_uring_prep_multishot_accept_direct(3)`, `accept(2)`.
@frozen
public struct AcceptMultishotDirect: MultishotOperation, ~Copyable {
    /// The listening socket, kept open until the operation is done.
    public var file: FileHold
    /// Where the connections go.
    public var table: FileTableHold
    /// How the accept waits.
    public var mode: AcceptMode

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The listening socket.
    ///   - table: The table of the ring that the operation is prepared on.
    ///   - mode: How the accept waits; ``AcceptMode/pollFirst`` is of use here.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, into table: borrowing FileTable, mode: AcceptMode = []) {
        self.file = file.hold()
        self.table = FileTableHold(table.state)
        self.mode = mode
    }

    @inlinable public static var opcode: Opcode { .accept }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .accept
        entry.setFile(file)
        entry.fileIndex = CURING_FILE_INDEX_ALLOC
        entry.ioPriority = mode.kernelBits | CURING_ACCEPT_MULTISHOT
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing NoKernelData
    ) -> Result<DirectDescriptor, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        return .success(DirectDescriptor(received: completion.result, in: table.state))
    }

    @inlinable
    public static func ending(_ completion: CompletionEntry) -> MultishotEnding {
        switch completion.errno {
        case nil: .rearm
        case .canceled?: .cancelled
        case .tooManyOpenFilesInSystem?: .tableFull
        case let errno?: .failed(errno)
        }
    }
}

/// Installs a direct descriptor as a normal one, beside its slot.
///
/// The result is the new descriptor, close-on-exec; the slot keeps the file as well.
///
/// - Requires: Linux 6.8, `IORING_OP_FIXED_FD_INSTALL`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_fixed_fd_install`; see `io_uring_prep_fixed_fd_install(3)`.
@frozen
public struct InstallDescriptor: SingleShotOperation, ~Copyable {
    /// The slot, kept until the operation is done.
    public var file: FileHold
    /// Whether programs that are started inherit the new descriptor.
    public var isInherited: Bool

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The direct descriptor.
    ///   - isInherited: Whether programs that are started inherit the new descriptor.
    @inlinable @inline(__always)
    public init(_ file: borrowing DirectDescriptor, isInherited: Bool = false) {
        self.file = file.hold()
        self.isInherited = isInherited
    }

    @inlinable public static var opcode: Opcode { .fixedFdInstall }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 8) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .fixedFdInstall
        entry.setFile(file)
        entry.operationFlags = isInherited ? CURING_FIXED_FD_NO_CLOEXEC : 0
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Descriptor, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        return .success(Descriptor(received: completion.result))
    }
}
