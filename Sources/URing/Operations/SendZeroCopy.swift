// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Sends bytes it owns over a connection without copying them.
///
/// The result is how many bytes were sent, possibly fewer than given; see ``SendFlags/waitAll``. The memory comes back later, with the
/// notification; see ``ZeroCopyOperation``. A connection that the peer has closed is `EPIPE` or `ECONNRESET`, never a signal; a socket whose
/// protocol cannot send so, such as a Unix one, is `EOPNOTSUPP`.
///
/// It pays for large sends to other machines. To the same machine the kernel copies in any case, and this only costs more. With a
/// ``RegisteredSlice`` as the memory, the kernel neither looks up nor pins its pages for each send.
///
/// - Requires: Linux 6.0, `IORING_OP_SEND_ZC`; `reportsUsage` Linux 6.2.
/// - Important: The kernel reads the memory until the notification, which does not come before the peer has taken the bytes. A ring that
///   is closed earlier waits for it as long as it may, and then leaks the memory.
///
/// The liburing function is `io_uring_prep_send_zc`, or `io_uring_prep_send_zc_fixed`; see `io_uring_prep_send_zc(3)`, `send(2)`.
@frozen
public struct SendZeroCopy<Memory: ByteSource & ~Copyable>: ZeroCopyOperation, ~Copyable {
    /// The socket, kept open until the result was taken or dropped.
    public var file: FileHold
    /// Where the bytes come from.
    public var memory: Memory
    /// Where in the memory they begin.
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
    ///   - memory: Where the bytes come from; all initialised ones from `start` on are sent, but no more than 0x7ffff000.
    ///   - start: How many bytes of the memory to leave out.
    ///   - flags: How the send is done.
    ///   - pollFirst: Whether to wait for room in the socket instead of trying at once, when it is known to be full.
    ///   - reportsUsage: Whether the kernel is to say what became of the memory: ``ZeroCopyOperation/usage``.
    /// - Precondition: When it is prepared, `start` is within the initialised bytes.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, from memory: consuming Memory, startingAt start: Int = 0,
        flags: SendFlags = [], pollFirst: Bool = false, reportsUsage: Bool = false
    ) {
        self.file = file.hold()
        self.memory = memory
        self.start = start
        self.flags = flags
        self.pollFirst = pollFirst
        self.reportsUsage = reportsUsage
        record = ZeroCopyRecord()
    }

    @inlinable public static var opcode: Opcode { .sendZeroCopy }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 0) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .sendZeroCopy
        entry.setZeroCopySend(file, flags: flags, pollFirst: pollFirst, reportsUsage: reportsUsage, &record)
        // SAFETY: the memory is the operation's own, and the operation has its final address until the notification.
        unsafe entry.setBytes(memory.kernelBytes, behind: start, "A send must start within the initialised bytes.")
        entry.setZeroCopyRegistration(of: memory)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        record.result(of: completion, reportsUsage: reportsUsage, on: &file)
    }
}

/// Sends bytes it owns to an address, as a datagram, without copying them.
///
/// The result is how many bytes were sent. The memory comes back later, with the notification; see ``ZeroCopyOperation``.
///
/// - Requires: Linux 6.0, `IORING_OP_SEND_ZC`; `reportsUsage` Linux 6.2.
/// - Important: The kernel reads the memory until the notification, and the address until it has consumed the entry. The operation takes a
///   box of its own beside its slot, which is reused.
///
/// The liburing functions are `io_uring_prep_send_zc`, or `io_uring_prep_send_zc_fixed`, and `io_uring_prep_send_set_addr`; see
/// `io_uring_prep_send_zc(3)`, `sendto(2)`.
@frozen
public struct SendToZeroCopy<Memory: ByteSource & ~Copyable>: ZeroCopyOperation, ~Copyable {
    /// The socket, kept open until the result was taken or dropped.
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
    /// Whether the kernel is to say what became of the memory.
    public var reportsUsage: Bool
    /// What the completions have said so far.
    public var record: ZeroCopyRecord

    /// Makes a send.
    ///
    /// - Parameters:
    ///   - file: The socket.
    ///   - memory: Where the bytes come from; all initialised ones from `start` on are sent, but no more than 0x7ffff000.
    ///   - address: Where they go.
    ///   - start: How many bytes of the memory to leave out.
    ///   - flags: How the send is done.
    ///   - pollFirst: Whether to wait for room in the socket instead of trying at once, when it is known to be full.
    ///   - reportsUsage: Whether the kernel is to say what became of the memory: ``ZeroCopyOperation/usage``.
    /// - Precondition: When it is prepared, `start` is within the initialised bytes.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, from memory: consuming Memory, to address: SocketAddress,
        startingAt start: Int = 0, flags: SendFlags = [], pollFirst: Bool = false, reportsUsage: Bool = false
    ) {
        self.file = file.hold()
        self.memory = memory
        self.start = start
        self.address = address
        self.flags = flags
        self.pollFirst = pollFirst
        self.reportsUsage = reportsUsage
        record = ZeroCopyRecord()
    }

    @inlinable public static var opcode: Opcode { .sendZeroCopy }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 0) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<SocketAddress>) {
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe kernelData.initialize(to: address)
        entry.opcode = .sendZeroCopy
        entry.setZeroCopySend(file, flags: flags, pollFirst: pollFirst, reportsUsage: reportsUsage, &record)
        // SAFETY: the memory is the operation's own, and the operation has its final address until the notification.
        unsafe entry.setBytes(memory.kernelBytes, behind: start, "A send must start within the initialised bytes.")
        entry.setZeroCopyRegistration(of: memory)
        unsafe entry.setDestination(kernelData)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing SocketAddress) -> Result<Int, Errno> {
        record.result(of: completion, reportsUsage: reportsUsage, on: &file)
    }
}
