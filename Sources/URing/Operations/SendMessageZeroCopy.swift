// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// Sends the bytes of several buffers it owns over a connection, from the first to the last, without copying them.
///
/// The result is how many bytes were sent, possibly fewer than given; see ``SendFlags/waitAll``. The buffers come back later, with the
/// notification; see ``ZeroCopyOperation``.
///
/// Slices of a registered buffer are sent as plain memory, because the kernel (6.18) refuses a list of them here; ``SendVectoredToZeroCopy``
/// sends them as what they are.
///
/// - Requires: Linux 6.17, `IORING_OP_SEND_ZC` with `IORING_SEND_VECTORIZED`; older kernels answer `EINVAL`, so use
///   ``SendVectoredToZeroCopy`` there.
/// - Important: The kernel reads the buffers until the notification; it has its own copy of their list once the entry is consumed.
///
/// The liburing function is `io_uring_prep_send_zc`; see `io_uring_prep_send_zc(3)`, `send(2)`.
@frozen
public struct SendVectoredZeroCopy<Element: ByteSource & ~Copyable>: ZeroCopyOperation, ~Copyable {
    /// The socket, kept open until the result was taken or dropped.
    public var file: FileHold
    /// Where the bytes come from.
    public var buffers: MemoryVector<Element>
    /// Where in the buffers' bytes they begin.
    public var start: Int
    /// How the send is done.
    public var flags: SendFlags
    /// Whether to wait for room in the socket instead of trying at once.
    public var pollFirst: Bool
    /// Whether the kernel is to say what became of the memory.
    public var reportsUsage: Bool
    /// What the completions have said so far.
    public var record: ZeroCopyRecord

    /// Makes a send.
    ///
    /// - Parameters:
    ///   - file: The connected socket.
    ///   - buffers: Where the bytes come from; all initialised ones from `start` on are sent, but no more than 0x7ffff000.
    ///   - start: How many of the bytes to leave out, for what an earlier send has sent.
    ///   - flags: How the send is done.
    ///   - pollFirst: Whether to wait for room in the socket instead of trying at once, when it is known to be full.
    ///   - reportsUsage: Whether the kernel is to say what became of the memory: ``ZeroCopyOperation/usage``.
    /// - Precondition: When it is prepared, there is a buffer, and `start` is within the bytes.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, from buffers: consuming MemoryVector<Element>, startingAt start: Int = 0,
        flags: SendFlags = [], pollFirst: Bool = false, reportsUsage: Bool = false
    ) {
        self.file = file.hold()
        self.buffers = buffers
        self.start = start
        self.flags = flags
        self.pollFirst = pollFirst
        self.reportsUsage = reportsUsage
        record = ZeroCopyRecord()
    }

    @inlinable public static var opcode: Opcode { .sendZeroCopy }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 17) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .sendZeroCopy
        entry.setZeroCopySend(file, flags: flags, pollFirst: pollFirst, reportsUsage: reportsUsage, &record)
        entry.ioPriority |= CURING_SEND_VECTORIZED
        // SAFETY: the buffers and their list are the operation's own.
        unsafe entry.setList(
            buffers.kernelBytesList(
                behind: start, "A send must start within the initialised bytes.", "A vectored send needs at least one buffer."))
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        record.result(of: completion, reportsUsage: reportsUsage, on: &file)
    }
}

/// Sends the bytes of several buffers it owns without copying them, to an address or over a connection.
///
/// The result is how many bytes were sent, possibly fewer than given over a stream; see ``SendFlags/waitAll``. The buffers come back
/// later, with the notification; see ``ZeroCopyOperation``.
///
/// - Requires: Linux 6.1, `IORING_OP_SENDMSG_ZC`; `reportsUsage` Linux 6.2, and elements that are registered Linux 6.15.
/// - Important: The kernel reads the buffers until the notification, and their list and the address until it has consumed the entry. The
///   operation takes a box of its own beside its slot, which is reused.
///
/// The liburing function is `io_uring_prep_sendmsg_zc`, or `io_uring_prep_sendmsg_zc_fixed`; see `io_uring_prep_sendmsg_zc(3)`,
/// `sendmsg(2)`.
@frozen
public struct SendVectoredToZeroCopy<Element: ByteSource & ~Copyable>: ZeroCopyOperation, ~Copyable {
    /// The socket, kept open until the result was taken or dropped.
    public var file: FileHold
    /// Where the bytes come from.
    public var buffers: MemoryVector<Element>
    /// Where in the buffers' bytes they begin.
    public var start: Int
    /// Where the bytes go, if the socket is not connected.
    public var address: SocketAddress?
    /// How the send is done.
    public var flags: SendFlags
    /// Whether to wait for room in the socket instead of trying at once.
    public var pollFirst: Bool
    /// Whether the kernel is to say what became of the memory.
    public var reportsUsage: Bool
    /// What the completions have said so far.
    public var record: ZeroCopyRecord

    /// Makes a send.
    ///
    /// - Parameters:
    ///   - file: The socket.
    ///   - buffers: Where the bytes come from; all initialised ones from `start` on are sent.
    ///   - address: Where they go; nothing over a connection.
    ///   - start: How many of the bytes to leave out.
    ///   - flags: How the send is done.
    ///   - pollFirst: Whether to wait for room in the socket instead of trying at once, when it is known to be full.
    ///   - reportsUsage: Whether the kernel is to say what became of the memory: ``ZeroCopyOperation/usage``.
    /// - Precondition: When it is prepared, there is a buffer, and `start` is within the bytes.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, from buffers: consuming MemoryVector<Element>, to address: SocketAddress? = nil,
        startingAt start: Int = 0, flags: SendFlags = [], pollFirst: Bool = false, reportsUsage: Bool = false
    ) {
        self.file = file.hold()
        self.buffers = buffers
        self.start = start
        self.address = address
        self.flags = flags
        self.pollFirst = pollFirst
        self.reportsUsage = reportsUsage
        record = ZeroCopyRecord()
    }

    @inlinable public static var opcode: Opcode { .sendMessageZeroCopy }

    @inlinable public static var minimumKernel: KernelVersion { Element.isRegistered ? KernelVersion(6, 15) : KernelVersion(6, 1) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<AddressedHeader>) {
        entry.opcode = .sendMessageZeroCopy
        entry.setZeroCopySend(file, flags: flags, pollFirst: pollFirst, reportsUsage: reportsUsage, &record)
        // SAFETY: the buffers and their list are the operation's own. The kernel data is uninitialised, and stays in place until the
        // operation is done.
        let list = unsafe buffers.kernelBytesList(
            behind: start, "A send must start within the initialised bytes.", "A vectored send needs at least one buffer.")
        unsafe AddressedHeader.initialize(kernelData, list: list, address: address)
        unsafe entry.address = UInt64(UInt(bitPattern: kernelData))
        entry.length = 1
        entry.setZeroCopyRegistration(of: buffers)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing AddressedHeader) -> Result<Int, Errno> {
        record.result(of: completion, reportsUsage: reportsUsage, on: &file)
    }
}

/// A message header with the address that it points to, as the kernel reads them.
@safe
public struct AddressedHeader: BitwiseCopyable {
    /// First, so that the value's address is the header's.
    private var header: msghdr
    private var address: SocketAddress

    /// Fills in a header for memory that stays where it is, like the list.
    @usableFromInline
    @unsafe static func initialize(
        _ place: UnsafeMutablePointer<AddressedHeader>, list: UnsafeBufferPointer<iovec>, address: SocketAddress?
    ) {
        unsafe place.initialize(to: AddressedHeader(header: msghdr(), address: address ?? SocketAddress()))
        // SAFETY: the address's bytes come first in it, and it stays where it is with the header.
        if let address {
            let offset = MemoryLayout<AddressedHeader>.offset(of: \.address) ?? 0
            unsafe place.pointee.header.msg_name = UnsafeMutableRawPointer(place) + offset
            unsafe place.pointee.header.msg_namelen = socklen_t(address.byteCount)
        }
        unsafe place.pointee.header.msg_iov = UnsafeMutablePointer(mutating: list.baseAddress)
        unsafe place.pointee.header.msg_iovlen = numericCast(list.count)
    }
}

/// Sends a message it owns without copying its bytes: buffers, with an address and control data if there are any.
///
/// The result is how many bytes were sent, possibly fewer than given over a stream; see ``SendFlags/waitAll``. The message comes back
/// later, with the notification; see ``ZeroCopyOperation``. The control data goes with the first byte: after a success the message has none.
///
/// - Requires: Linux 6.1, `IORING_OP_SENDMSG_ZC`; `reportsUsage` Linux 6.2.
/// - Important: The kernel reads the buffers until the notification, the control data until the result, header and address until it has
///   consumed the entry.
///
/// The liburing function is `io_uring_prep_sendmsg_zc`; see `io_uring_prep_sendmsg_zc(3)`, `sendmsg(2)`.
@frozen
public struct SendMessageZeroCopy: ZeroCopyOperation, ~Copyable {
    /// The socket, kept open until the result was taken or dropped.
    public var file: FileHold
    /// The message.
    public var message: Message
    /// Where in the message's bytes to begin.
    public var start: Int
    /// How the send is done.
    public var flags: SendFlags
    /// Whether to wait for room in the socket instead of trying at once.
    public var pollFirst: Bool
    /// Whether the kernel is to say what became of the memory.
    public var reportsUsage: Bool
    /// What the completions have said so far.
    public var record: ZeroCopyRecord

    /// Makes a send.
    ///
    /// - Parameters:
    ///   - file: The socket.
    ///   - message: What to send, and where to if the socket is not connected.
    ///   - start: How many bytes of the message to leave out.
    ///   - flags: How the send is done.
    ///   - pollFirst: Whether to wait for room in the socket instead of trying at once, when it is known to be full.
    ///   - reportsUsage: Whether the kernel is to say what became of the memory: ``ZeroCopyOperation/usage``.
    /// - Precondition: When it is prepared, `start` is within the message's bytes.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, _ message: consuming Message, startingAt start: Int = 0,
        flags: SendFlags = [], pollFirst: Bool = false, reportsUsage: Bool = false
    ) {
        self.file = file.hold()
        self.message = message
        self.start = start
        self.flags = flags
        self.pollFirst = pollFirst
        self.reportsUsage = reportsUsage
        record = ZeroCopyRecord()
    }

    @inlinable public static var opcode: Opcode { .sendMessageZeroCopy }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 1) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .sendMessageZeroCopy
        entry.setZeroCopySend(file, flags: flags, pollFirst: pollFirst, reportsUsage: reportsUsage, &record)
        unsafe entry.address = message.beginSending(startingAt: start)
        entry.length = 1
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        if !completion.flags.contains(.notification) { message.endSending(completion) }
        return record.result(of: completion, reportsUsage: reportsUsage, on: &file)
    }
}
