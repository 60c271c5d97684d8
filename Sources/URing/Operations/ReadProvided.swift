// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Reads once, into a buffer that the kernel picks from a pool when there is something to read.
///
/// The result is a lease of the buffer with what was read, which is empty at the end of the file. A pool without a buffer is the error
/// `ENOBUFS`. The pool has ``BufferRing/Mode/whole`` buffers; only multishots can share one. A read that a worker thread carries out has its
/// buffer from then on, until it ends.
///
/// - Requires: Linux 5.19, `IORING_OP_READ` with `IOSQE_BUFFER_SELECT`.
/// - Important: The kernel writes to a buffer of the pool, until the completion that names it.
///
/// The liburing function is `io_uring_prep_read`; see `io_uring_prep_read(3)`, `read(2)`.
@frozen
public struct ReadProvided: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// The pool, kept registered until the operation is done.
    public var buffers: BufferRingHold
    /// Where in the file the bytes begin.
    public var position: FilePosition
    /// How the read is done.
    public var flags: TransferFlags

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - buffers: A pool of whole buffers of the ring that the operation is prepared on.
    ///   - position: Where in the file the bytes begin.
    ///   - flags: How the read is done.
    /// - Precondition: When it is prepared, the pool is not incremental.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, into buffers: borrowing BufferRing, at position: FilePosition = .current,
        flags: TransferFlags = []
    ) {
        self.file = file.hold()
        self.buffers = buffers.hold()
        self.position = position
        self.flags = flags
    }

    @inlinable public static var opcode: Opcode { .read }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .read
        entry.setFile(file)
        unsafe entry.offset = position.rawValue
        entry.operationFlags = flags.rawValue
        entry.selectOneBuffer(from: buffers)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<BufferLease, Errno> {
        buffers.lease(completion)
    }
}

/// Reads again and again from a file that becomes ready, such as a pipe or a TUN device, into buffers that the kernel picks from a pool.
///
/// Each result is a lease of the buffer with what was read; an empty one is the end of the file, and the last. It ends also
/// when the pool has no buffer left; see ``ReceiveMultishot``. ``MultishotEnding/rearm`` says that the completion queue was full, or that a
/// worker thread has read: when it is prepared as ``PrepareOptions/asynchronous``, a file that can only be read by waiting, such as a
/// terminal, is read once.
///
/// Open the file non-blocking (`O_NONBLOCK`) unless it is a pipe, a socket or a TUN device. Of an inotify descriptor that blocks, for one, the
/// kernel gives nothing, for ever, though a ``Poll`` says that there is something and a ``Read`` reads it: it may not try to read
/// where that could block, and hands no multishot to a worker thread.
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

    @inlinable public static var routing: CompletionRouting { .pooled }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .readMultishot
        entry.setFile(file)
        unsafe entry.offset = FilePosition.current.rawValue
        entry.selectBuffer(from: buffers)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<BufferLease, Errno> {
        buffers.lease(completion)
    }

    @inlinable
    public borrowing func ending(_ completion: CompletionEntry) -> MultishotEnding {
        // A worker thread ends it with its first read, if the file cannot be read without waiting (measured on 6.18 with terminals). The kernel
        // does not tell that from a full queue.
        let ending = completion.bufferSelectingEnding
        return ending == .completionQueueFull ? .rearm : ending
    }
}
