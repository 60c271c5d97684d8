// SPDX-License-Identifier: Apache-2.0

/// Memory for the operations that do not fit a slot, kept for reuse so that re-arming one allocates nothing.
///
/// Boxes come in powers of two from 128 bytes to 16 KiB; a free box holds the link to the next one of its size.
@safe @usableFromInline
struct BoxPool {
    private static let smallestShift = 7
    private static let classCount = 8

    private typealias Heads = InlineArray<8, UnsafeMutableRawPointer?>
    private var heads: Heads

    init() {
        unsafe heads = .init(repeating: nil)
    }

    /// The size class for a box, or nil when it is too large to be kept.
    private static func sizeClass(byteCount: Int) -> Int? {
        let shift = Int.bitWidth - max(byteCount - 1, 1).leadingZeroBitCount
        let index = max(shift - smallestShift, 0)
        return index < classCount ? index : nil
    }

    @usableFromInline
    mutating func allocate(byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
        // SAFETY: a box belongs to whoever got it here until it is given back; free boxes are only touched by the pool.
        guard alignment <= 16, let index = BoxPool.sizeClass(byteCount: byteCount) else {
            return .allocate(byteCount: byteCount, alignment: alignment)
        }
        if let box = unsafe heads[index] {
            unsafe heads[index] = box.load(as: UnsafeMutableRawPointer?.self)
            return unsafe box
        }
        return .allocate(byteCount: 1 << (index + BoxPool.smallestShift), alignment: 16)
    }

    @usableFromInline
    mutating func free(_ box: UnsafeMutableRawPointer, byteCount: Int, alignment: Int) {
        guard alignment <= 16, let index = BoxPool.sizeClass(byteCount: byteCount) else {
            unsafe box.deallocate()
            return
        }
        unsafe box.storeBytes(of: heads[index], as: UnsafeMutableRawPointer?.self)
        unsafe heads[index] = box
    }

    /// Frees the boxes nobody uses; only called when all of them are free.
    mutating func deallocate() {
        for index in 0..<BoxPool.classCount {
            while let box = unsafe heads[index] {
                unsafe heads[index] = box.load(as: UnsafeMutableRawPointer?.self)
                unsafe box.deallocate()
            }
        }
    }
}
