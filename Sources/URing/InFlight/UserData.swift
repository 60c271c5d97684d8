// SPDX-License-Identifier: Apache-2.0

/// The 64 bits that travel with a submission to its completions.
///
/// From the low end: the slot's index (28 bits), the kind (4 bits) and the slot's generation (32 bits). A slot's generation
/// moves on whenever the slot is freed, so the user data of an operation that has ended names nothing any more; at the top it
/// wraps without touching the rest. No kind is zero, because the kernel itself uses zero for the filler entries of a queue with
/// mixed entry sizes.
@usableFromInline
enum UserData {
    @usableFromInline static let indexBits = 28
    @inlinable static var indexMask: UInt64 { (1 << 28) - 1 }
    @inlinable static var generationStep: UInt64 { 1 << 32 }

    /// What a completion's user data speaks of.
    @usableFromInline
    enum Kind: UInt64 {
        /// An operation in the in-flight table.
        case operation = 1
        /// An entry the ring wrote for itself; its completion is nobody's.
        case ringInternal = 2
        /// User data that URing did not make.
        case foreign = 15
    }

    @inlinable @inline(__always)
    static func operation(index: Int, generation: UInt32) -> UInt64 {
        UInt64(generation) << 32 | Kind.operation.rawValue << 28 | UInt64(truncatingIfNeeded: index)
    }

    @inlinable @inline(__always)
    static func isOperation(_ userData: UInt64) -> Bool {
        (userData >> 28) & 0xf == Kind.operation.rawValue
    }

    @inlinable @inline(__always)
    static func index(of userData: UInt64) -> Int {
        Int(truncatingIfNeeded: userData & indexMask)
    }

    /// The same slot's user data one generation on.
    @inlinable @inline(__always)
    static func nextGeneration(after userData: UInt64) -> UInt64 {
        userData &+ generationStep
    }
}
