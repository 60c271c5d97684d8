// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// An operation that is the caller's again, with its result.
///
/// Take out what is needed; what stays is released. Preparing ``operation`` once more allocates nothing.
@frozen
public struct Completed<Op: Operation & ~Copyable>: ~Copyable {
    /// The operation with everything it owns.
    public var operation: Op
    /// What came of it.
    ///
    /// A negative result of the kernel is a failure here, never a thrown error.
    public var result: Result<Op.Success, Errno>
    /// What the kernel said, as it said it.
    public let entry: CompletionEntry

    @inlinable @inline(__always)
    init(operation: consuming Op, result: consuming Result<Op.Success, Errno>, entry: CompletionEntry) {
        self.operation = operation
        self.result = result
        self.entry = entry
    }
}

extension Completed where Op: ~Copyable {
    /// Whether the time that the operation was prepared with was up before it was done.
    ///
    /// The kernel has then cancelled it, or tried to: the result is `ECANCELED`, `EINTR` of one that a worker thread was carrying out, or what it
    /// had done by then.
    @inlinable
    public var timedOut: Bool { entry.flags.contains(.timedOut) }

    /// Whether the operation did not start, because an earlier one of its chain failed or did only a part.
    ///
    /// The result is then `ECANCELED`, which otherwise means that the operation itself was cancelled. Four cases cannot be told apart,
    /// because the kernel says the same of both: behind a vectored transfer, or a receive or a message that waits for everything, being
    /// cancelled counts as by the link, since it is not known how much would have been enough; so it does behind an operation of whose
    /// failures the kernel takes no notice (<doc:LinkedRequests>), if that was refused or found the same itself: `EBADF`, `ENOTSOCK` or
    /// `EINVAL`; when the kernel makes no sense of a member's entry, those before it count as cancelled by themselves, since nothing has failed
    /// yet when their completions come; and so do all of such a chain if it is a hard one.
    @inlinable
    public var cancelledByLink: Bool { entry.flags.contains(.cancelledByLink) }
}

extension Completed where Op: MultishotOperation & ~Copyable {
    /// Why the operation ended, and with that whether to prepare it again.
    @inlinable
    public var ending: MultishotEnding { operation.ending(entry) }
}

/// What one completion of an operation says that has several.
@frozen
public enum Event<Op: RepeatingOperation & ~Copyable>: ~Copyable {
    /// The operation has yielded something and goes on; a zero-copy send has sent, and its memory is still the kernel's.
    case more(Result<Op.Success, Errno>)
    /// The operation has ended and is the caller's again; its result may still be a success.
    case finished(Completed<Op>)
}
