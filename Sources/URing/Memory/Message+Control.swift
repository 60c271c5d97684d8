// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

// MARK: - Control data

/// What a control message is, `cmsg_level` and `cmsg_type`.
@frozen
public struct ControlMessageType: Sendable, Hashable {
    /// The level, `SOL_*` or `IPPROTO_*`.
    public let level: Int32
    /// The type within the level, `SCM_*` and others.
    public let number: Int32

    /// Names a type by its numbers.
    @inlinable
    public init(level: Int32, number: Int32) {
        self.level = level
        self.number = number
    }

    /// Descriptors, `SCM_RIGHTS`; see ``Message/appendDescriptor(_:)`` and ``Message/takeDescriptor()``.
    public static var descriptors: ControlMessageType { ControlMessageType(level: SOL_SOCKET, number: 1) }
    /// The sender's process, user and group, three 32-bit numbers, `SCM_CREDENTIALS`; see ``SocketOption/passCredentials``.
    public static var credentials: ControlMessageType { ControlMessageType(level: SOL_SOCKET, number: 2) }
    /// A descriptor of the sender's process, `SCM_PIDFD`; ``Message/takeDescriptor()`` gives it like any other.
    public static var processDescriptor: ControlMessageType { ControlMessageType(level: SOL_SOCKET, number: 4) }

    /// Whether the payload is descriptors, which are owned and not just looked at.
    var isDescriptors: Bool { self == .descriptors || self == .processDescriptor }
}

extension Message {
    /// The most descriptors that the kernel takes in one message.
    public static var maximumDescriptorCount: Int { 253 }

    /// How much room a control message takes whose payload has so many bytes.
    ///
    /// - Precondition: The count is not negative, and at most 1 MiB.
    public static func controlByteCount(forPayload byteCount: Int) -> Int {
        ControlLayout.space(byteCount)
    }

    /// How much room so many descriptors take.
    ///
    /// - Precondition: The count is not negative, and their numbers have at most 1 MiB.
    public static func controlByteCount(forDescriptors count: Int) -> Int {
        ControlLayout.space(count * MemoryLayout<Int32>.size)
    }

    /// Room for control data.
    public var controlByteCapacity: Int { unsafe state.pointee.controlCapacity }

    /// How many bytes of control data there are, headers and padding included.
    public var controlByteCount: Int { unsafe state.pointee.controlCount }

    /// Adds a control message to be sent.
    ///
    /// Control data that was received is removed first.
    ///
    /// - Precondition: It fits, and it is not of descriptors: see ``appendDescriptor(_:)``.
    public mutating func appendControlMessage(_ type: ControlMessageType, _ payload: RawSpan) {
        require(!type.isDescriptors, "Send descriptors with appendDescriptor(_:), which keeps them open until they are sent.")
        beginOutgoingControl()
        appendControl(type, payload)
    }

    /// Adds a descriptor to be sent, which stays open until the message is sent or dropped.
    ///
    /// Control data that was received is removed first.
    ///
    /// - Precondition: It fits, and there are no more than ``maximumDescriptorCount``.
    public mutating func appendDescriptor(_ file: borrowing some NumberedFileResource & ~Copyable) {
        beginOutgoingControl()
        appendHold(file.hold())
    }

    /// Removes all control data: lets go of descriptors to be sent, and closes received ones that were not taken.
    public mutating func removeControlMessages() {
        releaseControl()
    }

    /// Shows each control message with its payload; descriptors are left out.
    ///
    /// What is not well formed ends it.
    public func forEachControlMessage<Failure: Error>(
        _ body: (ControlMessageType, RawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        try controlData.forEachMessage(body)
    }

    /// Takes the next descriptor that was received, or gives nil when there is none (left).
    ///
    /// It is close-on-exec.
    public mutating func takeDescriptor() -> Descriptor? {
        guard unsafe state.pointee.isReceived, let number = controlData.takeDescriptorNumber() else { return nil }
        return Descriptor(received: number)
    }

    /// What the kernel said of the message that was received.
    public var receivedFlags: ReceivedMessageFlags {
        ReceivedMessageFlags(kernelBits: UInt32(bitPattern: unsafe state.pointee.header.msg_flags))
    }
}

/// What the kernel says of a message that was received, `MSG_*`.
@frozen
public struct ReceivedMessageFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    // MSG_CMSG_CLOEXEC
    @usableFromInline static var closingOnExec: UInt32 { 0x4000_0000 }

    /// The flags of a call that has descriptors closed on exec, if there is room for any: sockets of some families refuse that.
    @inlinable
    static func ofCall(controlByteCapacity: Int) -> UInt32 { controlByteCapacity > 0 ? closingOnExec : 0 }

    /// The kernel gives the flags of the call back with its own.
    init(kernelBits: UInt32) {
        rawValue = kernelBits & ~ReceivedMessageFlags.closingOnExec
    }

    /// It was urgent data.
    @inlinable public static var outOfBand: ReceivedMessageFlags { ReceivedMessageFlags(rawValue: 0x01) }
    /// Control data, such as descriptors, was lost: the room for it was too small.
    @inlinable public static var controlTruncated: ReceivedMessageFlags { ReceivedMessageFlags(rawValue: 0x08) }
    /// The end of a datagram was lost: the buffers were too small.
    @inlinable public static var truncated: ReceivedMessageFlags { ReceivedMessageFlags(rawValue: 0x20) }
    /// A record ended.
    @inlinable public static var endOfRecord: ReceivedMessageFlags { ReceivedMessageFlags(rawValue: 0x80) }
    /// It came from the error queue.
    @inlinable public static var errorQueue: ReceivedMessageFlags { ReceivedMessageFlags(rawValue: 0x2000) }
}

extension Message {
    // SAFETY: the message accesses its control data only while it is accessed itself.
    /// The control data as it is now.
    private var controlData: ControlData { unsafe ControlData(start: control, byteCount: controlByteCount) }

    /// Makes sure that the control data is what we send, not what was received.
    func beginOutgoingControl() {
        if unsafe state.pointee.isReceived { releaseControl() }
    }

    /// Forgets the control data, and everything it owns.
    func releaseControl() {
        // SAFETY: the block is this message's, and the kernel is done with it. `isReceived` says whose the descriptors are.
        if unsafe state.pointee.isReceived { controlData.closeDescriptors() }
        unsafe state.pointee.holds?.deinitialize(count: state.pointee.holdCount)
        unsafe state.pointee.holdCount = 0
        unsafe state.pointee.descriptorMessage = nil
        unsafe state.pointee.controlCount = 0
        unsafe state.pointee.isReceived = false
    }

    /// Takes over the control data that came with the last attempt to receive.
    ///
    /// An attempt in vain on a Unix stream socket may have written credentials too, of user and process 0. The next one went on behind them, and
    /// counts only its own (measured on 6.18).
    func takeOverControl(byteCount: Int) {
        // SAFETY: the room was zeroed before the kernel got it, so the messages in it are those of all attempts.
        let writtenCount = unsafe ControlData(start: control, byteCount: controlByteCapacity).messageByteCount
        if writtenCount > byteCount {
            unsafe control.copyMemory(from: control + (writtenCount - byteCount), byteCount: byteCount)
        }
        unsafe state.pointee.controlCount = byteCount
        unsafe state.pointee.isReceived = true
    }

    private func appendControl(_ type: ControlMessageType, _ payload: RawSpan) {
        let start = controlByteCount
        let space = ControlLayout.space(payload.byteCount)
        require(space <= controlByteCapacity - start, "The control data does not fit; make the message with more controlByteCapacity.")
        writeControlHeader(at: start, type: type, payloadByteCount: payload.byteCount)
        // SAFETY: header and payload fit, as was just checked.
        unsafe payload.withUnsafeBytes { bytes in
            if let source = bytes.baseAddress {
                unsafe (control + start + ControlLayout.payloadOffset).copyMemory(from: source, byteCount: bytes.count)
            }
        }
        unsafe state.pointee.controlCount = start + space
        unsafe state.pointee.descriptorMessage = nil
    }

    private func appendHold(_ hold: consuming FileHold) {
        let (count, number) = unsafe (state.pointee.holdCount, hold.processNumber)
        require(count < Message.maximumDescriptorCount, "A message can carry no more than 253 descriptors.")
        // Descriptors one after the other share a control message.
        let start = unsafe state.pointee.descriptorMessage ?? controlByteCount
        let before = unsafe state.pointee.descriptorMessage == nil ? 0 : controlPayloadByteCount(at: start)
        let end = start + ControlLayout.space(before + MemoryLayout<Int32>.size)
        require(end <= controlByteCapacity, "The descriptor does not fit; make the message with more controlByteCapacity.")
        // SAFETY: header and payload fit, as was just checked; the room for holds is as large as their number can be.
        unsafe (control + start + ControlLayout.payloadOffset + before).storeBytes(of: number, as: Int32.self)
        writeControlHeader(at: start, type: .descriptors, payloadByteCount: before + MemoryLayout<Int32>.size)
        unsafe state.pointee.controlCount = end
        unsafe state.pointee.descriptorMessage = start
        if unsafe state.pointee.holds == nil {
            let room = min(controlByteCapacity / MemoryLayout<Int32>.size, Message.maximumDescriptorCount)
            unsafe state.pointee.holds = .allocate(capacity: room)
        }
        unsafe state.pointee.holds.map { unsafe $0 + count }?.initialize(to: hold)
        unsafe state.pointee.holdCount = count + 1
    }

    private func writeControlHeader(at offset: Int, type: ControlMessageType, payloadByteCount: Int) {
        // SAFETY: the caller has checked that the header fits. struct cmsghdr: the count as a size_t, the level, the type.
        unsafe (control + offset).storeBytes(of: ControlLayout.payloadOffset + payloadByteCount, as: Int.self)
        unsafe (control + offset + MemoryLayout<Int>.size).storeBytes(of: type.level, as: Int32.self)
        unsafe (control + offset + MemoryLayout<Int>.size + 4).storeBytes(of: type.number, as: Int32.self)
    }

    private func controlPayloadByteCount(at offset: Int) -> Int {
        // SAFETY: only called for a control message that was written here.
        unsafe (control + offset).load(as: Int.self) - ControlLayout.payloadOffset
    }
}
