// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Cancels every operation in flight on a file, or of a kind, or on the whole ring.
///
/// The result is how many were found, at least. Each of them has its own completion, before or after this one, which says what became of
/// it: `ECANCELED`, or what it had done by then, and with it come back its buffers. One that a worker thread is carrying out is
/// interrupted, and one that waits for a free worker cancelled; neither is counted. What is not submitted yet, or waits for an earlier
/// member of its chain, is not found; nor is what is on its way from an event to another try, as a datagram is for a Unix socket whose queue is
/// full, and a connection to a Unix socket whose backlog is: ``Ring/cancelAll(on:of:)`` finds that.
///
/// - Requires: Linux 5.19, `IORING_OP_ASYNC_CANCEL`; a direct descriptor Linux 6.0, an opcode Linux 6.6.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_cancel_fd`; see `io_uring_prep_cancel(3)`.
@frozen
public struct CancelAll: SingleShotOperation, ~Copyable {
    /// The file whose operations are cancelled, or nil for any.
    public var file: FileHold?
    /// The kind that is cancelled, or nil for any.
    public var kind: Opcode?

    /// Makes an operation that cancels all on a file, through whichever descriptor they reach it.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - kind: The kind to cancel alone, if not all.
    @inlinable
    public init(on file: borrowing some FileResource & ~Copyable, of kind: Opcode? = nil) {
        self.file = file.hold()
        self.kind = kind
    }

    /// Makes an operation that cancels all on the ring.
    ///
    /// - Parameter kind: The kind to cancel alone, if not all.
    @inlinable
    public init(of kind: Opcode? = nil) {
        file = nil
        self.kind = kind
    }

    @inlinable public static var opcode: Opcode { .asyncCancel }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .asyncCancel
        entry.setMatch(CancelMatch(file, kind, ringIdentity: entry.ringIdentity), flags: CURING_ASYNC_CANCEL_ALL)
    }

    @inlinable
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.count
    }
}

/// Cancels one operation in flight on a file, or of a kind: the first that the kernel finds.
///
/// The result says whether there was one; its own completion comes besides, as with ``Cancel``.
///
/// - Requires: Linux 5.19, `IORING_OP_ASYNC_CANCEL`; a direct descriptor Linux 6.0, an opcode Linux 6.6.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_cancel_fd`; see `io_uring_prep_cancel(3)`.
@frozen
public struct CancelFirst: SingleShotOperation, ~Copyable {
    /// The file on which one is cancelled, or nil for any.
    public var file: FileHold?
    /// The kind of which one is cancelled, or nil for any.
    public var kind: Opcode?

    /// Makes an operation that cancels one on a file, through whichever descriptor it reaches it.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - kind: The kind it has to be of, if any.
    @inlinable
    public init(on file: borrowing some FileResource & ~Copyable, of kind: Opcode? = nil) {
        self.file = file.hold()
        self.kind = kind
    }

    /// Makes an operation that cancels one of a kind.
    ///
    /// - Parameter kind: The kind it has to be of.
    @inlinable
    public init(of kind: Opcode) {
        file = nil
        self.kind = kind
    }

    @inlinable public static var opcode: Opcode { .asyncCancel }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .asyncCancel
        entry.setMatch(CancelMatch(file, kind, ringIdentity: entry.ringIdentity), flags: 0)
    }

    @inlinable
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<TargetOutcome, Errno>
    {
        completion.targetOutcome
    }
}

/// Which operations a cancellation is for, as the kernel takes it.
@usableFromInline
struct CancelMatch {
    /// The descriptor or slot, or -1.
    @usableFromInline let number: Int32
    /// The kind, or 0.
    @usableFromInline let opcode: UInt8
    /// `IORING_ASYNC_CANCEL_*`.
    @usableFromInline let flags: UInt32

    @inlinable
    init(_ file: borrowing FileHold?, _ kind: Opcode?, ringIdentity: UInt32) {
        var flags: UInt32 = 0
        switch file {
        case .some(let file):
            number = file.number
            flags |= CURING_ASYNC_CANCEL_FD
            if file.entryFlags & CURING_SQE_FIXED_FILE != 0 {
                file.requireSlot(ofRing: ringIdentity)
                flags |= CURING_ASYNC_CANCEL_FD_FIXED
            }
        case .none:
            number = -1
        }
        if kind != nil { flags |= CURING_ASYNC_CANCEL_OP }
        opcode = kind?.rawValue ?? 0
        self.flags = flags == 0 ? CURING_ASYNC_CANCEL_ANY : flags
    }
}

extension SubmissionEntry {
    /// Says which operations a cancellation is for.
    @inlinable
    func setMatch(_ match: CancelMatch, flags: UInt32) {
        fileDescriptor = match.number
        length = UInt32(match.opcode)
        operationFlags = match.flags | flags
    }
}
