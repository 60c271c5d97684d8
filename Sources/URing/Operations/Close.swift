// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// What became of a descriptor that was to be closed.
@frozen
public enum CloseOutcome: Sendable, Hashable {
    /// It is closed.
    case closed
    /// Other operations held it when this one was prepared: it is closed when they and this one have let go of it.
    case deferred
}

/// Closes a descriptor without blocking the thread.
///
/// The result says whether it was closed or, because other operations hold it, is going to be; those are not ended by this. An error
/// such as `EIO` or `ENOSPC` speaks of data that could not be written: the descriptor is closed all the same. If the operation is
/// cancelled, dropping it closes the descriptor; so it does on a ring that cannot close: with ``RingOptions/Flags/ioPolling`` (`EINVAL`), or
/// restricted without ``Opcode/close`` when the operation was prepared (`EACCES`).
///
/// The kernel refuses two more kinds of entries, with errors that may also be the file's own: one without flags that ``RingRestrictions``
/// require or with flags that they do not allow (`EACCES`), and one with a ``Personality`` that was dropped (`EINVAL`); nor does it close the
/// descriptor of a ring (`EBADF`). The descriptor is taken for closed then and stays open, because closing its number again might close
/// another file.
///
/// - Note: A file system (in user space) that answers the flush with `ECANCELED` cannot be told from a cancellation: the number, free by then,
///   is closed once more.
///
/// - Requires: Linux 5.6, `IORING_OP_CLOSE`; of a direct descriptor Linux 5.15.
/// - Important: The kernel touches no memory.
///
/// The liburing functions are `io_uring_prep_close` and `io_uring_prep_close_direct`; see `io_uring_prep_close(3)`, `close(2)`.
@frozen
public struct Close<File: OwnedFile & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The descriptor; after success it stands for no file.
    public var descriptor: File
    /// Whether other operations held the descriptor when this one was prepared.
    @usableFromInline var isDeferred: Bool
    /// Whether this one was prepared on a ring that cannot close.
    @usableFromInline var isRefused: Bool

    /// Makes an operation that closes a descriptor.
    @inlinable @inline(__always)
    public init(_ descriptor: consuming File) {
        self.descriptor = descriptor
        isDeferred = false
        isRefused = false
    }

    @inlinable public static var opcode: Opcode { .close }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        // Only a hold can give another, and this operation owns the descriptor: with no hold now there will be none until it is done.
        isDeferred = descriptor.isHeld
        isRefused = entry.refusesClosing
        if isDeferred {
            entry.opcode = .nop
            entry.fileDescriptor = -1
        } else {
            entry.opcode = .close
            // SAFETY: the operation owns the descriptor, which no other uses.
            unsafe entry.setClosing(descriptor)
        }
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<CloseOutcome, Errno>
    {
        if isDeferred { return completion.result < 0 ? .failure(Errno(rawValue: 0 &- completion.result)) : .success(.deferred) }
        // The kernel takes the number out of the table before it reports what flushing the file came to. Only a cancelled
        // operation, and one that it refused, leaves the number with its owner. A slot is not flushed. That it was refused the error alone does
        // not say: a file system may give the same one. EBADF is a file system's, or says that there is no such number; a ring's own number,
        // which the kernel does not close, cannot be told from that, and stays open rather than that another's is closed.
        switch completion.errno {
        case nil:
            unsafe descriptor.noteClosed()
            return .success(.closed)
        case .canceled?:
            return .failure(.canceled)
        case let errno?:
            if !File.isDirect && !isRefused { unsafe descriptor.noteClosed() }
            return .failure(errno)
        }
    }
}

extension SubmissionEntry {
    /// Whether the kernel refuses entries that close on this ring.
    @inlinable
    var refusesClosing: Bool {
        // SAFETY: the table lives as long as its ring, which has the entry.
        @inline(__always) get { unsafe table?.state.pointee.refusesClosing ?? false }
    }
}

extension InFlightTable {
    /// Notes that the kernel refuses entries that close.
    func refuseClosing() {
        // SAFETY: the table lives as long as its ring, which calls this.
        unsafe state.pointee.refusesClosing = true
    }
}
