// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// The counted state of a ring's table of registered buffers: what is in its slots, and the kernel's registration.
///
/// The owner holds it, and so does each slot whose memory has slices. The last to let go ends the registration, and only then the memory.
@safe @usableFromInline
struct RegisteredBuffersState: BitwiseCopyable {
    @safe
    private struct Block {
        let anchor: RingAnchor
        let slots: UnsafeMutablePointer<RegisteredSlot.Block>
        let slotCount: Int
        let tracksRelease: Bool
        var holdCount: Int
        /// How many slots have memory.
        var filledCount: Int
        /// How many of those have memory without slices.
        var freeCount: Int
        var firstFree: RegisteredSlot?
    }

    private let block: UnsafeMutablePointer<Block>

    /// Makes a table that the kernel does not know yet.
    init(anchor: RingAnchor, slotCount: Int, tracksRelease: Bool) {
        anchor.unregisterLeftBuffers()
        anchor.retain()
        let slots = UnsafeMutablePointer<RegisteredSlot.Block>.allocate(capacity: slotCount)
        unsafe block = .allocate(capacity: 1)
        unsafe block.initialize(
            to: Block(
                anchor: anchor, slots: slots, slotCount: slotCount, tracksRelease: tracksRelease, holdCount: 1, filledCount: 0,
                freeCount: 0, firstFree: nil))
        for index in 0..<slotCount {
            unsafe (slots + index).initialize(
                to: RegisteredSlot.Block(
                    table: self, index: UInt16(index), ringIdentity: anchor.ringIdentity))
        }
    }

    // MARK: Holds

    func retain() {
        unsafe block.pointee.holdCount += 1
    }

    func release() {
        // SAFETY: the caller gives up its share, which kept the block alive until here.
        unsafe block.pointee.holdCount -= 1
        guard unsafe block.pointee.holdCount == 0 else { return }
        // For the end, or for the anchor, which keeps a table that the kernel would not forget: slices of what is shared with other tables come
        // and go meanwhile.
        retain()
        if anchor.unregisterBuffers(self) { end() }
    }

    /// Ends a table that the kernel does not know, with the memory that only this table has, and the caller's share of it.
    ///
    /// There may be slices of memory that other tables have as well: they go on without this one.
    func end() {
        for index in 0..<slotCount { empty(slot(index)) }
        anchor.release()
        unsafe block.pointee.slots.deallocate()
        unsafe block.deallocate()
    }

    // MARK: Slots

    var slotCount: Int { unsafe block.pointee.slotCount }

    var filledCount: Int { unsafe block.pointee.filledCount }

    var freeCount: Int { unsafe block.pointee.freeCount }

    var firstFree: RegisteredSlot? { unsafe block.pointee.firstFree }

    var unreleasedCount: Int { anchor.unreleased.buffers }

    private var anchor: RingAnchor { unsafe block.pointee.anchor }

    /// - Precondition: There is such a slot.
    func slot(_ index: Int) -> RegisteredSlot {
        require(index >= 0 && index < slotCount, "The table of registered buffers does not have this slot.")
        return unsafe RegisteredSlot(block: block.pointee.slots + index)
    }

    func noteFree(first: RegisteredSlot?, change: Int) {
        unsafe block.pointee.firstFree = first
        unsafe block.pointee.freeCount += change
    }

    /// Notes that a slot has this memory now.
    func fill(_ slot: RegisteredSlot, with memory: RegisteredMemory) {
        unsafe block.pointee.filledCount += 1
        memory.enter(slot)
    }

    /// Makes the first slots' memory, of a table that the kernel does not know yet: one mapping, of which each frees its part by itself.
    func fill(count: Int, byteCount: Int) throws(Errno) {
        RegisteredBuffers.requireSize(byteCount)
        let pages = try DividedMapping(count: count, byteCount: byteCount)
        for index in 0..<count {
            fill(slot(index), with: RegisteredMemory(part: index, of: pages, byteCount: byteCount))
        }
    }

    /// Notes that a slot has no memory any more.
    private func empty(_ slot: RegisteredSlot) {
        guard let memory = slot.memory else { return }
        unsafe block.pointee.filledCount -= 1
        memory.leave(slot)
        if unsafe slot.block.pointee.isTagged { anchor.unreleased.buffers += 1 }
        unsafe slot.block.pointee.isTagged = false
    }

    // MARK: The kernel

    /// What the kernel is to report when it has let go of memory; it takes none for an empty slot.
    private func tag(of memory: RegisteredMemory?) -> UInt64 {
        unsafe memory != nil && block.pointee.tracksRelease ? UserData.bufferRelease : 0
    }

    /// Notes that what is in a slot was registered with a tag, if it was.
    private func noteTag(of slot: RegisteredSlot) {
        unsafe slot.block.pointee.isTagged = tag(of: slot.memory) != 0
    }

    /// Registers the table as it is, or frees it.
    func registerOrEnd() throws(BufferRegistrationError) {
        let entries = UnsafeMutablePointer<iovec>.allocate(capacity: slotCount)
        let tags = UnsafeMutablePointer<UInt64>.allocate(capacity: slotCount)
        var byteCount = 0
        for index in 0..<slotCount {
            let memory = slot(index).memory
            unsafe (entries + index).initialize(to: memory?.entry ?? iovec())
            unsafe (tags + index).initialize(to: tag(of: memory))
            byteCount += memory?.byteCount ?? 0
        }
        var registration = curing_rsrc_register()
        registration.nr = UInt32(slotCount)
        registration.data = UInt64(UInt(bitPattern: entries))
        registration.tags = UInt64(UInt(bitPattern: tags))
        // SAFETY: the kernel reads the arrays before the call returns. It pins the memory, which stays until the table is unregistered.
        let status = unsafe anchor.register(
            CURING_REGISTER_BUFFERS2, &registration, count: UInt32(MemoryLayout<curing_rsrc_register>.size))
        unsafe entries.deallocate()
        unsafe tags.deallocate()
        if status < 0 {
            end()
            throw BufferRegistrationError(Errno(rawValue: -status), byteCount: byteCount)
        }
        for index in 0..<slotCount { noteTag(of: slot(index)) }
    }

    /// Registers other memory in a slot, or none.
    func replace(_ index: Int, with buffer: consuming Buffer?) throws(BufferRegistrationError) {
        let slot = slot(index)
        let memory: RegisteredMemory? =
            switch consume buffer {
            case .some(let buffer): RegisteredMemory(buffer)
            case .none: nil
            }
        guard anchor.isAlive else {
            memory?.deallocate()
            throw BufferRegistrationError(.badFileDescriptor, byteCount: 0)
        }
        var entry = unsafe memory?.entry ?? iovec()
        var tag = tag(of: memory)
        let status = unsafe withUnsafeMutablePointer(to: &entry) { entry in
            unsafe withUnsafeMutablePointer(to: &tag) { tag in
                // SAFETY: the kernel reads all three before the call returns. It pins the memory, which stays until the slot or the table
                // is unregistered.
                var update = curing_rsrc_update2(
                    offset: UInt32(index), resv: 0, data: UInt64(UInt(bitPattern: entry)), tags: UInt64(UInt(bitPattern: tag)), nr: 1,
                    resv2: 0)
                return unsafe anchor.register(
                    CURING_REGISTER_BUFFERS_UPDATE, &update, count: UInt32(MemoryLayout<curing_rsrc_update2>.size))
            }
        }
        guard status == 1 else {
            let byteCount = memory?.byteCount ?? 0
            memory?.deallocate()
            throw BufferRegistrationError(Errno(rawValue: -status), byteCount: byteCount)
        }
        empty(slot)
        if let memory { fill(slot, with: memory) }
        noteTag(of: slot)
    }

    /// Registers the memory of another table's slots here as well; `isReplacing` when the kernel knows this table already.
    func clone(
        _ slots: Range<Int>, of source: RegisteredBuffersState, to offset: Int, isReplacing: Bool
    ) throws(BufferRegistrationError) {
        require(unsafe block != source.block, "A table cannot be cloned into itself; the buffers are registered there already.")
        guard let descriptor = source.anchor.descriptor, anchor.isAlive else {
            throw BufferRegistrationError(.badFileDescriptor, byteCount: 0)
        }
        var request = curing_clone_buffers()
        request.src_fd = UInt32(descriptor)
        request.flags = isReplacing ? CURING_REGISTER_DST_REPLACE : 0
        // Linux 6.12 copies whole tables only, and wants none of these then.
        if isReplacing || slots != 0..<source.slotCount || offset != 0 {
            request.src_off = UInt32(slots.lowerBound)
            request.dst_off = UInt32(offset)
            request.nr = UInt32(slots.count)
        }
        // SAFETY: the kernel reads the request before the call returns, and shares the memory that it has pinned already.
        let status = unsafe anchor.register(CURING_REGISTER_CLONE_BUFFERS, &request, count: 1)
        guard status == 0 else { throw BufferRegistrationError(Errno(rawValue: -status), byteCount: 0) }
        for (index, sourceIndex) in zip(offset..., slots) {
            let slot = slot(index)
            empty(slot)
            if let memory = source.slot(sourceIndex).memory { fill(slot, with: memory) }
        }
    }
}
