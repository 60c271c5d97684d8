// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Sends a message it owns: buffers, with an address and control data such as descriptors if there are any.
///
/// The result is how many bytes were sent, possibly fewer than given over a stream; see ``SendFlags/waitAll``. The control data goes with the
/// first byte: after a success the message has none, and has let go of the descriptors in it.
///
/// - Requires: Linux 5.3, `IORING_OP_SENDMSG`; `pollFirst` Linux 5.19.
/// - Important: The kernel reads the buffers and the control data until the completion, header and address until it has
///   consumed the entry.
///
/// The liburing function is `io_uring_prep_sendmsg`; see `io_uring_prep_sendmsg(3)`, `sendmsg(2)`.
@frozen
public struct SendMessage: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// The message.
    public var message: Message
    /// Where in the message's bytes to begin.
    public var start: Int
    /// How the send is done.
    public var flags: SendFlags
    /// Whether to wait for room in the socket instead of trying at once.
    public var pollFirst: Bool

    /// Makes a send.
    ///
    /// - Parameters:
    ///   - file: The socket.
    ///   - message: What to send, and where to if the socket is not connected.
    ///   - start: How many bytes of the message to leave out.
    ///   - flags: How the send is done.
    ///   - pollFirst: Whether to wait for room in the socket instead of trying at once, when it is known to be full.
    /// - Precondition: When it is prepared, `start` is within the message's bytes.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, _ message: consuming Message, startingAt start: Int = 0,
        flags: SendFlags = [], pollFirst: Bool = false
    ) {
        self.file = file.hold()
        self.message = message
        self.start = start
        self.flags = flags
        self.pollFirst = pollFirst
    }

    @inlinable public static var opcode: Opcode { .sendMessage }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 3) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .sendMessage
        entry.setFile(file)
        unsafe entry.address = message.beginSending(startingAt: start)
        entry.length = 1
        entry.operationFlags = flags.kernelBits
        if pollFirst { entry.ioPriority = CURING_RECVSEND_POLL_FIRST }
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        message.endSending(completion)
        return completion.count
    }
}

/// Receives a message into one it owns: bytes, the sender's address, and control data such as descriptors.
///
/// The result is how many bytes were received, 0 at the end of a stream; they fill the buffers one after the other from their beginnings.
/// What did not fit is lost, and the message's ``Message/receivedFlags`` say so. Received descriptors are close-on-exec and belong to the message:
/// ``Message/takeDescriptor()``.
///
/// On a Unix stream socket with ``SocketOption/passCredentials``, each attempt that finds nothing takes as much of the room for control data as
/// credentials do, 32 bytes (Linux 6.18): have that much more of it, or the message that comes is truncated. A receive alone makes one, and
/// of several that wait on one socket each makes another for every message that goes to another. A ``ReceiveMessageMultishot`` takes none.
///
/// With ``ReceiveFlags/waitAll``, the flags and the address are those of the last attempt: that a descriptor was lost before is not said, and there
/// is no address when the stream has ended first.
///
/// - Requires: Linux 5.3, `IORING_OP_RECVMSG`; `pollFirst` Linux 5.19.
/// - Important: The kernel writes to the buffers, the control data, the address and the header until the completion.
///
/// The liburing function is `io_uring_prep_recvmsg`; see `io_uring_prep_recvmsg(3)`, `recvmsg(2)`.
@frozen
public struct ReceiveMessage: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// The message.
    public var message: Message
    /// How the receive is done.
    public var flags: ReceiveFlags
    /// Whether to wait for a message instead of trying at once.
    public var pollFirst: Bool

    /// Makes a receive.
    ///
    /// - Parameters:
    ///   - file: The socket.
    ///   - message: Where the message goes; what was received into it before is released.
    ///   - flags: How the receive is done.
    ///   - pollFirst: Whether to wait for a message instead of trying at once, when none is expected yet.
    /// - Precondition: When it is prepared, the message's buffers have room; and it has no room for control data if it is to wait for all.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, into message: consuming Message, flags: ReceiveFlags = [],
        pollFirst: Bool = false
    ) {
        self.file = file.hold()
        self.message = message
        self.flags = flags
        self.pollFirst = pollFirst
    }

    @inlinable public static var opcode: Opcode { .receiveMessage }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 3) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .receiveMessage
        entry.setFile(file)
        unsafe entry.address = message.beginReceiving(flags: flags)
        entry.length = 1
        entry.operationFlags = flags.rawValue | ReceivedMessageFlags.ofCall(controlByteCapacity: message.controlByteCapacity)
        if pollFirst { entry.ioPriority = CURING_RECVSEND_POLL_FIRST }
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        message.endReceiving(completion)
        return completion.count
    }
}
