// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Control data that was received or is to be sent: messages one behind the other, each with a header; a plain view of it.
@safe
struct ControlData {
    // SAFETY: who makes the view keeps the bytes, and nobody else changes them meanwhile.
    private let start: UnsafeMutableRawPointer
    private let byteCount: Int

    @unsafe init(start: UnsafeMutableRawPointer, byteCount: Int) {
        unsafe self.start = unsafe start
        self.byteCount = byteCount
    }

    /// The control message at an offset, which moves on to the next; nil at the end, or where the data is not well formed.
    private func next(at offset: inout Int) -> (type: ControlMessageType, payload: Range<Int>)? {
        let remaining = byteCount - offset
        guard remaining >= ControlLayout.payloadOffset else { return nil }
        // SAFETY: the header is within the control data. In a provided buffer it can lie anywhere.
        let count = unsafe (start + offset).loadUnaligned(as: Int.self)
        let level = unsafe (start + offset + MemoryLayout<Int>.size).loadUnaligned(as: Int32.self)
        let number = unsafe (start + offset + MemoryLayout<Int>.size + 4).loadUnaligned(as: Int32.self)
        guard count >= ControlLayout.payloadOffset, count <= remaining else { return nil }
        let payload = offset + ControlLayout.payloadOffset..<offset + count
        // The kernel may leave the padding of the last one out.
        offset += min(ControlLayout.padded(count), remaining)
        return (ControlMessageType(level: level, number: number), payload)
    }

    /// How many bytes the well-formed messages at the start have.
    var messageByteCount: Int {
        var offset = 0
        while next(at: &offset) != nil {}
        return offset
    }

    /// Shows each control message with its payload; descriptors are left out.
    func forEachMessage<Failure: Error>(_ body: (ControlMessageType, RawSpan) throws(Failure) -> Void) throws(Failure) {
        var offset = 0
        while let message = next(at: &offset) {
            if message.type.isDescriptors { continue }
            // SAFETY: the payload is within the control data.
            let payload = unsafe UnsafeRawBufferPointer(start: start + message.payload.lowerBound, count: message.payload.count)
            try unsafe body(message.type, payload.bytes)
        }
    }

    /// Takes the next received descriptor's number, leaving -1 in its place.
    func takeDescriptorNumber() -> Int32? {
        var offset = 0
        while let message = next(at: &offset) {
            if !message.type.isDescriptors { continue }
            for index in 0..<message.payload.count / MemoryLayout<Int32>.size {
                // SAFETY: the number is within the payload, which is within the control data.
                let place = unsafe start + message.payload.lowerBound + index * MemoryLayout<Int32>.size
                let number = unsafe place.loadUnaligned(as: Int32.self)
                if number >= 0 {
                    unsafe place.storeBytes(of: -1, as: Int32.self)
                    return number
                }
            }
        }
        return nil
    }

    /// Closes the received descriptors that were not taken.
    func closeDescriptors() {
        while let number = takeDescriptorNumber() { _ = close(number) }
    }
}

/// How control messages lie behind one another: each has a header and its payload, both padded to the size of a `size_t`.
enum ControlLayout {
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
