// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Receives again and again, each time into as many buffers of a pool as the data of a stream takes.
///
/// Each result is a bundle of leases, one for each buffer, in order; an empty one is the end of the stream, and the last.
///
/// When the pool runs dry, it ends without an error as soon as a bundle could use the last buffer, with bytes in its last result; the next one
/// that finds no buffer ends with `ENOBUFS`. The ending is ``MultishotEnding/outOfBuffers`` when the pool has no buffer now, and
/// ``MultishotEnding/rearm`` when it has one: the completion queue was full, or leases have come back.
///
/// Nobody else may receive from the socket meanwhile: no other thread or process, no other ring, and no operation that a worker thread carries out.
/// The kernel (6.18) may then take buffers of the pool and bytes of the stream, and not say so, or say only how many bytes they are: the
/// result is then `EIO`, and so is the ending if it is the last, for the stream has a gap; the buffers are lost to the pool. Several
/// multishots of one ring do no harm.
///
/// - Requires: Linux 6.10, `IORING_OP_RECV` with `IORING_RECV_MULTISHOT` and `IORING_RECVSEND_BUNDLE`.
/// - Important: The kernel writes to buffers of the pool, each until the completion that it is in.
///
/// The liburing function is `io_uring_prep_recv_multishot`; see `io_uring_prep_recv(3)`, `recv(2)`.
@frozen
public struct ReceiveBundleMultishot: MultishotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// The pool, kept registered until the operation is done.
    public var buffers: BufferRingHold
    /// Whether to wait for data first instead of trying at once.
    public var pollFirst: Bool

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The connected socket, of a stream.
    ///   - buffers: A pool of whole buffers of the ring that the operation is prepared on; with an incremental one, preparing it traps.
    ///   - pollFirst: Whether to wait for data first instead of trying at once, when there is none yet.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, into buffers: borrowing BufferRing, pollFirst: Bool = false) {
        self.file = file.hold()
        self.buffers = buffers.hold()
        self.pollFirst = pollFirst
    }

    @inlinable public static var opcode: Opcode { .receive }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 10) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .receive
        entry.setFile(file)
        entry.ioPriority = CURING_RECV_MULTISHOT | CURING_RECVSEND_BUNDLE | (pollFirst ? CURING_RECVSEND_POLL_FIRST : 0)
        entry.selectBundle(from: buffers)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing NoKernelData
    ) -> Result<BufferBundle, Errno> {
        buffers.bundle(completion)
    }

    @inlinable
    public borrowing func ending(_ completion: CompletionEntry) -> MultishotEnding { buffers.bundleEnding(completion) }
}
