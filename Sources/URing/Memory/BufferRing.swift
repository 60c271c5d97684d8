// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A pool of buffers from which the kernel picks one when data arrives, so that waiting operations need none of their own.
///
/// Make one with ``Ring/makeBufferRing(count:byteCount:group:mode:)``, and operations on it such as ``ReceiveMultishot``. They give
/// a ``BufferLease`` for each buffer the kernel has filled. Dropping the pool ends it when the last operation on it has ended; its memory
/// goes with the last lease.
@frozen
public struct BufferRing: ~Copyable {
    @usableFromInline let state: BufferRingState

    init(state: BufferRingState) {
        self.state = state
    }

    deinit {
        state.releaseRegistration()
    }

    /// How the kernel uses a buffer.
    public enum Mode: Sendable, Hashable {
        /// One completion has a buffer for itself, however little is in it.
        case whole
        /// Completions fill a buffer one after the other until it is full, or fewer than `minimumLeft` bytes are left (Linux 6.12).
        ///
        /// With `minimumLeft` other than zero, a kernel is needed that knows it; others ignore or refuse it.
        case incremental(minimumLeft: Int = 0)
    }

    /// How many buffers there are.
    public var count: Int { state.count }

    /// How large each of them is.
    public var byteCount: Int { state.byteCount }

    /// How many of them the kernel can fill now; when an operation has ended for want of buffers, prepare it again once this is not zero.
    public var availableCount: Int { state.availableCount }

    /// How many of them are leased.
    public var leasedCount: Int { state.count - state.availableCount }

    /// How often an operation found no buffer.
    public var exhaustionCount: UInt64 { state.exhaustionCount }

    /// Takes a share in the pool for an operation.
    @inlinable @inline(__always)
    borrowing func hold() -> BufferRingHold { BufferRingHold(state) }
}

/// An operation's share in a buffer ring.
@frozen
public struct BufferRingHold: ~Copyable {
    @usableFromInline let state: BufferRingState

    @inlinable @inline(__always)
    init(_ state: BufferRingState) {
        state.retainRegistration()
        self.state = state
    }

    @inlinable
    deinit {
        state.releaseRegistration()
    }
}

/// Bytes that the kernel has put into a buffer of a ``BufferRing``.
///
/// The buffer goes back to its pool when the lease is dropped. As a ``ByteSource`` it can be the memory of a ``Send`` or ``Write``, which
/// passes it on without a copy; it goes back when that is done.
@safe
public struct BufferLease: ~Copyable, ByteSource {
    private let state: BufferRingState?
    private let identifier: Int
    // SAFETY: the bytes are this lease's alone until it gives the buffer back; the state keeps the memory.
    private let start: UnsafeRawPointer?
    /// How many bytes there are.
    public private(set) var count: Int

    /// Makes a lease of nothing.
    @usableFromInline
    init() {
        state = nil
        identifier = 0
        unsafe start = nil
        count = 0
    }

    init(state: BufferRingState, identifier: Int, bytes: UnsafeRawBufferPointer) {
        self.state = state
        self.identifier = identifier
        unsafe start = bytes.baseAddress
        count = bytes.count
    }

    deinit {
        state?.giveBack(identifier)
    }

    /// Whether there is nothing, as at the end of a stream.
    public var isEmpty: Bool { count == 0 }

    /// The bytes.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = unsafe RawSpan(_unsafeBytes: kernelBytes)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The bytes, for an operation.
    @unsafe public var kernelBytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: start, count: count)
    }

    /// Forgets the bytes from `count` on.
    ///
    /// - Precondition: There are so many.
    public mutating func truncate(to count: Int) {
        require(count >= 0 && count <= self.count, "A lease can be truncated only to fewer bytes than it has.")
        self.count = count
    }

    /// The bytes as an array.
    public func copyBytes() -> [UInt8] { unsafe [UInt8](kernelBytes) }
}

extension Ring {
    /// Makes a pool of buffers from which the kernel picks.
    ///
    /// - Parameters:
    ///   - count: How many buffers: a power of two, at most 32768.
    ///   - byteCount: How large each of them is.
    ///   - group: The number by which the kernel knows the pool, one for each pool of a ring.
    ///   - mode: How the kernel uses a buffer.
    /// - Returns: The pool.
    /// - Throws: `EEXIST` if the group is in use, `EINVAL` if the kernel is too old for the mode, `ENOMEM` beyond the limit of locked memory.
    /// - Precondition: The count is a power of two from 1 to 32768, and the buffers are not empty.
    ///
    /// The liburing function is `io_uring_setup_buf_ring`; see `io_uring_register_buf_ring(3)`. Linux 5.19.
    public mutating func makeBufferRing(
        count: Int, byteCount: Int, group: UInt16 = 0, mode: BufferRing.Mode = .whole
    ) throws(Errno) -> BufferRing {
        require(
            count >= 1 && count <= 32768 && count & (count - 1) == 0, "A buffer ring has a power of two of buffers, at most 32768.")
        require(byteCount >= 1 && byteCount <= Int(Int32.max), "The buffers of a ring have from 1 byte to 2 GiB each.")
        let (isIncremental, minimumLeft) =
            switch mode {
            case .whole: (false, 0)
            case .incremental(let minimumLeft): (true, minimumLeft)
            }
        return BufferRing(
            state: try BufferRingState(
                anchor: core.anchor, group: group, count: count, byteCount: byteCount, isIncremental: isIncremental,
                minimumLeft: minimumLeft))
    }
}
