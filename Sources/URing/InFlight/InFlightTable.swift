// SPDX-License-Identifier: Apache-2.0

/// Holds every operation from the moment it is prepared until its last completion is taken or dropped.
///
/// Slots lie in chunks that never move, because the kernel has addresses inside them. The table makes no system call and
/// knows nothing of queues. It is shared between a ring and the completions in the caller's hands; all of them belong to one
/// isolation region, so its counters are plain. When the ring goes first (`orphan()`), the last completion frees the table.
@safe @usableFromInline
struct InFlightTable: BitwiseCopyable {
    @safe @usableFromInline
    struct State {
        /// The first free slot; free slots are linked through the bytes of their payload.
        @usableFromInline var firstFree: UnsafeMutableRawPointer?
        /// The directory of chunks, indexed by the high bits of a slot's index.
        @usableFromInline var chunks: UnsafeMutablePointer<UnsafeMutableRawPointer>
        @usableFromInline var chunkCount: Int
        @usableFromInline var chunkCapacity: Int
        @usableFromInline let slotShift: Int
        @usableFromInline let payloadOffset: Int
        /// Operations whose last completion has not been reaped.
        @usableFromInline var inFlightCount: Int
        /// Slots that are not free: in flight, or reaped and still in the caller's hands.
        @usableFromInline var usedCount: Int
        /// User data that named nothing (any more).
        @usableFromInline var staleCount: UInt64
        /// The process-wide number of the ring, which its tokens carry.
        @usableFromInline let identity: UInt32
        @usableFromInline var isOrphaned: Bool
        @usableFromInline var boxes: BoxPool
    }

    @usableFromInline static let chunkShift = 9
    @usableFromInline static let slotsPerChunk = 1 << chunkShift
    /// The index must fit its bits in the user data.
    @usableFromInline static let maximumSlotCount = 1 << Int(UserData.indexBits)

    @usableFromInline let state: UnsafeMutablePointer<State>

    /// Makes an empty table for slots with tags of one type.
    ///
    /// `firstGeneration` is where every slot's generation starts; tests start it close to its wrap.
    init<Tag: BitwiseCopyable>(tag: Tag.Type, identity: UInt32, firstGeneration: UInt32 = 0) {
        self.init(
            slotByteCount: SlotLayout.slotByteCount(Tag.self), payloadOffset: SlotLayout.payloadOffset(Tag.self), identity: identity,
            firstGeneration: firstGeneration)
    }

    private init(slotByteCount: Int, payloadOffset: Int, identity: UInt32, firstGeneration: UInt32) {
        self.firstGeneration = firstGeneration
        // SAFETY: the table owns the state and the directory until `deallocate()`, which runs when the ring is gone and no
        // completion is left.
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(
            to: State(
                firstFree: nil, chunks: .allocate(capacity: 8), chunkCount: 0, chunkCapacity: 8,
                slotShift: slotByteCount.trailingZeroBitCount, payloadOffset: payloadOffset, inFlightCount: 0, usedCount: 0,
                staleCount: 0, identity: identity, isOrphaned: false, boxes: BoxPool()))
    }

    @usableFromInline let firstGeneration: UInt32

    // MARK: Slots

    /// Takes a free slot, growing the table when there is none.
    @inlinable @inline(__always)
    func allocateSlot() -> Slot {
        // SAFETY: `firstFree` is nil or a slot of a chunk that lives as long as the table; a free slot's payload holds the link.
        if let first = unsafe state.pointee.firstFree {
            let slot = unsafe Slot(base: first)
            unsafe state.pointee.firstFree = slot.nextFree(payloadOffset: state.pointee.payloadOffset)
            unsafe state.pointee.usedCount &+= 1
            unsafe state.pointee.inFlightCount &+= 1
            return slot
        }
        grow()
        return allocateSlotAfterGrowth()
    }

    @usableFromInline @inline(never)
    func allocateSlotAfterGrowth() -> Slot {
        precondition(unsafe state.pointee.firstFree != nil, "growth leaves a free slot")
        return allocateSlot()
    }

    /// The slot that user data names, or nil when it names none (any more).
    @inlinable @inline(__always)
    func slot(for userData: UInt64) -> Slot? {
        guard UserData.isOperation(userData) else { return nil }
        let index = UserData.index(of: userData)
        let chunk = index &>> InFlightTable.chunkShift
        guard unsafe chunk < state.pointee.chunkCount else { return nil }
        // SAFETY: the chunk is in the directory, and every chunk has `slotsPerChunk` slots.
        let slot = unsafe Slot(
            base: state.pointee.chunks[chunk]
                + (index & (InFlightTable.slotsPerChunk - 1)) &<< state.pointee.slotShift)
        return unsafe slot.header.pointee.userData == userData ? slot : nil
    }

    /// Puts a slot whose contents have been moved out back on the free list, one generation on.
    @inlinable @inline(__always)
    func free(_ slot: Slot) {
        // SAFETY: the slot's payload is uninitialised now and at least one pointer wide.
        unsafe slot.header.pointee.userData = UserData.nextGeneration(after: slot.header.pointee.userData)
        unsafe slot.setNextFree(state.pointee.firstFree, payloadOffset: state.pointee.payloadOffset)
        unsafe state.pointee.firstFree = slot.base
        unsafe state.pointee.usedCount &-= 1
        if unsafe state.pointee.isOrphaned { deallocateIfUnused() }
    }

    @usableFromInline @inline(never)
    func grow() {
        // SAFETY: chunks are allocated here, entered into the directory and freed only with the table.
        let first = unsafe state.pointee.chunkCount * InFlightTable.slotsPerChunk
        precondition(first < InFlightTable.maximumSlotCount, "More operations are in flight than the user data can number (268 million).")
        if unsafe state.pointee.chunkCount == state.pointee.chunkCapacity {
            let capacity = unsafe state.pointee.chunkCapacity * 2
            let larger = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: capacity)
            unsafe larger.moveInitialize(from: state.pointee.chunks, count: state.pointee.chunkCount)
            unsafe state.pointee.chunks.deallocate()
            unsafe state.pointee.chunks = larger
            unsafe state.pointee.chunkCapacity = capacity
        }
        let slotByteCount = unsafe 1 << state.pointee.slotShift
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: slotByteCount * InFlightTable.slotsPerChunk, alignment: 128)
        for position in (0..<InFlightTable.slotsPerChunk).reversed() {
            let slot = unsafe Slot(base: chunk + position * slotByteCount)
            unsafe slot.base.initializeMemory(
                as: SlotHeader.self,
                to: SlotHeader(userData: UserData.operation(index: first + position, generation: firstGeneration)))
            unsafe slot.setNextFree(state.pointee.firstFree, payloadOffset: state.pointee.payloadOffset)
            unsafe state.pointee.firstFree = slot.base
        }
        unsafe state.pointee.chunks[state.pointee.chunkCount] = chunk
        unsafe state.pointee.chunkCount += 1
    }

    // MARK: The table's end

    /// The ring is gone: from now on the last completion to be taken or dropped frees the table.
    func orphan() {
        unsafe state.pointee.isOrphaned = true
        deallocateIfUnused()
    }

    @usableFromInline @inline(never)
    func deallocateIfUnused() {
        if unsafe state.pointee.usedCount == 0 { deallocate() }
    }

    private func deallocate() {
        // SAFETY: no slot is in use, so nothing in the chunks needs destroying, and nothing points into them.
        for index in unsafe 0..<state.pointee.chunkCount { unsafe state.pointee.chunks[index].deallocate() }
        unsafe state.pointee.chunks.deallocate()
        unsafe state.pointee.boxes.deallocate()
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
    }
}

extension InFlightTable {
    var slotCount: Int { unsafe state.pointee.chunkCount * InFlightTable.slotsPerChunk }

    @usableFromInline var inFlightCount: Int { unsafe state.pointee.inFlightCount }

    @usableFromInline var usedCount: Int { unsafe state.pointee.usedCount }

    @usableFromInline var staleCount: UInt64 { unsafe state.pointee.staleCount }

    /// Counts user data that named nothing.
    func noteStale() { unsafe state.pointee.staleCount += 1 }

    @usableFromInline var identity: UInt32 {
        @inlinable @inline(__always) get { unsafe state.pointee.identity }
    }
}

/// One slot of the table, by its address.
@safe @usableFromInline
struct Slot: BitwiseCopyable {
    @usableFromInline let base: UnsafeMutableRawPointer

    @inlinable @inline(__always)
    init(base: UnsafeMutableRawPointer) {
        unsafe self.base = unsafe base
    }

    /// The slot's header, which is initialised from growth until the table is freed.
    @inlinable
    var header: UnsafeMutablePointer<SlotHeader> {
        @inline(__always) get { unsafe base.assumingMemoryBound(to: SlotHeader.self) }
    }

    @inlinable @inline(__always)
    func nextFree(payloadOffset: Int) -> UnsafeMutableRawPointer? {
        // SAFETY: only called for a free slot, whose payload holds the link.
        unsafe (base + payloadOffset).load(as: UnsafeMutableRawPointer?.self)
    }

    @inlinable @inline(__always)
    func setNextFree(_ next: UnsafeMutableRawPointer?, payloadOffset: Int) {
        unsafe (base + payloadOffset).storeBytes(of: next, as: UnsafeMutableRawPointer?.self)
    }
}
