// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How a send is done, `MSG_*`.
///
/// `MSG_NOSIGNAL` is always added: a connection that the peer has closed is the error `EPIPE` and never a signal that ends the process.
@frozen
public struct SendFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Sends as urgent data.
    @inlinable public static var outOfBand: SendFlags { SendFlags(rawValue: 0x01) }
    /// Sends to directly connected networks only.
    @inlinable public static var doNotRoute: SendFlags { SendFlags(rawValue: 0x04) }
    /// Fails with `EAGAIN` rather than wait.
    @inlinable public static var doNotWait: SendFlags { SendFlags(rawValue: 0x40) }
    /// Ends a record, where the protocol has them.
    @inlinable public static var endOfRecord: SendFlags { SendFlags(rawValue: 0x80) }
    /// Waits until all of the bytes are sent, where the result could else be a part of them (Linux 5.19).
    @inlinable public static var waitAll: SendFlags { SendFlags(rawValue: 0x100) }
    /// Tells the network that the peer is known to be there.
    @inlinable public static var confirm: SendFlags { SendFlags(rawValue: 0x800) }
    /// Holds the bytes back because more will follow.
    @inlinable public static var more: SendFlags { SendFlags(rawValue: 0x8000) }
    /// Sends with the connection's first packet.
    @inlinable public static var fastOpen: SendFlags { SendFlags(rawValue: 0x2000_0000) }

    /// The kernel's bits with `MSG_NOSIGNAL`, and without `MSG_ZEROCOPY`, which would let the kernel read the memory after the completion.
    @inlinable
    var kernelBits: UInt32 { rawValue & ~0x0400_0000 | 0x4000 }
}

/// How a receive is done, `MSG_*`.
@frozen
public struct ReceiveFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits, without `MSG_CMSG_COMPAT`: with that, control data would come as 32-bit programs have it, and descriptors
    /// in it be lost.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue & ~0x8000_0000
    }

    /// Receives urgent data.
    @inlinable public static var outOfBand: ReceiveFlags { ReceiveFlags(rawValue: 0x01) }
    /// Leaves what is received in the socket, to be received again.
    @inlinable public static var peek: ReceiveFlags { ReceiveFlags(rawValue: 0x02) }
    /// Gives a datagram's true size as the result, although it may be more than there was room for; a TCP socket throws the bytes away instead.
    @inlinable public static var truncate: ReceiveFlags { ReceiveFlags(rawValue: 0x20) }
    /// Fails with `EAGAIN` rather than wait.
    @inlinable public static var doNotWait: ReceiveFlags { ReceiveFlags(rawValue: 0x40) }
    /// Waits until the room is full, or the stream ends; of datagrams, one is enough.
    ///
    /// Of a sequenced-packet socket it takes several records, as recv(2) does not, and nothing says where they end, or that the last one did not
    /// fit. It cannot go with ``peek``: the kernel would begin anew at the first byte.
    @inlinable public static var waitAll: ReceiveFlags { ReceiveFlags(rawValue: 0x100) }
    /// Receives errors and timestamps of what was sent.
    @inlinable public static var errorQueue: ReceiveFlags { ReceiveFlags(rawValue: 0x2000) }
}

/// Sees to it that a receive does not show the same bytes again and again: to wait for more, the kernel begins anew at the first.
@inlinable @inline(__always)
func requireNoRepetition(_ flags: ReceiveFlags) {
    require(
        !flags.isSuperset(of: [.peek, .waitAll]), "A receive that leaves its bytes in the socket cannot wait for all: it would repeat them."
    )
}

/// Sends bytes it owns over a connection.
///
/// The result is how many bytes were sent, possibly fewer than given; see ``SendFlags/waitAll``. Sent means that the kernel has them. A
/// connection that the peer has closed is `EPIPE` or `ECONNRESET`, never a signal.
///
/// - Requires: Linux 5.6, `IORING_OP_SEND`; `pollFirst` Linux 5.19.
/// - Important: The kernel reads the memory until the completion.
///
/// The liburing function is `io_uring_prep_send`; see `io_uring_prep_send(3)`, `send(2)`.
@frozen
public struct Send<Memory: ByteSource & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// Where the bytes come from.
    public var memory: Memory
    /// Where in the memory they begin.
    public var start: Int
    /// How the send is done.
    public var flags: SendFlags
    /// Whether to wait for room in the socket instead of trying at once.
    public var pollFirst: Bool

    /// Makes a send.
    ///
    /// - Parameters:
    ///   - file: The connected socket.
    ///   - memory: Where the bytes come from; all initialised ones from `start` on are sent, but no more than 0x7ffff000.
    ///   - start: How many bytes of the memory to leave out.
    ///   - flags: How the send is done.
    ///   - pollFirst: Whether to wait for room in the socket instead of trying at once, when it is known to be full.
    /// - Precondition: When it is prepared, `start` is within the initialised bytes.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, from memory: consuming Memory, startingAt start: Int = 0,
        flags: SendFlags = [], pollFirst: Bool = false
    ) {
        self.file = file.hold()
        self.memory = memory
        self.start = start
        self.flags = flags
        self.pollFirst = pollFirst
    }

    @inlinable public static var opcode: Opcode { .send }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .send
        entry.setFile(file)
        // SAFETY: the memory is the operation's own, and the operation has its final address.
        unsafe entry.setBytes(memory.kernelBytes, behind: start, "A send must start within the initialised bytes.")
        entry.operationFlags = flags.kernelBits
        if pollFirst { entry.ioPriority = CURING_RECVSEND_POLL_FIRST }
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.count
    }
}

/// Sends bytes it owns to an address, as a datagram.
///
/// The result is how many bytes were sent.
///
/// - Requires: Linux 6.1, `IORING_OP_SEND` with an address; older kernels ignore the address, so use ``SendMessage`` there.
/// - Important: The kernel reads the memory until the completion, and the address until it has consumed the entry. The operation takes a
///   box of its own beside its slot, which is reused.
///
/// The liburing function is `io_uring_prep_sendto`; see `io_uring_prep_sendto(3)`, `sendto(2)`.
@frozen
public struct SendTo<Memory: ByteSource & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// Where the bytes come from.
    public var memory: Memory
    /// Where in the memory they begin.
    public var start: Int
    /// Where the bytes go.
    public var address: SocketAddress
    /// How the send is done.
    public var flags: SendFlags
    /// Whether to wait for room in the socket instead of trying at once.
    public var pollFirst: Bool

    /// Makes a send.
    ///
    /// - Parameters:
    ///   - file: The socket.
    ///   - memory: Where the bytes come from; all initialised ones from `start` on are sent, but no more than 0x7ffff000.
    ///   - address: Where they go.
    ///   - start: How many bytes of the memory to leave out.
    ///   - flags: How the send is done.
    ///   - pollFirst: Whether to wait for room in the socket instead of trying at once, when it is known to be full.
    /// - Precondition: When it is prepared, `start` is within the initialised bytes.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, from memory: consuming Memory, to address: SocketAddress,
        startingAt start: Int = 0, flags: SendFlags = [], pollFirst: Bool = false
    ) {
        self.file = file.hold()
        self.memory = memory
        self.start = start
        self.address = address
        self.flags = flags
        self.pollFirst = pollFirst
    }

    @inlinable public static var opcode: Opcode { .send }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 1) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<SocketAddress>) {
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe kernelData.initialize(to: address)
        entry.opcode = .send
        entry.setFile(file)
        // SAFETY: the memory is the operation's own, and the operation has its final address.
        unsafe entry.setBytes(memory.kernelBytes, behind: start, "A send must start within the initialised bytes.")
        entry.operationFlags = flags.kernelBits
        unsafe entry.setDestination(kernelData)
        if pollFirst { entry.ioPriority = CURING_RECVSEND_POLL_FIRST }
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing SocketAddress) -> Result<Int, Errno> {
        completion.count
    }
}

/// Receives bytes into memory it owns.
///
/// The result is how many bytes were received, 0 at the end of the stream; the memory's count is then where they end. What of a datagram does
/// not fit is lost. Whether more bytes wait is ``CompletionFlags/socketNotEmpty`` in the entry's flags (Linux 5.19); for
/// datagrams the kernel does not say so.
///
/// - Requires: Linux 5.6, `IORING_OP_RECV`; `pollFirst` Linux 5.19.
/// - Important: The kernel writes to the memory until the completion.
///
/// The liburing function is `io_uring_prep_recv`; see `io_uring_prep_recv(3)`, `recv(2)`.
@frozen
public struct Receive<Memory: ByteDestination & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// Where the bytes go.
    public var memory: Memory
    /// Where in the memory they begin.
    public var start: Int
    /// How the receive is done.
    public var flags: ReceiveFlags
    /// Whether to wait for bytes instead of trying at once.
    public var pollFirst: Bool

    /// Makes a receive.
    ///
    /// - Parameters:
    ///   - file: The connected socket.
    ///   - memory: Where the bytes go; as many are asked for as there is room behind `start`, but no more than 0x7ffff000.
    ///   - start: How many bytes of the memory to leave as they are.
    ///   - flags: How the receive is done.
    ///   - pollFirst: Whether to wait for bytes instead of trying at once, when none are expected yet.
    /// - Precondition: When it is prepared, `start` bytes are initialised, and there is room behind them: a receive of nothing could not
    ///   be told from the end of the stream.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, into memory: consuming Memory, startingAt start: Int = 0,
        flags: ReceiveFlags = [], pollFirst: Bool = false
    ) {
        self.file = file.hold()
        self.memory = memory
        self.start = start
        self.flags = flags
        self.pollFirst = pollFirst
    }

    @inlinable public static var opcode: Opcode { .receive }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .receive
        entry.setFile(file)
        // SAFETY: the memory is the operation's own, and the operation has its final address.
        let room = unsafe memory.kernelRoom(
            behind: start, "A receive must start within the initialised bytes, or right behind them.",
            "A receive needs room: the memory is empty or full.")
        requireNoRepetition(flags)
        // With this flag TCP counts bytes that it does not write.
        if flags.contains(.truncate) { unsafe room.initializeMemory(as: UInt8.self, repeating: 0) }
        unsafe entry.setBytes(UnsafeRawBufferPointer(room))
        entry.operationFlags = flags.rawValue
        if pollFirst { entry.ioPriority = CURING_RECVSEND_POLL_FIRST }
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        // The count can exceed the room with the flag for a datagram's true size.
        // SAFETY: the kernel says that it has written so many bytes from `start` on, and those before were initialised.
        if completion.result >= 0 { unsafe memory.didInitialize(byteCount: min(start + Int(completion.result), memory.kernelRoom.count)) }
        return completion.count
    }
}

extension SubmissionEntry {
    /// Directs a send at an address, which stays in place until the kernel has consumed the entry.
    @inlinable @inline(__always)
    @unsafe func setDestination(_ address: UnsafeMutablePointer<SocketAddress>) {
        unsafe offset = UInt64(UInt(bitPattern: address))
        // `addr_len` is the half of this field with the lower address.
        #if _endian(little)
            fileIndex = unsafe address.pointee.storedByteCount
        #else
            fileIndex = unsafe address.pointee.storedByteCount << 16
        #endif
    }
}
