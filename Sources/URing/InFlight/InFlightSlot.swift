// SPDX-License-Identifier: Apache-2.0

/// The start of every slot; the tag and then the operation follow it.
///
/// While a slot is free, the link to the next free one lies in the place of the type, and nothing is abandoned or outstanding.
@usableFromInline
struct SlotHeader {
    /// The operation's type, unless it has a number: how a slot is emptied when nobody knows any more what is in it.
    @usableFromInline var type: any (Operation & ~Copyable).Type
    /// The user data of the operation in the slot, or of the next one while the slot is free.
    @usableFromInline var userData: UInt64
    @usableFromInline var state: SlotState
}

/// What is known of the operation in a slot, in one word, so that one comparison tells that it is of a type and nothing else is to be known.
@usableFromInline
struct SlotState: BitwiseCopyable, Equatable {
    /// The number is in bits 0 to 6, whether the operation is abandoned in bit 7, and the count of its completions above.
    @usableFromInline var bits: UInt32

    /// The state of an operation that is put into its slot.
    @inlinable @inline(__always)
    init(_ number: OperationNumber?) {
        bits = number.map { UInt32($0.rawValue) } ?? 0
    }

    /// What stands for the operation's type, if it has a number.
    @inlinable
    var number: OperationNumber? {
        @inline(__always) get { OperationNumber(rawValue: UInt8(truncatingIfNeeded: bits & 0x7f)) }
    }

    /// Whether the last completion was dropped while earlier ones were still out: the last of those frees the slot.
    @inlinable
    var isAbandoned: Bool {
        @inline(__always) get { bits & 0x80 != 0 }
        set { bits = newValue ? bits | 0x80 : bits & ~0x80 }
    }

    /// How many completions with more to come (`F_MORE`) are in the hands of the caller.
    @inlinable
    var outstanding: UInt32 {
        @inline(__always) get { bits >> 8 }
    }

    /// Counts a completion with more to come; more than 16 million at a time trap.
    mutating func beginEvent() { bits += 0x100 }

    @inlinable @inline(__always)
    mutating func endEvent() { bits &-= 0x100 }
}

/// Where the parts of a slot lie for one type of tag.
@usableFromInline
enum SlotLayout {
    /// Room every slot has for an operation and its kernel data.
    @inlinable static var minimumPayloadByteCount: Int { 80 }

    /// Where the tag lies, after what its alignment may need.
    static var tagAreaOffset: Int { MemoryLayout<SlotHeader>.size }

    @inlinable @inline(__always)
    static func tagOffset<Tag: BitwiseCopyable>(_: Tag.Type) -> Int {
        alignedUp(MemoryLayout<SlotHeader>.size, to: MemoryLayout<Tag>.alignment)
    }

    /// The payload is 16-byte aligned whatever the tag is.
    @inlinable @inline(__always)
    static func payloadOffset<Tag: BitwiseCopyable>(_: Tag.Type) -> Int {
        alignedUp(tagOffset(Tag.self) + MemoryLayout<Tag>.size, to: 16)
    }

    /// Slots are a power of two apart, so that an index becomes an address by a shift: 128 bytes for tags of up to 16.
    @inlinable @inline(__always)
    static func slotByteCount(payloadOffset: Int) -> Int {
        let needed = payloadOffset &+ minimumPayloadByteCount
        // The smallest size is also the alignment that user data relies on.
        return needed <= 128 ? 128 : needed <= 256 ? 256 : 1 << (Int.bitWidth - (needed - 1).leadingZeroBitCount)
    }

    @inlinable @inline(__always)
    static func slotByteCount<Tag: BitwiseCopyable>(_: Tag.Type) -> Int {
        slotByteCount(payloadOffset: payloadOffset(Tag.self))
    }

    /// The room for an operation in a slot.
    @inlinable @inline(__always)
    static func capacity(payloadOffset: Int) -> Int {
        slotByteCount(payloadOffset: payloadOffset) &- payloadOffset
    }

    @inlinable @inline(__always)
    static func alignedUp(_ offset: Int, to alignment: Int) -> Int {
        (offset + alignment - 1) & ~(alignment - 1)
    }
}

/// Where an operation, its kernel data and its tracking lie inside a payload, and whether they need a box of their own.
@usableFromInline
enum PayloadLayout {
    @inlinable @inline(__always)
    static func kernelDataOffset<Op: Operation & ~Copyable>(_: Op.Type) -> Int {
        SlotLayout.alignedUp(MemoryLayout<Op>.size, to: MemoryLayout<Op.KernelData>.alignment)
    }

    /// Where a tracked operation has what the table knows of it.
    @inlinable @inline(__always)
    static func trackingOffset<Op: Operation & ~Copyable>(_: Op.Type) -> Int {
        SlotLayout.alignedUp(kernelDataOffset(Op.self) + MemoryLayout<Op.KernelData>.size, to: MemoryLayout<Tracking>.alignment)
    }

    @inlinable @inline(__always)
    static func byteCount<Op: Operation & ~Copyable>(_: Op.Type) -> Int {
        Op.routing.isTracked
            ? trackingOffset(Op.self) + MemoryLayout<Tracking>.size : kernelDataOffset(Op.self) + MemoryLayout<Op.KernelData>.size
    }

    @inlinable @inline(__always)
    static func isBoxed<Op: Operation & ~Copyable>(_: Op.Type, capacity: Int) -> Bool {
        byteCount(Op.self) > capacity || MemoryLayout<Op>.alignment > 16 || MemoryLayout<Op.KernelData>.alignment > 16
    }
}
