// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Whether an operation that was to be cancelled or updated could be reached.
///
/// None of these is an error: an operation may end, or start to run, at any moment.
@frozen
public enum TargetOutcome: Sendable, Hashable {
    /// It was found: an update has taken effect, and a cancelled operation ends, as its own completion says.
    case found
    /// It had ended, or had never been submitted: nothing was done, to it or to any other operation.
    ///
    /// The kernel does not find what a drain holds up either, nor, with a ``Cancel``, one that is on its way to another try after an event. And it
    /// says this with a polling thread also of one that a worker thread runs, although a ``Cancel`` interrupts it.
    case notFound
    /// It could not be stopped, because it is being carried out at this moment; it completes by itself.
    ///
    /// A worker thread that runs it is interrupted where the kernel can, so the operation may still end with `ECANCELED`, `EINTR` or
    /// the number 512, which is the kernel's own word for that and which some operations let out.
    case alreadyRunning
}

/// Cancels an operation by its token.
///
/// The result says whether the operation was found; its own completion comes in any case, before or after this one, and says what
/// became of it: `ECANCELED`, or what it had done by then. With it come back its buffers.
///
/// - Requires: Linux 5.5, `IORING_OP_ASYNC_CANCEL`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_cancel64`; see `io_uring_prep_cancel(3)`.
@frozen
public struct Cancel: SingleShotOperation, ~Copyable {
    /// The operation to cancel.
    public var target: AnyToken

    /// Makes an operation that cancels another which the same ring prepared.
    @inlinable @inline(__always)
    public init<Op: Operation & ~Copyable>(_ target: Token<Op>) {
        self.target = AnyToken(target)
    }

    /// Makes an operation that cancels another which the same ring prepared.
    @inlinable @inline(__always)
    public init(_ target: AnyToken) {
        self.target = target
    }

    @inlinable public static var opcode: Opcode { .asyncCancel }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 5) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .asyncCancel
        entry.fileDescriptor = -1
        unsafe entry.address = entry.target(target)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<TargetOutcome, Errno>
    {
        completion.targetOutcome
    }
}

extension CompletionEntry {
    /// Whether a cancel ended the wait of a worker thread, as far as the kernel says so with its own number for a call to be begun again.
    ///
    /// It lets that number out of splices and of opening files such as FIFOs (measured on 6.18); for reads and writes it turns it into `EINTR`.
    @inlinable
    var isInterrupted: Bool {
        @inline(__always) get { result == CURING_ERESTARTSYS }
    }

    /// What a cancel or an update says of its target.
    @inlinable
    var targetOutcome: Result<TargetOutcome, Errno> {
        @inline(__always) get {
            // Cancelling a futex wait or a waitid answers 1 where others answer 0.
            if result >= 0 { return .success(.found) }
            switch Errno(rawValue: 0 &- result) {
            case .noSuchFileOrDirectory: return .success(.notFound)
            case .alreadyInProcess: return .success(.alreadyRunning)
            case let errno: return .failure(errno)
            }
        }
    }
}
