// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

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

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .receive
        entry.setFile(file)
        entry.ioPriority = CURING_RECV_MULTISHOT | (pollFirst ? CURING_RECVSEND_POLL_FIRST : 0)
        entry.selectBuffer(from: buffers)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<BufferLease, Errno> {
        buffers.result(of: completion)
    }

    @inlinable
    public static func ending(_ completion: CompletionEntry) -> MultishotEnding { completion.bufferSelectingEnding }
}

/// Reads again and again from a file that becomes ready, such as a pipe or a TUN device, into buffers that the kernel picks from a pool.
///
/// Each result is a lease of the buffer with what was read; an empty one is the end of the file, and the last. It ends also
/// when the pool has no buffer left; see ``ReceiveMultishot``.
///
/// - Requires: Linux 6.7, `IORING_OP_READ_MULTISHOT`. The file must be one that can be polled, else the error is `EBADFD`.
/// - Important: The kernel writes to buffers of the pool, each until the completion that names it.
///
/// The liburing function is `io_uring_prep_read_multishot`; see `io_uring_prep_read_multishot(3)`, `read(2)`.
@frozen
public struct ReadMultishot: MultishotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// The pool, kept registered until the operation is done.
    public var buffers: BufferRingHold

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - buffers: A pool of the ring that the operation is prepared on.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, into buffers: borrowing BufferRing) {
        self.file = file.hold()
        self.buffers = buffers.hold()
    }

    @inlinable public static var opcode: Opcode { .readMultishot }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 7) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .readMultishot
        entry.setFile(file)
        entry.offset = FilePosition.current.rawValue
        entry.selectBuffer(from: buffers)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<BufferLease, Errno> {
        buffers.result(of: completion)
    }

    @inlinable
    public static func ending(_ completion: CompletionEntry) -> MultishotEnding { completion.bufferSelectingEnding }
}

extension SubmissionEntry {
    /// Lets the kernel pick a buffer from a pool.
    @inlinable @inline(__always)
    func selectBuffer(from buffers: borrowing BufferRingHold) {
        flags |= CURING_SQE_BUFFER_SELECT
        bufferIndex = buffers.state.group
    }
}

extension BufferRingHold {
    /// The bytes that a completion brings, or its error.
    @inlinable @inline(__always)
    borrowing func result(of completion: CompletionEntry) -> Result<BufferLease, Errno> {
        // A buffer that is named goes to a lease in any case, so that it comes back.
        let lease = state.lease(completion)
        guard let errno = completion.errno else { return .success(lease) }
        if errno == .noBufferSpace { state.noteExhaustion() }
        return .failure(errno)
    }
}

extension CompletionEntry {
    /// Why an operation that takes provided buffers ended.
    @inlinable
    var bufferSelectingEnding: MultishotEnding {
        switch errno {
        case nil: result == 0 ? .endOfStream : .rearm
        case .noBufferSpace?: .outOfBuffers
        case .canceled?: .cancelled
        case let errno?: .failed(errno)
        }
    }
}
