// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Receives messages again and again into buffers that the kernel picks from a pool: bytes, the sender's address, and control data.
///
/// Each result is a message in a buffer of the pool, or what is left of an incremental one: a small header, room for the address and for control
/// data, and the payload. What did not fit is lost, and the header's flags say so. An empty datagram is an empty message and ends the
/// operation: with ``MultishotEnding/rearm`` if it came with an address, else with ``MultishotEnding/endOfStream``, as the end of a stream
/// does. It also ends when the pool has no buffer left; see ``ReceiveMultishot``.
/// ``bufferByteCount(forPayload:addressByteCapacity:controlByteCapacity:)`` says how large the buffers have to be.
///
/// - Requires: Linux 6.0, `IORING_OP_RECVMSG` with `IORING_RECV_MULTISHOT`.
/// - Important: The kernel writes to buffers of the pool, each until the completion that names it. The operation takes a box of its own
///   beside its slot, which is reused.
///
/// The liburing function is `io_uring_prep_recvmsg_multishot`; see `io_uring_prep_recvmsg(3)`, `recvmsg(2)`.
@frozen
public struct ReceiveMessageMultishot: MultishotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// The pool, kept registered until the operation is done.
    public var buffers: BufferRingHold
    /// Room for the sender's address in each buffer.
    public var addressByteCapacity: Int
    /// Room for control data in each buffer.
    public var controlByteCapacity: Int
    /// Whether to wait for a message first instead of trying at once.
    public var pollFirst: Bool
    /// Whether the last message was an empty one that came with an address.
    @usableFromInline var hasEndedWithAddress = false

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The socket.
    ///   - buffers: A pool of the ring that the operation is prepared on.
    ///   - addressByteCapacity: Room for the sender's address in each buffer: 28 are enough for those of the Internet, 110 for those of
    ///     Unix sockets, and an address that does not fit is not told.
    ///   - controlByteCapacity: Room for control data in each buffer, for instance ``Message/controlByteCount(forDescriptors:)``.
    ///   - pollFirst: Whether to wait for a message first instead of trying at once, when there is none yet.
    /// - Precondition: When it is prepared, the room for an address is from 0 to 128 and that for control data from 0 to 1 MiB, and a buffer
    ///   has more bytes than these and 16 together; what has to be left of an incremental buffer has, too. With less, the kernel could
    ///   not receive the next message, and would not go on to the next buffer either.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, into buffers: borrowing BufferRing, addressByteCapacity: Int = 28,
        controlByteCapacity: Int = 0, pollFirst: Bool = false
    ) {
        self.file = file.hold()
        self.buffers = buffers.hold()
        self.addressByteCapacity = addressByteCapacity
        self.controlByteCapacity = controlByteCapacity
        self.pollFirst = pollFirst
    }

    /// How large the buffers of a pool have to be for messages with so many bytes, and room for the rest.
    ///
    /// A buffer of this size has no byte to spare: a longer message is cut, with ``ReceivedMessageFlags/truncated``.
    ///
    /// - Parameters:
    ///   - byteCount: The most bytes of payload that a message is to have.
    ///   - addressByteCapacity: Room for the sender's address, as the operation is made with.
    ///   - controlByteCapacity: Room for control data, likewise.
    /// - Returns: The size of a buffer; of what has to be left of an incremental one.
    @inlinable
    public static func bufferByteCount(
        forPayload byteCount: Int, addressByteCapacity: Int = 28, controlByteCapacity: Int = 0
    ) -> Int {
        MessageRoom(addressByteCount: addressByteCapacity, controlByteCount: controlByteCapacity).headerByteCount + byteCount
    }

    @inlinable public static var opcode: Opcode { .receiveMessage }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 0) }

    @inlinable public static var routing: CompletionRouting { .pooled }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<MessageRoom>) {
        require(
            addressByteCapacity >= 0 && addressByteCapacity <= SocketAddress.maximumByteCount,
            "Room for an address can be from 0 to 128 bytes.")
        require(controlByteCapacity >= 0 && controlByteCapacity <= 1 << 20, "Room for control data can be from 0 to 1 MiB.")
        let room = MessageRoom(addressByteCount: addressByteCapacity, controlByteCount: controlByteCapacity)
        require(
            buffers.state.mode.usableByteCount(of: buffers.state.byteCount) > room.headerByteCount,
            "A message needs room behind its header, address and control data, also in what has to be left of an incremental buffer.")
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe kernelData.initialize(to: room)
        hasEndedWithAddress = false
        entry.opcode = .receiveMessage
        entry.setFile(file)
        unsafe entry.address = UInt64(UInt(bitPattern: kernelData))
        entry.length = 1
        entry.operationFlags = ReceivedMessageFlags.ofCall(controlByteCapacity: controlByteCapacity)
        entry.ioPriority = CURING_RECV_MULTISHOT | (pollFirst ? CURING_RECVSEND_POLL_FIRST : 0)
        entry.selectBuffer(from: buffers)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing MessageRoom
    ) -> Result<ReceivedMessage, Errno> {
        switch buffers.lease(completion) {
        case .success(let lease):
            let message = ReceivedMessage(lease, room: kernelData)
            if !completion.flags.contains(.more) { hasEndedWithAddress = message.payload.isEmpty && message.header.address != nil }
            return .success(message)
        case .failure(let errno): return .failure(errno)
        }
    }

    @inlinable
    public borrowing func ending(_ completion: CompletionEntry) -> MultishotEnding {
        let room = MessageRoom(addressByteCount: addressByteCapacity, controlByteCount: controlByteCapacity)
        guard completion.errno == nil, Int(completion.result) <= room.headerByteCount else { return completion.bufferSelectingEnding }
        return hasEndedWithAddress ? .rearm : .endOfStream
    }
}
