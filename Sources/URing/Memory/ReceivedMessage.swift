// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A message in a buffer of a ``BufferRing``, from ``ReceiveMessageMultishot``.
///
/// The buffer goes back when both parts are dropped. ``takePayload()`` drops the header, and gives what can be the memory of a ``Send``.
@frozen
public struct ReceivedMessage: ~Copyable {
    /// The bytes; none for an empty datagram, and at the end of a stream.
    public var payload: BufferLease
    /// What came with them.
    public var header: ReceivedMessageHeader

    /// Takes over a buffer in which the kernel has put a message, with so much room for an address and control data.
    ///
    /// A lease of nothing is a message of nothing.
    @usableFromInline
    init(_ lease: consuming BufferLease, room: MessageRoom) {
        guard lease.count > 0 else {
            payload = BufferLease()
            header = ReceivedMessageHeader(lease, room: room)
            return
        }
        require(lease.count >= room.headerByteCount, "The kernel wrote less than a message's header.")
        let start = lease.split(at: room.headerByteCount)
        payload = lease
        header = ReceivedMessageHeader(start, room: room)
    }

    /// Takes the payload out and drops the rest.
    @inlinable
    public consuming func takePayload() -> BufferLease { payload }
}

/// What came with a message: the sender's address, control data, and what the kernel says of it.
///
/// Received descriptors are close-on-exec; those that are not taken are closed when it is dropped.
@safe
public struct ReceivedMessageHeader: ~Copyable {
    /// The kernel's structure, the address and the control data, in the room there was for them; nothing if there is no message.
    private let region: BufferLease
    private let room: MessageRoom

    init(_ region: consuming BufferLease, room: MessageRoom) {
        self.region = region
        self.room = room
    }

    deinit {
        controlData?.closeDescriptors()
    }

    /// The kernel's structure, if there is a message.
    private var kernelHeader: curing_recvmsg_out? {
        // SAFETY: a region that is not empty begins with the structure, which can lie anywhere in the buffer.
        region.isEmpty ? nil : unsafe region.kernelBytes.loadUnaligned(as: curing_recvmsg_out.self)
    }

    /// The control data that is there; nil if there is none.
    private var controlData: ControlData? {
        let byteCount = controlByteCount
        guard byteCount > 0, let start = unsafe region.kernelBytes.baseAddress else { return nil }
        // SAFETY: the region is the buffer's memory, which was allocated to be written to; nobody but this value refers to it.
        return unsafe ControlData(
            start: UnsafeMutableRawPointer(mutating: start) + MessageRoom.structureByteCount + room.addressByteCount, byteCount: byteCount)
    }

    /// Where the message came from; nil if it does not say, or the room was too small for it.
    public var address: SocketAddress? {
        guard let count = kernelHeader?.namelen, count > 0, Int(count) <= room.addressByteCount else { return nil }
        let start = MessageRoom.structureByteCount
        return try? SocketAddress(copying: region.bytes.extracting(start..<start + Int(count)))
    }

    /// What the kernel said: whether the payload, or control data, was cut.
    public var flags: ReceivedMessageFlags { ReceivedMessageFlags(kernelBits: kernelHeader?.flags ?? 0) }

    /// How many bytes of control data there are, headers and padding included.
    public var controlByteCount: Int { min(Int(kernelHeader?.controllen ?? 0), room.controlByteCount) }

    /// Shows each control message with its payload; descriptors are left out.
    ///
    /// What is not well formed ends it.
    public func forEachControlMessage<Failure: Error>(
        _ body: (ControlMessageType, RawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        try controlData?.forEachMessage(body)
    }

    /// Takes the next descriptor that was received, or gives nil when there is none (left).
    ///
    /// It is close-on-exec.
    public mutating func takeDescriptor() -> Descriptor? {
        guard let number = controlData?.takeDescriptorNumber() else { return nil }
        return Descriptor(received: number)
    }
}

/// How much room there is in front of a message's payload, for ``ReceiveMessageMultishot``.
///
/// The kernel reads it as its `struct msghdr`, with no addresses in it.
@frozen
public struct MessageRoom: BitwiseCopyable, Sendable {
    @usableFromInline var name: UInt64 = 0
    @usableFromInline let nameByteCount: UInt32
    @usableFromInline var segments: UInt64 = 0
    @usableFromInline var segmentCount: UInt64 = 0
    @usableFromInline var control: UInt64 = 0
    @usableFromInline let controlDataByteCount: UInt64
    @usableFromInline var flags: UInt32 = 0

    @usableFromInline
    init(addressByteCount: Int, controlByteCount: Int) {
        nameByteCount = UInt32(truncatingIfNeeded: addressByteCount)
        controlDataByteCount = UInt64(truncatingIfNeeded: controlByteCount)
    }

    /// The bytes for the sender's address.
    @inlinable
    public var addressByteCount: Int { Int(nameByteCount) }

    /// The bytes for control data.
    @inlinable
    public var controlByteCount: Int { Int(controlDataByteCount) }

    /// The size of the kernel's `struct io_uring_recvmsg_out`, which comes first.
    @usableFromInline static var structureByteCount: Int { MemoryLayout<curing_recvmsg_out>.size }

    /// Where the payload begins.
    @usableFromInline var headerByteCount: Int { MessageRoom.structureByteCount + addressByteCount + controlByteCount }
}
