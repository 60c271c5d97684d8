// SPDX-License-Identifier: Apache-2.0

/// What stands for the type of an operation in a slot, where it is one of those that programs do most.
///
/// Any type can be told by its metadata, but for a generic type like ``Read`` it takes a call to find that, at each note and each
/// comparison. Its number is known when the code is compiled: the comparisons of types in ``init(of:)`` are made by the compiler. An
/// operation needs none; one that loops do most gets it here.
@usableFromInline
enum OperationNumber: UInt8, CaseIterable {
    case nop = 1
    case poll
    case readIntoBuffer
    case readIntoSlice
    case writeFromBuffer
    case writeFromSlice
    case receiveIntoBuffer
    case receiveIntoSlice
    case sendFromBuffer
    case sendFromSlice
    case sendFromLease

    /// The number of a type; nil if it has none.
    @inlinable @inline(__always)
    init?<Op: Operation & ~Copyable>(of _: Op.Type) {
        if Op.self == Nop.self {
            self = .nop
        } else if Op.self == Poll.self {
            self = .poll
        } else if Op.self == Read<Buffer>.self {
            self = .readIntoBuffer
        } else if Op.self == Read<RegisteredSlice>.self {
            self = .readIntoSlice
        } else if Op.self == Write<Buffer>.self {
            self = .writeFromBuffer
        } else if Op.self == Write<RegisteredSlice>.self {
            self = .writeFromSlice
        } else if Op.self == Receive<Buffer>.self {
            self = .receiveIntoBuffer
        } else if Op.self == Receive<RegisteredSlice>.self {
            self = .receiveIntoSlice
        } else if Op.self == Send<Buffer>.self {
            self = .sendFromBuffer
        } else if Op.self == Send<RegisteredSlice>.self {
            self = .sendFromSlice
        } else if Op.self == Send<BufferLease>.self {
            self = .sendFromLease
        } else {
            return nil
        }
    }

    /// The type with this number.
    var type: any (Operation & ~Copyable).Type {
        switch self {
        case .nop: Nop.self
        case .poll: Poll.self
        case .readIntoBuffer: Read<Buffer>.self
        case .readIntoSlice: Read<RegisteredSlice>.self
        case .writeFromBuffer: Write<Buffer>.self
        case .writeFromSlice: Write<RegisteredSlice>.self
        case .receiveIntoBuffer: Receive<Buffer>.self
        case .receiveIntoSlice: Receive<RegisteredSlice>.self
        case .sendFromBuffer: Send<Buffer>.self
        case .sendFromSlice: Send<RegisteredSlice>.self
        case .sendFromLease: Send<BufferLease>.self
        }
    }
}

// The type in a slot's header: its number, or the type itself.
extension Slot {
    /// Notes the type of the operation that is put into the slot.
    @inlinable @inline(__always)
    func setType<Op: Operation & ~Copyable>(_: Op.Type) {
        // SAFETY: the slot was free, so nobody relies on what is in the place of the type, and nothing is outstanding.
        let number = OperationNumber(of: Op.self)
        if number == nil { unsafe header.pointee.type = Op.self }
        unsafe header.pointee.state = SlotState(number)
    }

    /// Whether the operation in the slot is of this type.
    @inlinable @inline(__always)
    func isType<Op: Operation & ~Copyable>(_: Op.Type) -> Bool {
        // SAFETY: the slot is in use, so it has the number of a type or the address of one. In the place of the address a type with a number leaves
        // the link that the slot had when it was free, and no type lies in a table.
        if let number = OperationNumber(of: Op.self) { return unsafe header.pointee.state.number == number }
        return unsafe base.load(as: UInt.self) == UInt(bitPattern: ObjectIdentifier(Op.self))
    }

    /// Whether the operation in the slot is of this type, and no completion of it that more follow is in the hands of the caller.
    @inlinable @inline(__always)
    func isTypeWithNoneOutstanding<Op: Operation & ~Copyable>(_: Op.Type) -> Bool {
        // SAFETY: as above.
        if let number = OperationNumber(of: Op.self) { return unsafe header.pointee.state == SlotState(number) }
        return unsafe isType(Op.self) && header.pointee.state.outstanding == 0
    }

    /// The type of the operation in the slot.
    var type: any (Operation & ~Copyable).Type {
        // SAFETY: the slot is in use, so without a number it has a type.
        unsafe header.pointee.state.number?.type ?? header.pointee.type
    }
}
