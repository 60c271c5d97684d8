// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// A message for ``SendMessage`` and ``ReceiveMessage``: buffers, an address, and control data such as descriptors.
///
/// One allocation holds everything the kernel reads or writes besides the buffers, so a message that is used again allocates nothing.
/// Descriptors that were received belong to the message until they are taken out, and are closed when it is dropped or used again.
@safe @frozen
public struct Message: ~Copyable {
    /// A ``MessageBlock`` with the regions behind it; this value's alone.
    @usableFromInline let block: UnsafeMutableRawPointer

    /// Makes a message without buffers.
    ///
    /// - Parameters:
    ///   - segmentCapacity: How many buffers it can have, from 1 to 1024.
    ///   - controlByteCapacity: Room for control data, for instance ``controlByteCount(forDescriptors:)``.
    /// - Precondition: The capacities are in these ranges.
    public init(segmentCapacity: Int = 1, controlByteCapacity: Int = 0) {
        require(segmentCapacity >= 1 && segmentCapacity <= 1024, "A message can have from 1 to 1024 buffers.")
        require(
            controlByteCapacity >= 0 && controlByteCapacity <= 1 << 20, "Room for control data can be from 0 to 1 MiB.")
        // SAFETY: the regions follow the block as `MessageBlock` computes them; the control data begins as zeros.
        let byteCount = MessageBlock.controlOffset(segmentCapacity: segmentCapacity) + controlByteCapacity
        unsafe block = .allocate(byteCount: byteCount, alignment: 16)
        unsafe block.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        unsafe block.initializeMemory(
            as: MessageBlock.self, to: MessageBlock(segmentCapacity: segmentCapacity, controlCapacity: controlByteCapacity))
    }

    /// Makes a message with one buffer.
    public init(_ buffer: consuming Buffer, to address: SocketAddress? = nil, controlByteCapacity: Int = 0) {
        self.init(controlByteCapacity: controlByteCapacity)
        append(buffer)
        self.address = address
    }

    deinit {
        // SAFETY: nobody else knows the block. The kernel does not either: a message in flight lies in the in-flight table.
        releaseControl()
        unsafe state.pointee.holds?.deallocate()
        unsafe buffers.deinitialize(count: segmentCount)
        unsafe state.deinitialize(count: 1)
        unsafe block.deallocate()
    }

    // SAFETY of the four: the block was allocated with these regions, and `segmentCapacity` never changes.

    var state: UnsafeMutablePointer<MessageBlock> { unsafe block.assumingMemoryBound(to: MessageBlock.self) }

    private var segments: UnsafeMutablePointer<iovec> {
        unsafe (block + MessageBlock.segmentsOffset).assumingMemoryBound(to: iovec.self)
    }

    private var buffers: UnsafeMutablePointer<Buffer> {
        unsafe (block + MessageBlock.buffersOffset(segmentCapacity: segmentCapacity)).assumingMemoryBound(to: Buffer.self)
    }

    var control: UnsafeMutableRawPointer {
        unsafe block + MessageBlock.controlOffset(segmentCapacity: segmentCapacity)
    }
}

// MARK: - Buffers and address

extension Message {
    /// How many buffers the message can have.
    public var segmentCapacity: Int { unsafe state.pointee.segmentCapacity }

    /// How many buffers it has.
    public var segmentCount: Int { unsafe state.pointee.segmentCount }

    /// Adds a buffer: its initialised bytes are sent, or all of its memory is received into.
    ///
    /// - Precondition: There is room for one more.
    public mutating func append(_ buffer: consuming Buffer) {
        require(segmentCount < segmentCapacity, "The message has as many buffers as it can; make it with a larger segmentCapacity.")
        // SAFETY: the place is within the region and holds no buffer.
        unsafe (buffers + segmentCount).initialize(to: buffer)
        unsafe state.pointee.segmentCount += 1
    }

    /// Takes the last buffer out, or gives nil when there is none.
    public mutating func removeLast() -> Buffer? {
        guard segmentCount > 0 else { return nil }
        // SAFETY: the place holds a buffer, and counts as empty from here on.
        unsafe state.pointee.segmentCount -= 1
        return unsafe (buffers + segmentCount).move()
    }

    /// The initialised bytes of a buffer.
    ///
    /// - Precondition: The message has so many buffers.
    @_lifetime(borrow self)
    public func bytes(ofSegment index: Int) -> RawSpan {
        require(index >= 0 && index < segmentCount, "The message does not have so many buffers.")
        // SAFETY: the place holds a buffer, which lives and stays unchanged while the message is borrowed.
        let span = unsafe RawSpan(_unsafeBytes: buffers[index].kernelBytes)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// The initialised bytes of all buffers, one after the other, as an array.
    public func copyBytes() -> [UInt8] {
        // SAFETY: the places hold buffers, which are only read.
        (0..<segmentCount).flatMap { unsafe buffers[$0].copyBytes() }
    }

    /// Lends one of the buffers for changes.
    ///
    /// - Precondition: The message has so many buffers.
    public mutating func withSegment<Value: ~Copyable, Failure: Error>(
        _ index: Int, _ body: (inout Buffer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        require(index >= 0 && index < segmentCount, "The message does not have so many buffers.")
        // SAFETY: the place holds a buffer, and the message is accessed exclusively.
        return try unsafe body(&buffers[index])
    }

    /// How many initialised bytes there are in all buffers.
    public var byteCount: Int {
        (0..<segmentCount).reduce(0) { unsafe $0 + buffers[$1].count }
    }

    /// Where the message goes to or came from, if an address was given or received.
    public var address: SocketAddress? {
        get { unsafe state.pointee.hasAddress ? state.pointee.address : nil }
        set {
            unsafe state.pointee.hasAddress = newValue != nil
            if let newValue { unsafe state.pointee.address = newValue }
        }
    }
}

// MARK: - The operations' side

extension Message {
    /// Writes the header for sending without the first `start` bytes, and gives its address.
    @usableFromInline
    mutating func beginSending(startingAt start: Int) -> UInt64 {
        require(isOffset(start, within: byteCount), "A send must start within the initialised bytes.")
        // SAFETY: the header and all it points to belong to the message, which lives until the operation is done.
        beginOutgoingControl()
        var skipped = start
        for index in 0..<segmentCount {
            let bytes = unsafe buffers[index].kernelBytes
            let here = min(skipped, bytes.count)
            skipped -= here
            unsafe segments[index] = unsafe iovec(
                iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress.map { unsafe $0 + here }), iov_len: bytes.count - here)
        }
        writeHeader(addressByteCount: address?.byteCount ?? 0, controlByteCount: controlByteCount)
        return UInt64(UInt(bitPattern: unsafe block))
    }

    /// Writes the header for receiving, and gives its address.
    @usableFromInline
    mutating func beginReceiving(flags: ReceiveFlags) -> UInt64 {
        // SAFETY: as in `beginSending`.
        require(
            !flags.contains(.waitAll) || controlByteCapacity == 0,
            "A receive with room for control data cannot wait for all: the control data of all but the last part would be lost.")
        requireNoRepetition(flags)
        releaseControl()
        unsafe state.pointee.hasAddress = false
        var room = 0
        for index in 0..<segmentCount {
            let bytes = unsafe buffers[index].kernelRoom
            // With this flag TCP counts bytes that it does not write.
            if flags.contains(.truncate) { unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0) }
            unsafe segments[index] = unsafe iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
            room += bytes.count
        }
        require(room > 0, "A receive needs room: append a buffer to the message.")
        // See `takeOverControl`.
        unsafe control.initializeMemory(as: UInt8.self, repeating: 0, count: controlByteCapacity)
        writeHeader(addressByteCount: SocketAddress.maximumByteCount, controlByteCount: controlByteCapacity)
        return UInt64(UInt(bitPattern: unsafe block))
    }

    /// Lets go of the descriptors once they are sent; after an error they stay for another try.
    @usableFromInline
    mutating func endSending(_ completion: CompletionEntry) {
        if completion.result >= 0 { removeControlMessages() }
    }

    /// Takes over what the kernel has written.
    @usableFromInline
    mutating func endReceiving(_ completion: CompletionEntry) {
        guard completion.result >= 0 else { return }
        // SAFETY: the operation is done, so the kernel has written the header, and what it says of the regions.
        var remaining = Int(completion.result)
        for index in 0..<segmentCount {
            let here = unsafe min(remaining, buffers[index].byteCapacity)
            unsafe buffers[index].didInitialize(byteCount: here)
            remaining -= here
        }
        let addressByteCount = unsafe state.pointee.header.msg_namelen
        unsafe state.pointee.address.storedByteCount = addressByteCount
        unsafe state.pointee.address = state.pointee.address.received
        unsafe state.pointee.hasAddress = addressByteCount > 0
        unsafe takeOverControl(byteCount: min(Int(state.pointee.header.msg_controllen), controlByteCapacity))
    }

    private func writeHeader(addressByteCount: Int, controlByteCount: Int) {
        // SAFETY: the address's bytes come first in it, and the regions are as large as said.
        let name = unsafe block + MessageBlock.addressOffset
        unsafe state.pointee.header = msghdr(
            msg_name: addressByteCount > 0 ? name : nil, msg_namelen: socklen_t(addressByteCount), msg_iov: segments,
            msg_iovlen: numericCast(segmentCount), msg_control: controlByteCount > 0 ? control : nil,
            msg_controllen: numericCast(controlByteCount), msg_flags: 0)
    }
}

/// The start of a message's memory; the iovecs, the buffers and the control data follow it.
@safe
struct MessageBlock {
    /// First, so that the block's address is the header's.
    var header = unsafe msghdr()
    var address = SocketAddress()
    var hasAddress = false
    /// Whether the control data came from the kernel: the descriptors in it are ours to close.
    var isReceived = false
    let segmentCapacity: Int
    var segmentCount = 0
    let controlCapacity: Int
    var controlCount = 0
    /// Where the last control message to be sent begins, if it is of descriptors and can be made longer.
    var descriptorMessage: Int?
    /// The descriptors to be sent, in room for as many as there can be; allocated with the first.
    var holds: UnsafeMutablePointer<FileHold>?
    var holdCount = 0

    init(segmentCapacity: Int, controlCapacity: Int) {
        self.segmentCapacity = segmentCapacity
        self.controlCapacity = controlCapacity
        unsafe holds = nil
    }

    /// Where the address's bytes lie, the first field of it.
    static let addressOffset = aligned(unsafe MemoryLayout<msghdr>.size, to: MemoryLayout<SocketAddress>.alignment)

    static let segmentsOffset = aligned(MemoryLayout<MessageBlock>.size, to: 16)

    static func buffersOffset(segmentCapacity: Int) -> Int {
        unsafe segmentsOffset + segmentCapacity * MemoryLayout<iovec>.stride
    }

    static func controlOffset(segmentCapacity: Int) -> Int {
        aligned(buffersOffset(segmentCapacity: segmentCapacity) + segmentCapacity * MemoryLayout<Buffer>.stride, to: 16)
    }

    private static func aligned(_ offset: Int, to alignment: Int) -> Int {
        (offset + alignment - 1) & ~(alignment - 1)
    }
}
