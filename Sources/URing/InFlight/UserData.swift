// SPDX-License-Identifier: Apache-2.0

/// The 64 bits that travel with a submission to its completions.
///
/// From the low end: the kind (4 bits, below the slots' alignment), the slot's offset in the table (31 bits together with the kind) and
/// the slot's generation (33 bits). A slot's generation moves on whenever the slot is freed, so the user data of an operation that has
/// ended names nothing any more; at the top it wraps without touching the rest. No kind is zero, because the kernel itself uses zero for
/// the filler entries of a queue with mixed entry sizes.
@usableFromInline
enum UserData {
    /// What a completion's user data speaks of.
    @usableFromInline
    enum Kind: UInt64 {
        /// An operation in the in-flight table.
        case operation = 1
        /// An entry the ring wrote for itself; its completion is nobody's.
        case ringInternal = 2
        /// A registered resource that the kernel has let go of; no entry stands for it.
        case release = 3
        /// The timeout that is linked to the operation in a slot.
        case linkedTimeout = 4
        /// An operation in the in-flight table that has a companion: it has a linked timeout, is a member of a chain, or takes buffers of
        /// an incremental pool.
        case linkedOperation = 5
        /// An entry that gives no completion when it succeeds.
        case unreported = 6
        /// A tracked operation in the in-flight table, whose completions the ring looks at before the caller does.
        case trackedOperation = 7
        /// Plain bits from another thread or ring; no entry of this ring stands for it, as for the next three.
        case message = 8
        /// A descriptor from another thread.
        case descriptorMessage = 9
        /// A file from another ring's table.
        case directDescriptorMessage = 10
        /// A wake-up from another thread.
        case wake = 11
        /// User data that URing did not make.
        case foreign = 15
    }

    @inlinable static var kindMask: UInt64 { 0xf }
    /// Where the generation begins: one more of it is a constant that an instruction can add without a register of its own.
    @inlinable static var generationShift: UInt64 { 31 }
    @inlinable static var generationStep: UInt64 { 1 << generationShift }

    @inlinable @inline(__always)
    static func operation(byteOffset: Int, generation: UInt64) -> UInt64 {
        generation &<< generationShift | UInt64(truncatingIfNeeded: byteOffset) | Kind.operation.rawValue
    }

    /// What user data speaks of; whatever is not ours is foreign.
    static func kind(of userData: UInt64) -> Kind {
        guard let kind = Kind(rawValue: userData & kindMask) else { return .foreign }
        switch kind {
        case .operation, .linkedOperation, .trackedOperation, .linkedTimeout: return kind
        case .message, .descriptorMessage, .directDescriptorMessage, .wake: return kind
        // The others name no slot, so that there is one value of each, or two.
        case .release: return userData == bufferRelease || userData == fileRelease ? kind : .foreign
        case .ringInternal, .unreported, .foreign: return userData == kind.rawValue ? kind : .foreign
        }
    }

    /// User data of another kind that names the same use of the same slot.
    @inlinable @inline(__always)
    static func sameSlot(as userData: UInt64, kind: Kind) -> UInt64 {
        userData & ~kindMask | kind.rawValue
    }

    /// The tag of registered buffers: what the kernel says when it has let go of one.
    static let bufferRelease = Kind.release.rawValue
    /// The tag of registered files, likewise.
    static let fileRelease = Kind.release.rawValue | 1 << 4

    /// How many inboxes the user data can tell apart.
    static var maximumInboxCount: Int { 1 << 28 }

    /// The user data of what a handle sends: the kind, the inbox in the 28 bits above, and a value in the upper half.
    @inlinable @inline(__always)
    static func fromHandle(_ kind: Kind, inbox: UInt32, value: UInt32) -> UInt64 {
        UInt64(value) << 32 | UInt64(inbox) << 4 | kind.rawValue
    }

    /// The inbox that a message is for; nil if this is of no message.
    @usableFromInline
    static func inbox(of userData: UInt64) -> Int? {
        switch kind(of: userData) {
        case .message, .descriptorMessage, .directDescriptorMessage: Int(truncatingIfNeeded: UInt32(truncatingIfNeeded: userData) &>> 4)
        case .operation, .ringInternal, .release, .linkedTimeout, .linkedOperation, .unreported, .trackedOperation, .wake, .foreign: nil
        }
    }

    /// The bits that hold the offset of a slot, in a table of so many bytes; both numbers are powers of two.
    static func offsetMask(tableByteCount: Int, slotByteCount: Int) -> UInt64 {
        UInt64(truncatingIfNeeded: tableByteCount - 1) & ~UInt64(truncatingIfNeeded: slotByteCount - 1)
    }

    /// The same slot's user data one generation on.
    @inlinable @inline(__always)
    static func nextGeneration(after userData: UInt64) -> UInt64 {
        userData &+ generationStep
    }
}
