// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Receives once, into a buffer that the kernel picks from a pool when data is there.
///
/// The result is a lease of the buffer with what was received, which is empty at the end of the stream. A pool without a buffer is the error
/// `ENOBUFS`; nothing is lost then. What of a datagram does not fit into the buffer is.
///
/// The pool has ``BufferRing/Mode/whole`` buffers; only multishots can share one. A receive that a worker thread carries out, because it is
/// ``PrepareOptions/asynchronous`` or because others were faster many times to receive from the same socket, has its buffer
/// from then on, until it ends.
///
/// - Requires: Linux 5.19, `IORING_OP_RECV` with `IOSQE_BUFFER_SELECT`.
/// - Important: The kernel writes to a buffer of the pool, until the completion that names it.
///
/// The liburing function is `io_uring_prep_recv`; see `io_uring_prep_recv(3)`, `recv(2)`.
@frozen
public struct ReceiveProvided: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// The pool, kept registered until the operation is done.
    public var buffers: BufferRingHold
    /// How the receive is done.
    public var flags: ReceiveFlags
    /// Whether to wait for data first instead of trying at once.
    public var pollFirst: Bool

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The connected socket.
    ///   - buffers: A pool of whole buffers of the ring that the operation is prepared on.
    ///   - flags: How the receive is done.
    ///   - pollFirst: Whether to wait for data first instead of trying at once, when there is none yet.
    /// - Precondition: When it is prepared, the pool is not incremental, and the flags have neither ``ReceiveFlags/waitAll`` nor
    ///   ``ReceiveFlags/truncate``, with which the kernel counts bytes that it has not written.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, into buffers: borrowing BufferRing, flags: ReceiveFlags = [],
        pollFirst: Bool = false
    ) {
        self.file = file.hold()
        self.buffers = buffers.hold()
        self.flags = flags
        self.pollFirst = pollFirst
    }

    @inlinable public static var opcode: Opcode { .receive }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        require(
            flags.isDisjoint(with: [.waitAll, .truncate]),
            "A receive into a provided buffer can neither wait for all nor ask for the true size.")
        entry.opcode = .receive
        entry.setFile(file)
        entry.operationFlags = flags.rawValue
        if pollFirst { entry.ioPriority = CURING_RECVSEND_POLL_FIRST }
        entry.selectOneBuffer(from: buffers)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<BufferLease, Errno> {
        buffers.lease(completion)
    }
}

/// Receives again and again into buffers that the kernel picks from a pool.
///
/// Each result is a lease of the buffer with what has arrived; an empty one is the end of the stream, or an empty datagram, and is the
/// last. It also ends when the pool has no buffer left: the data stays in the socket, and preparing it again once leases have
/// gone back loses nothing. See ``MultishotEnding``.
///
/// - Requires: Linux 6.0, `IORING_OP_RECV` with `IORING_RECV_MULTISHOT`.
/// - Important: The kernel writes to buffers of the pool, each until the completion that names it.
///
/// The liburing function is `io_uring_prep_recv_multishot`; see `io_uring_prep_recv(3)`, `recv(2)`.
@frozen
public struct ReceiveMultishot: MultishotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// The pool, kept registered until the operation is done.
    public var buffers: BufferRingHold
    /// Whether to wait for data first instead of trying at once.
    public var pollFirst: Bool

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The connected socket.
    ///   - buffers: A pool of the ring that the operation is prepared on.
    ///   - pollFirst: Whether to wait for data first instead of trying at once, when there is none yet.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, into buffers: borrowing BufferRing, pollFirst: Bool = false) {
        self.file = file.hold()
        self.buffers = buffers.hold()
        self.pollFirst = pollFirst
    }

    @inlinable public static var opcode: Opcode { .receive }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 0) }

    @inlinable public static var routing: CompletionRouting { .pooled }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .receive
        entry.setFile(file)
        entry.ioPriority = CURING_RECV_MULTISHOT | (pollFirst ? CURING_RECVSEND_POLL_FIRST : 0)
        entry.selectBuffer(from: buffers)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<BufferLease, Errno> {
        buffers.lease(completion)
    }

    @inlinable
    public borrowing func ending(_ completion: CompletionEntry) -> MultishotEnding { completion.bufferSelectingEnding }
}
