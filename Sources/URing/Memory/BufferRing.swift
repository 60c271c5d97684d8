// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A pool of buffers from which the kernel picks one when data arrives, so that waiting operations need none of their own.
///
/// Make one with ``Ring/makeBufferRing(count:byteCount:group:mode:isKernelMapped:)``, and operations on it such as ``ReceiveMultishot``. They
/// give a ``BufferLease`` for each buffer the kernel has filled, and the buffer comes back when the lease is dropped. An operation
/// that finds no buffer ends with ``MultishotEnding/outOfBuffers``; the data stays where it is, and the pool tells by ``canRearm`` when
/// preparing the operation again makes sense.
///
/// Dropping the pool ends it when the last operation on it has ended; its memory goes with the last lease.
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
        /// This is for multishots: preparing an operation on it that completes once traps, because a worker thread may carry that out, and
        /// the kernel does not say then how much it has taken; so does preparing a
        /// ``ReceiveBundleMultishot``. And it is for streams. A datagram gets what is left of a buffer and loses
        /// the rest, and descriptors that are read by whole records, such as an eventfd, fail with `EINVAL` when less is left.
        ///
        /// The completions may be taken in any order. No more than 65536 can be read and neither taken nor dropped; another one traps.
        /// With `minimumLeft` other than zero, a newer kernel is needed that knows it.
        case incremental(minimumLeft: Int = 0)

        var isIncremental: Bool { self != .whole }

        /// What a buffer must have left to be filled on; with less the kernel is done with it.
        var minimumLeft: Int {
            switch self {
            case .whole: 0
            case .incremental(let minimumLeft): minimumLeft
            }
        }

        /// How much at least a completion can have of buffers of that size.
        @usableFromInline
        func usableByteCount(of byteCount: Int) -> Int { isIncremental ? minimumLeft : byteCount }
    }

    /// How many buffers there are.
    public var count: Int { state.count }

    /// How large each of them is.
    public var byteCount: Int { state.byteCount }

    /// How the kernel uses them.
    public var mode: Mode { state.mode }

    /// Whether the kernel has a buffer, so that it makes sense to prepare an operation again that ended for want of one.
    ///
    /// It becomes true when a lease is dropped, and at no other time. After an operation has found no buffer although one seems to be available,
    /// it asks the kernel (Linux 6.8): an operation that a worker thread waits with has one already.
    public var canRearm: Bool { state.hasAvailable }

    /// How many of the buffers the kernel can fill, as far as completions have been taken; in incremental mode, as far as they were read.
    ///
    /// Those count as well that operations have which worker threads wait with. Asking takes in the buffers whose leases were dropped on
    /// other threads.
    public var availableCount: Int { state.availableCount }

    /// How many of the buffers the kernel is done with and that are not back yet, because they are leased.
    public var leasedCount: Int { state.count - state.availableCount }

    /// How many leases there are; in incremental mode a buffer can have several, also while the kernel goes on with it.
    ///
    /// Those count as well, in incremental mode, that are in completions which were read and not yet taken.
    public var leaseCount: Int { state.leaseCount }

    /// How often an operation found no buffer, `ENOBUFS`.
    public var exhaustionCount: UInt64 { state.exhaustionCount }

    /// Asks the kernel how many of the buffers it has, those not counted that it has put into completions which nobody has taken yet.
    ///
    /// - Throws: `EBADF` if the ring is gone, `EINVAL` if the kernel is too old.
    ///
    /// The liburing function is `io_uring_buf_ring_available`; see `io_uring_buf_ring_head(3)`. Linux 6.8.
    public func queryAvailableCount() throws(Errno) -> Int {
        state.takeReturned()
        return try state.kernelCount()
    }

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

extension Ring {
    /// Makes a pool of buffers from which the kernel picks.
    ///
    /// - Parameters:
    ///   - count: How many buffers: a power of two, at most 32768.
    ///   - byteCount: How large each of them is.
    ///   - group: The number by which the kernel knows the pool, one for each ring of buffers.
    ///   - mode: How the kernel uses a buffer.
    ///   - isKernelMapped: Whether the kernel allocates the ring's entries, which are else memory of the process that is locked (Linux 6.4).
    ///     The ring's file then stays open as long as the pool, and the group is below 2048.
    /// - Returns: The pool.
    /// - Throws: An error that names the likely cause.
    ///
    /// The liburing function is `io_uring_setup_buf_ring`; see `io_uring_register_buf_ring(3)`. Linux 5.19.
    public mutating func makeBufferRing(
        count: Int, byteCount: Int, group: UInt16 = 0, mode: BufferRing.Mode = .whole, isKernelMapped: Bool = false
    ) throws(BufferRingError) -> BufferRing {
        BufferRing(
            state: try BufferRingState(
                anchor: core.anchor, ringIdentity: core.table.identity, group: group, count: count, byteCount: byteCount, mode: mode,
                isKernelMapped: isKernelMapped))
    }
}
