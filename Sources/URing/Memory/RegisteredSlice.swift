// SPDX-License-Identifier: Apache-2.0

/// A registered buffer, or a part of one, with one owner.
///
/// It is used like a ``Buffer``: ``Read``, ``Write``, ``ReadVectored`` and ``WriteVectored`` then name the registered buffer, whose pages
/// the kernel neither looks up nor pins for each operation; other operations take it as plain memory. Make slices with
/// ``RegisteredBuffers/take()`` and ``split(at:)``: no two ever overlap. The memory goes back when the slice is dropped, and can be taken
/// again when all of the buffer is back. A slice may outlive the table and the ring.
///
/// On a ring that does not have the buffer registered, or not any more, operations that name it fail with `EFAULT`. So they do on the ring of
/// the slot that it was taken from when the buffer has left that slot, also if it lies in another of that ring by now: take it again.
@safe @frozen
public struct RegisteredSlice: ~Copyable, ByteSource, ByteDestination {
    @usableFromInline let memory: RegisteredMemory
    // SAFETY: from here on, `byteCapacity` bytes are this value's alone until `deinit`, and `initializedCount` never exceeds them. The
    // memory stays as long as there is a slice of it.
    @usableFromInline let base: UnsafeMutableRawPointer
    /// How many bytes there is room for.
    @inlinable
    public var byteCapacity: Int {
        @inline(__always) get { Int(truncatingIfNeeded: capacity) }
    }
    @usableFromInline var capacity: UInt32
    @usableFromInline var initializedCount: UInt32
    /// The slot that it was taken from, as operations name it, and the ring of that.
    ///
    /// Each operation asks, and finds it here without a look at other memory.
    @usableFromInline let ringIdentity: UInt32
    @usableFromInline let index: UInt16

    init(memory: RegisteredMemory, slot: RegisteredSlot, base: UnsafeMutableRawPointer, byteCapacity: Int, initializedCount: Int) {
        self.memory = memory
        unsafe self.base = unsafe base
        capacity = UInt32(byteCapacity)
        self.initializedCount = UInt32(initializedCount)
        (ringIdentity, index) = unsafe (slot.block.pointee.ringIdentity, slot.block.pointee.index)
    }

    /// Makes a slice of the rest of another's memory.
    private init(behind offset: UInt32, of other: borrowing RegisteredSlice) {
        memory = other.memory
        unsafe base = unsafe other.base + Int(offset)
        capacity = other.capacity - offset
        initializedCount = other.initializedCount > offset ? other.initializedCount - offset : 0
        (ringIdentity, index) = (other.ringIdentity, other.index)
    }

    @inlinable
    deinit {
        memory.endSlice(byteCapacity: Int(capacity), initializedCount: Int(initializedCount))
    }

    /// How many bytes from the start are initialised.
    @inlinable
    public var count: Int { initializedByteCount }

    /// Takes the memory from an offset on out of the slice.
    ///
    /// - Parameter offset: How much of the slice remains.
    /// - Returns: The rest, with the initialised bytes that are in it.
    /// - Precondition: The offset is within the slice.
    public mutating func split(at offset: Int) -> RegisteredSlice {
        require(isOffset(offset, within: byteCapacity), "A slice can be split only within its memory.")
        memory.noteSplit()
        let offset = UInt32(offset)
        let rest = RegisteredSlice(behind: offset, of: self)
        capacity = offset
        initializedCount = min(initializedCount, offset)
        return rest
    }

    /// Gives the memory back, as dropping the slice does.
    @inlinable
    public consuming func giveBack() {}
}

extension RegisteredSlice {
    /// True: operations on it are the kernel's fixed ones.
    @inlinable public static var isRegistered: Bool {
        @inline(__always) get { true }
    }

    /// The slot of the buffer on a ring, or one that no ring has.
    ///
    /// The slot that it was taken from may have another buffer by now, or none. The kernel compares addresses with what a slot has, and this
    /// memory is nobody else's as long as there is a slice of it: so it answers `EFAULT`, as it does when there is no slot.
    @inlinable @inline(__always)
    public borrowing func registeredIndex(on ring: RingIdentity) -> UInt16 {
        _fastPath(ring.number == ringIdentity) ? index : memory.index(onRing: ring.number)
    }

    /// The initialised bytes, for an operation.
    @inlinable
    @unsafe public var kernelBytes: UnsafeRawBufferPointer {
        @inline(__always) get { unsafe UnsafeRawBufferPointer(start: base, count: initializedByteCount) }
    }

    /// All of the memory, for an operation.
    @inlinable
    @unsafe public var kernelRoom: UnsafeMutableRawBufferPointer {
        @inline(__always) mutating get { unsafe UnsafeMutableRawBufferPointer(start: base, count: byteCapacity) }
    }

    /// How many bytes from the start are initialised.
    @inlinable
    public var initializedByteCount: Int {
        @inline(__always) get { Int(truncatingIfNeeded: initializedCount) }
    }

    /// Takes the bytes up to `byteCount` as initialised.
    ///
    /// - Important: Unsafe, because nothing shows that they are.
    @inlinable @inline(__always)
    @unsafe public mutating func didInitialize(byteCount: Int) {
        require(isOffset(byteCount, within: byteCapacity), "More bytes than the buffer has room for cannot have been written.")
        initializedCount = UInt32(truncatingIfNeeded: byteCount)
    }
}
