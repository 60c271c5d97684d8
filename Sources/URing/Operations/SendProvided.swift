// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Sends the first element of a queue it owns.
///
/// The result is how many bytes were sent; the queue has the rest. It waits until all of the element is sent, or the connection fails, or it is
/// cancelled. A queue with nothing to be sent is the error `ENOBUFS`.
///
/// - Requires: Linux 6.10, `IORING_OP_SEND` with `IOSQE_BUFFER_SELECT`.
/// - Important: The kernel reads the element's bytes until the completion.
///
/// The liburing function is `io_uring_prep_send`; see `io_uring_prep_send(3)`, `send(2)`.
@frozen
public struct SendProvided<Memory: ByteSource & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// What is sent.
    public var queue: SendQueue<Memory>
    /// How the send is done.
    public var flags: SendFlags
    /// Whether to wait for room in the socket instead of trying at once.
    public var pollFirst: Bool

    /// Makes a send.
    ///
    /// - Parameters:
    ///   - file: The connected socket.
    ///   - queue: What is sent, a queue of the ring that the operation is prepared on.
    ///   - flags: How the send is done.
    ///   - pollFirst: Whether to wait for room in the socket instead of trying at once, when it is known to be full.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, from queue: consuming SendQueue<Memory>, flags: SendFlags = [],
        pollFirst: Bool = false
    ) {
        self.file = file.hold()
        self.queue = queue
        self.flags = flags
        self.pollFirst = pollFirst
    }

    @inlinable public static var opcode: Opcode { .send }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 10) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .send
        entry.setFile(file)
        entry.operationFlags = flags.union(.waitAll).kernelBits
        if pollFirst { entry.ioPriority = CURING_RECVSEND_POLL_FIRST }
        queue.state.begin(entry)
        // Zero would say the same; but so a chain is known to end when less is sent.
        entry.length = UInt32(clamping: queue.state.firstUnsentByteCount)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        queue.end(completion)
        return completion.count
    }
}

/// Sends all of a queue it owns, many elements at once.
///
/// Each result is how many bytes were sent; the queue has the rest. Mostly there is only one, for all that was in the queue; with more than 256
/// elements there can be several.
///
/// The ending is ``MultishotEnding/outOfBuffers`` when all is sent, and when there was nothing to be sent; ``MultishotEnding/rearm`` when the
/// kernel has ended it although something is left, also because it was cancelled or the connection failed after a part: prepared again it
/// goes on where it ended, or fails.
///
/// A worker thread does not send it: prepared as ``PrepareOptions/asynchronous``, or the first behind what drains, it ends with `ECANCELED` at
/// once when the socket has room (measured on Linux 6.18), with nothing sent; the ending is ``MultishotEnding/cancelled`` then. Prepared again
/// it goes on.
///
/// - Requires: Linux 6.10, `IORING_OP_SEND` with `IORING_RECVSEND_BUNDLE`.
/// - Important: The kernel reads the elements' bytes until the last completion.
///
/// The liburing function is `io_uring_prep_send_bundle`; see `io_uring_prep_send_bundle(3)`, `send(2)`.
@frozen
public struct SendBundle<Memory: ByteSource & ~Copyable>: MultishotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// What is sent.
    public var queue: SendQueue<Memory>
    /// How the send is done.
    public var flags: SendFlags
    /// Whether to wait for room in the socket instead of trying at once.
    public var pollFirst: Bool

    /// Makes a send.
    ///
    /// - Parameters:
    ///   - file: The connected socket.
    ///   - queue: What is sent, a queue of the ring that the operation is prepared on.
    ///   - flags: How the send is done.
    ///   - pollFirst: Whether to wait for room in the socket instead of trying at once, when it is known to be full.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, from queue: consuming SendQueue<Memory>, flags: SendFlags = [],
        pollFirst: Bool = false
    ) {
        self.file = file.hold()
        self.queue = queue
        self.flags = flags
        self.pollFirst = pollFirst
    }

    @inlinable public static var opcode: Opcode { .send }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 10) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .send
        entry.setFile(file)
        entry.operationFlags = flags.union(.waitAll).kernelBits
        entry.ioPriority = CURING_RECVSEND_BUNDLE | (pollFirst ? CURING_RECVSEND_POLL_FIRST : 0)
        queue.state.begin(entry)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        queue.end(completion)
        return completion.count
    }

    @inlinable
    public borrowing func ending(_ completion: CompletionEntry) -> MultishotEnding {
        switch completion.errno {
        case nil: queue.unsentCount == 0 ? .outOfBuffers : .rearm
        case .noBufferSpace?: .outOfBuffers
        case .canceled?: .cancelled
        case let errno?: .failed(errno)
        }
    }
}
