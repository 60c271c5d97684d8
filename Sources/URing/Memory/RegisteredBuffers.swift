// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// A ring's table of registered buffers: memory whose pages the kernel looks up and pins once, instead of for each operation.
///
/// Make it with one of the ring's `makeRegisteredBuffers` functions; a ring has one table at the most. ``take()`` gives a buffer as a
/// ``RegisteredSlice``, the memory of operations, which goes back to the table when it is dropped. The table owns the memory. Dropping
/// the table ends the registration as soon as no slice is left, in the caller's hands or in flight.
@frozen
public struct RegisteredBuffers: ~Copyable {
    @usableFromInline let state: RegisteredBuffersState

    init(state: RegisteredBuffersState) {
        self.state = state
    }

    deinit {
        state.release()
    }

    /// How many buffers a table has room for.
    @inlinable public static var maximumSlotCount: Int { 16384 }

    /// How large a buffer can be: 1 GiB.
    @inlinable public static var maximumByteCount: Int { 1 << 30 }

    /// How many buffers there is room for.
    public var slotCount: Int { state.slotCount }

    /// How many slots have a buffer.
    public var count: Int { state.filledCount }

    /// In how many slots there is a buffer that can be taken; one that lies in several is taken out of all of them.
    public var freeCount: Int { state.freeCount }

    /// How large the buffer of a slot is, or nil when there is none.
    ///
    /// - Precondition: There is such a slot.
    public func byteCount(ofSlot slot: Int) -> Int? { state.slot(slot).memory?.byteCount }

    /// How many buffers have left a table of the ring, and are still the kernel's.
    ///
    /// Only those count that were registered in a table with `tracksRelease`. The kernel reports each of them when the last operation with
    /// it is done and this table does not lock the memory any more, which another may that has it as well, by cloning;
    /// ``Ring/nextCompletion()`` takes note of that.
    public var unreleasedCount: Int { state.unreleasedCount }

    // MARK: Taking

    /// Takes a buffer that nobody has, empty, or gives nil when there is none.
    public func take() -> RegisteredSlice? {
        guard let slot = state.firstFree, let memory = slot.memory else { return nil }
        return memory.take(from: slot, keepingBytes: false)
    }

    /// Takes the buffer of a slot with its bytes, or gives nil when the slot is empty or somebody has the buffer.
    ///
    /// Its bytes are those that it was registered with, or that it had when it came back in one piece.
    ///
    /// - Precondition: There is such a slot.
    public func take(slot: Int) -> RegisteredSlice? {
        let slot = state.slot(slot)
        guard let memory = slot.memory, memory.isFree else { return nil }
        return memory.take(from: slot, keepingBytes: true)
    }

    // MARK: Changing

    /// Registers a buffer in a slot, in the place of one that may be there.
    ///
    /// Slices of the other one remain good, and operations with them that the kernel has begun go on; those that it begins later fail with
    /// `EFAULT`. Its memory is freed with the last of them.
    ///
    /// - Parameters:
    ///   - buffer: The memory; its bytes are there for ``take(slot:)``.
    ///   - slot: Where to.
    /// - Throws: Why it could not be registered; the slot is then as it was, and the buffer is dropped.
    /// - Precondition: There is such a slot, and the buffer has room for 1 byte to 1 GiB.
    ///
    /// The liburing function is `io_uring_register_buffers_update_tag`; see `io_uring_register_buffers(3)`. Linux 5.13.
    public func register(_ buffer: consuming Buffer, inSlot slot: Int) throws(BufferRegistrationError) {
        buffer.requireRegistrableSize()
        try state.replace(slot, with: buffer)
    }

    /// Empties a slot.
    ///
    /// Slices of its buffer remain good, and operations with them that the kernel has begun go on; those that it begins later fail with
    /// `EFAULT`. The memory is freed with the last of them.
    ///
    /// - Parameter slot: Which one; nothing happens when it is empty.
    /// - Throws: Why not.
    /// - Precondition: There is such a slot.
    ///
    /// The liburing function is `io_uring_register_buffers_update_tag`; see `io_uring_register_buffers(3)`. Linux 5.13.
    public func unregister(slot: Int) throws(BufferRegistrationError) {
        try state.replace(slot, with: nil)
    }

    /// Registers the buffers of another ring's table here as well, in the place of what is there.
    ///
    /// The memory belongs to both tables then. A buffer that is taken from one is taken from both, and its slices can be used on both rings.
    ///
    /// - Parameters:
    ///   - slots: Slots of the other table; a slot that is empty there becomes empty here.
    ///   - other: The other table.
    ///   - offset: The first slot here.
    /// - Throws: Why they could not be registered; the table is then as it was.
    /// - Precondition: It is another table, and both have these slots, of which there is at least one.
    ///
    /// The liburing function is `io_uring_clone_buffers_offset`; see `io_uring_clone_buffers(3)`. Linux 6.13.
    public func clone(
        slots: Range<Int>, of other: borrowing RegisteredBuffers, toSlot offset: Int
    ) throws(BufferRegistrationError) {
        other.requireSlots(slots)
        require(
            offset >= 0 && offset <= slotCount - slots.count, "The table has no room for so many slots from there on.")
        try state.clone(slots, of: other.state, to: offset, isReplacing: true)
    }

    static func requireSize(_ byteCount: Int) {
        require(byteCount >= 1 && byteCount <= maximumByteCount, "A registered buffer has room for 1 byte to 1 GiB.")
    }

    func requireSlots(_ slots: Range<Int>) {
        require(
            slots.lowerBound >= 0 && slots.upperBound <= slotCount && !slots.isEmpty,
            "The slots to be cloned have to be of the other table, and at least one.")
    }
}

extension Buffer {
    func requireRegistrableSize() { RegisteredBuffers.requireSize(byteCapacity) }
}

extension Ring {
    /// Registers new buffers of one size, as a pool.
    ///
    /// - Parameters:
    ///   - count: How many buffers.
    ///   - byteCount: How large each of them is. Each begins at a page boundary, behind the one before.
    ///   - slotCount: How many buffers the table has room for, as many as there are by default.
    ///   - tracksRelease: Whether the kernel reports each buffer that has left the table and that it has let go of, for
    ///     ``RegisteredBuffers/unreleasedCount``. A report takes a place in the completion queue and ends a wait.
    /// - Returns: The table.
    /// - Throws: Why they could not be registered; most often it is the limit on locked memory.
    /// - Precondition: The counts are from 1 to 16384, there are no fewer slots than buffers, and the buffers have from 1 byte to 1 GiB.
    ///
    /// The liburing function is `io_uring_register_buffers_tags`; see `io_uring_register_buffers(3)`. Linux 5.13.
    public mutating func makeRegisteredBuffers(
        count: Int, byteCount: Int, slotCount: Int? = nil, tracksRelease: Bool = false
    ) throws(BufferRegistrationError) -> RegisteredBuffers {
        let state = core.makeTable(slotCount: slotCount ?? count, bufferCount: count, tracksRelease: tracksRelease)
        do throws(Errno) {
            if count > 0 { try state.fill(count: count, byteCount: byteCount) }
        } catch {
            state.end()
            throw BufferRegistrationError(errno: error, cause: .lockedMemoryLimit(byteCount: count * byteCount, limit: nil))
        }
        try state.registerOrEnd()
        return RegisteredBuffers(state: state)
    }

    /// Registers buffers with their bytes, in the order that they have.
    ///
    /// - Parameters:
    ///   - buffers: The buffers, which belong to the table from now on; ``RegisteredBuffers/take(slot:)`` gives them with their bytes.
    ///   - slotCount: How many buffers the table has room for, as many as there are by default.
    ///   - tracksRelease: Whether the kernel reports each buffer that has left the table and that it has let go of, for
    ///     ``RegisteredBuffers/unreleasedCount``. A report takes a place in the completion queue and ends a wait.
    /// - Returns: The table.
    /// - Throws: Why they could not be registered, most often the limit on locked memory; they are then dropped.
    /// - Precondition: There is a buffer, no fewer slots than buffers and no more than 16384, and the buffers have room for 1 byte to 1 GiB.
    ///
    /// The liburing function is `io_uring_register_buffers_tags`; see `io_uring_register_buffers(3)`. Linux 5.13.
    public mutating func makeRegisteredBuffers(
        of buffers: consuming BufferVector, slotCount: Int? = nil, tracksRelease: Bool = false
    ) throws(BufferRegistrationError) -> RegisteredBuffers {
        let state = core.makeTable(slotCount: slotCount ?? buffers.count, bufferCount: buffers.count, tracksRelease: tracksRelease)
        while let buffer = buffers.popLast() {
            buffer.requireRegistrableSize()
            state.fill(state.slot(buffers.count), with: RegisteredMemory(buffer))
        }
        try state.registerOrEnd()
        return RegisteredBuffers(state: state)
    }

    /// Makes a table without buffers.
    ///
    /// - Parameters:
    ///   - slotCount: How many buffers there is room for.
    ///   - tracksRelease: Whether the kernel reports each buffer that has left the table and that it has let go of, for
    ///     ``RegisteredBuffers/unreleasedCount``. A report takes a place in the completion queue and ends a wait.
    /// - Returns: The table.
    /// - Throws: Why it could not be made.
    /// - Precondition: There are from 1 to 16384 slots.
    ///
    /// The liburing function is `io_uring_register_buffers_sparse`; see `io_uring_register_buffers(3)`. Linux 5.19.
    public mutating func makeRegisteredBuffers(
        slotCount: Int, tracksRelease: Bool = false
    ) throws(BufferRegistrationError) -> RegisteredBuffers {
        let state = core.makeTable(slotCount: slotCount, bufferCount: 0, tracksRelease: tracksRelease)
        try state.registerOrEnd()
        return RegisteredBuffers(state: state)
    }

    /// Registers the buffers of another ring's table here as well, in a table of this ring's own.
    ///
    /// The memory belongs to both tables then, and is neither pinned nor counted twice. A buffer that is taken from one table is taken from
    /// both, and its slices can be used on both rings. Either table, and either ring, may go first.
    ///
    /// - Parameters:
    ///   - other: The other table; its ring has not been closed.
    ///   - slots: Which slots of it, all by default; others need Linux 6.13.
    ///   - offset: The first slot here, with empty ones before it; other than zero it needs Linux 6.13.
    /// - Returns: The table.
    /// - Throws: Why they could not be registered.
    /// - Precondition: The other table has these slots, and this one has no more than 16384 with them.
    ///
    /// The liburing functions are `io_uring_clone_buffers` and `io_uring_clone_buffers_offset`; see `io_uring_clone_buffers(3)`. Linux 6.12.
    public mutating func makeRegisteredBuffers(
        cloning other: borrowing RegisteredBuffers, slots: Range<Int>? = nil, toSlot offset: Int = 0
    ) throws(BufferRegistrationError) -> RegisteredBuffers {
        let slots = slots ?? 0..<other.slotCount
        other.requireSlots(slots)
        require(offset >= 0 && offset <= RegisteredBuffers.maximumSlotCount, "A slot's number is from 0 to 16383.")
        let state = core.makeTable(slotCount: offset + slots.count, bufferCount: 0, tracksRelease: false)
        do {
            try state.clone(slots, of: other.state, to: offset, isReplacing: false)
        } catch {
            state.end()
            throw error
        }
        return RegisteredBuffers(state: state)
    }
}

extension RingCore {
    /// Makes a table that the kernel does not know yet.
    fileprivate func makeTable(slotCount: Int, bufferCount: Int, tracksRelease: Bool) -> RegisteredBuffersState {
        require(
            slotCount >= 1 && slotCount <= RegisteredBuffers.maximumSlotCount, "A table of registered buffers has from 1 to 16384 slots.")
        require(bufferCount >= 0 && bufferCount <= slotCount, "There are more buffers than slots for them.")
        return RegisteredBuffersState(anchor: anchor, slotCount: slotCount, tracksRelease: tracksRelease)
    }
}
