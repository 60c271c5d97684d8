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
    public static func controlByteCount(forPayload byteCount: Int) -> Int {
        ControlLayout.space(byteCount)
    }

    /// How much room so many descriptors take.
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
        var offset = 0
        while let message = nextControlMessage(at: &offset) {
            if message.type.isDescriptors { continue }
            // SAFETY: the payload is within the control data, which stays unchanged while the message is borrowed.
            let payload = unsafe UnsafeRawBufferPointer(start: control + message.payload.lowerBound, count: message.payload.count)
            try unsafe body(message.type, payload.bytes)
        }
    }

    /// Takes the next descriptor that was received, or gives nil when there is none (left).
    ///
    /// It is close-on-exec.
    public mutating func takeDescriptor() -> Descriptor? {
        guard let number = takeDescriptorNumber() else { return nil }
        return Descriptor(received: number)
    }

    /// What the kernel said of the message that was received.
    public var receivedFlags: ReceivedMessageFlags {
        // The kernel gives MSG_CMSG_CLOEXEC back as it got it.
        ReceivedMessageFlags(rawValue: UInt32(bitPattern: unsafe state.pointee.header.msg_flags) & ~0x4000_0000)
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
    /// Makes sure that the control data is what we send, not what was received.
    func beginOutgoingControl() {
        if unsafe state.pointee.isReceived { releaseControl() }
    }

    /// Forgets the control data, and everything it owns.
    func releaseControl() {
        // SAFETY: the block is this message's, and the kernel is done with it. `isReceived` says whose the descriptors are.
        if unsafe state.pointee.isReceived {
            while let number = takeDescriptorNumber() { _ = close(number) }
        }
        unsafe state.pointee.holds?.deinitialize(count: state.pointee.holdCount)
        unsafe state.pointee.holdCount = 0
        unsafe state.pointee.descriptorMessage = nil
        unsafe state.pointee.controlCount = 0
        unsafe state.pointee.isReceived = false
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

    /// The control message at an offset, which moves on to the next; nil at the end, or where the data is not well formed.
    private func nextControlMessage(at offset: inout Int) -> (type: ControlMessageType, payload: Range<Int>)? {
        let remaining = controlByteCount - offset
        guard remaining >= ControlLayout.payloadOffset else { return nil }
        // SAFETY: the header is within the control data, and offsets are multiples of a size_t.
        let count = unsafe (control + offset).load(as: Int.self)
        let level = unsafe (control + offset + MemoryLayout<Int>.size).load(as: Int32.self)
        let number = unsafe (control + offset + MemoryLayout<Int>.size + 4).load(as: Int32.self)
        guard count >= ControlLayout.payloadOffset, count <= remaining else { return nil }
        let payload = offset + ControlLayout.payloadOffset..<offset + count
        // The kernel may leave the padding of the last one out.
        offset += min(ControlLayout.padded(count), remaining)
        return (ControlMessageType(level: level, number: number), payload)
    }

    /// Takes the next received descriptor's number, leaving -1 in its place.
    private func takeDescriptorNumber() -> Int32? {
        guard unsafe state.pointee.isReceived else { return nil }
        var offset = 0
        while let message = nextControlMessage(at: &offset) {
            if !message.type.isDescriptors { continue }
            for index in 0..<message.payload.count / MemoryLayout<Int32>.size {
                // SAFETY: the number is within the payload, which is within the control data.
                let place = unsafe control + message.payload.lowerBound + index * MemoryLayout<Int32>.size
                let number = unsafe place.load(as: Int32.self)
                if number >= 0 {
                    unsafe place.storeBytes(of: -1, as: Int32.self)
                    return number
                }
            }
        }
        return nil
    }
}

/// How control messages lie behind one another: each has a header and its payload, both padded to the size of a `size_t`.
private enum ControlLayout {
    /// The header's size, which is padded already on 64-bit machines.
    static let payloadOffset = padded(MemoryLayout<Int>.size + 2 * MemoryLayout<Int32>.size)

    static func padded(_ byteCount: Int) -> Int {
        (byteCount + MemoryLayout<Int>.size - 1) & ~(MemoryLayout<Int>.size - 1)
    }

    static func space(_ payloadByteCount: Int) -> Int {
        require(
            payloadByteCount >= 0 && payloadByteCount <= 1 << 20, "The payload of a control message can have from 0 bytes to 1 MiB.")
        return payloadOffset + padded(payloadByteCount)
    }
}
