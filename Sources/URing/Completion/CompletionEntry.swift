// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// What the kernel says of an operation: the result and the flags of `struct io_uring_cqe`.
@frozen
public struct CompletionEntry: BitwiseCopyable, Sendable {
    /// The flags above the result, as they lie in the queue: one word is passed on in fewer instructions than its halves.
    @usableFromInline let word: UInt64

    /// Makes an entry, for testing an operation's ``Operation/complete(_:kernelData:)``.
    @inlinable @inline(__always)
    public init(result: Int32, flags: CompletionFlags = []) {
        word = UInt64(flags.rawValue) << 32 | UInt64(UInt32(bitPattern: result))
    }

    /// The operation's own result when not negative, else a negated error number.
    @inlinable
    public var result: Int32 {
        @inline(__always) get { Int32(truncatingIfNeeded: word) }
    }

    /// What else the kernel says, and what the ring found out.
    @inlinable
    public var flags: CompletionFlags {
        @inline(__always) get { CompletionFlags(rawValue: UInt32(truncatingIfNeeded: word &>> 32)) }
    }

    /// The error, if the operation failed.
    @inlinable
    public var errno: Errno? {
        @inline(__always) get { result < 0 ? Errno(rawValue: 0 &- result) : nil }
    }

    /// The result as a count, or the error.
    @inlinable
    public var count: Result<Int, Errno> {
        @inline(__always) get { result < 0 ? .failure(Errno(rawValue: 0 &- result)) : .success(Int(result)) }
    }

    /// Success without a value, or the error.
    @inlinable
    public var status: Result<Void, Errno> {
        @inline(__always) get { result < 0 ? .failure(Errno(rawValue: 0 &- result)) : .success(()) }
    }
}

extension CompletionEntry: CustomStringConvertible {
    /// The result, the error if it is one, and the flags.
    public var description: String {
        "result \(result)\(errno.map { " (\($0))" } ?? ""), flags 0x\(String(flags.rawValue, radix: 16))"
    }
}

/// The flags of a completion, `IORING_CQE_F_*`, and two that the ring itself sets.
@frozen
public struct CompletionFlags: OptionSet, BitwiseCopyable, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable @inline(__always)
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// The upper 16 bits name a provided buffer, or of an incremental pool what the ring noted of it.
    @inlinable public static var buffer: CompletionFlags { CompletionFlags(rawValue: CURING_CQE_F_BUFFER) }
    /// The operation has more completions to come; without it this is the last.
    @inlinable public static var more: CompletionFlags { CompletionFlags(rawValue: CURING_CQE_F_MORE) }
    /// The socket has more data, or the listener more connections.
    @inlinable public static var socketNotEmpty: CompletionFlags { CompletionFlags(rawValue: CURING_CQE_F_SOCK_NONEMPTY) }
    /// A zero-copy send lets go of its memory.
    @inlinable public static var notification: CompletionFlags { CompletionFlags(rawValue: CURING_CQE_F_NOTIF) }
    /// A provided buffer is only partly used.
    @inlinable public static var bufferMore: CompletionFlags { CompletionFlags(rawValue: CURING_CQE_F_BUF_MORE) }
    /// A filler that says nothing.
    @inlinable public static var skip: CompletionFlags { CompletionFlags(rawValue: CURING_CQE_F_SKIP) }
    /// The entry takes 32 bytes.
    @inlinable public static var large: CompletionFlags { CompletionFlags(rawValue: CURING_CQE_F_32) }
    /// The operation's linked timeout was over before the operation was done; said by the ring, not the kernel.
    @inlinable public static var timedOut: CompletionFlags { CompletionFlags(rawValue: CURING_NOTE_TIMED_OUT) }
    /// The operation did not start, because an earlier one of its chain ended it; said by the ring, not the kernel.
    @inlinable public static var cancelledByLink: CompletionFlags { CompletionFlags(rawValue: CURING_NOTE_CANCELLED_BY_LINK) }
}
