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
        /// The first free slot; free slots are linked through their first bytes.
        @usableFromInline var firstFree: UnsafeMutableRawPointer?
        /// The directory of chunks, indexed by the high bits of a slot's index.
        @usableFromInline var chunks: UnsafeMutablePointer<UnsafeMutableRawPointer>
        @usableFromInline var chunkCount: Int
        @usableFromInline var chunkCapacity: Int
        let slotByteCount: Int
        @usableFromInline let payloadOffset: Int
        /// Slots that were not free when the ring went, and are not yet; counted from then on.
        @usableFromInline var orphanCount: Int
        /// User data that named nothing (any more).
        @usableFromInline var staleCount: UInt64
        /// The process-wide number of the ring, which its tokens carry.
        @usableFromInline let identity: UInt32
        /// Where every slot's generation starts.
        @usableFromInline let firstGeneration: UInt32
        @usableFromInline var isOrphaned: Bool
        @usableFromInline var boxes: BoxPool
    }

    /// The offset in a chunk, and the chunk's number, have 16 bits each in the user data.
    static let chunkByteCount = 1 << 16
    static let maximumChunkCount = 1 << 16

    @usableFromInline let state: UnsafeMutablePointer<State>

    /// Makes an empty table for slots with tags of one type.
    ///
    /// Tests start the generations close to their wrap.
    init<Tag: BitwiseCopyable>(tag: Tag.Type, identity: UInt32, firstGeneration: UInt32 = 0) {
        self.init(
            slotByteCount: SlotLayout.slotByteCount(Tag.self), payloadOffset: SlotLayout.payloadOffset(Tag.self), identity: identity,
            firstGeneration: firstGeneration)
    }

    private init(slotByteCount: Int, payloadOffset: Int, identity: UInt32, firstGeneration: UInt32) {
        require(slotByteCount <= InFlightTable.chunkByteCount, "A tag is the size of a word or two; this one is too large.")
        // SAFETY: the table owns the state and the directory until `deallocate()`, which runs when the ring is gone and no
        // completion is left.
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(
            to: State(
                firstFree: nil, chunks: .allocate(capacity: 8), chunkCount: 0, chunkCapacity: 8,
                slotByteCount: slotByteCount, payloadOffset: payloadOffset, orphanCount: 0,
                staleCount: 0, identity: identity, firstGeneration: firstGeneration, isOrphaned: false, boxes: BoxPool()))
    }

    // MARK: Slots

    /// Takes a free slot, growing the table when there is none.
    @inlinable @inline(__always)
    func allocateSlot() -> Slot {
        // SAFETY: `firstFree` is nil or a slot of a chunk that lives as long as the table.
        if _fastPath(unsafe state.pointee.firstFree != nil), let first = unsafe state.pointee.firstFree {
            let slot = unsafe Slot(base: first)
            unsafe state.pointee.firstFree = slot.nextFree
            return slot
        }
        grow()
        return allocateSlotAfterGrowth()
    }

    @usableFromInline @inline(never)
    func allocateSlotAfterGrowth() -> Slot {
        require(unsafe state.pointee.firstFree != nil, "growth leaves a free slot")
        return allocateSlot()
    }

    /// The slot that user data names, or nil when it names none (any more).
    @inlinable @inline(__always)
    func slot(for userData: UInt64) -> Slot? {
        let chunk = UserData.chunk(of: userData)
        guard unsafe chunk < state.pointee.chunkCount else { return nil }
        // SAFETY: the chunk is in the directory, and the offset is one of a slot of the smallest size. With larger slots it may lie
        // inside a slot, but only for user data that is not ours; what it finds there was initialised, and cannot be equal, because the
        // user data names its own place.
        let slot = unsafe Slot(base: state.pointee.chunks[chunk] + UserData.byteOffset(of: userData))
        // The comparison is of the whole, and with it of the kind.
        return unsafe slot.header.pointee.userData == userData ? slot : nil
    }

    /// Puts a slot whose contents have been moved out back on the free list, one generation on.
    @inlinable @inline(__always)
    func free(_ slot: Slot) {
        // SAFETY: the slot is in use until here, and its contents have been moved out.
        unsafe slot.header.pointee.userData = UserData.nextGeneration(after: slot.header.pointee.userData)
        unsafe slot.setNextFree(state.pointee.firstFree)
        unsafe state.pointee.firstFree = slot.base
        if unsafe state.pointee.isOrphaned { freedOrphan() }
    }

    @usableFromInline @inline(never)
    func grow() {
        // SAFETY: chunks are allocated here, entered into the directory and freed only with the table.
        let number = unsafe state.pointee.chunkCount
        require(number < InFlightTable.maximumChunkCount, "More operations are in flight than the user data can number (33 million).")
        if unsafe state.pointee.chunkCount == state.pointee.chunkCapacity {
            let capacity = unsafe state.pointee.chunkCapacity * 2
            let larger = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: capacity)
            unsafe larger.moveInitialize(from: state.pointee.chunks, count: state.pointee.chunkCount)
            unsafe state.pointee.chunks.deallocate()
            unsafe state.pointee.chunks = larger
            unsafe state.pointee.chunkCapacity = capacity
        }
        let chunk = UnsafeMutableRawPointer.allocate(byteCount: InFlightTable.chunkByteCount, alignment: 128)
        // Zeroed, so that a look-up with user data that is not ours reads nothing uninitialised.
        unsafe chunk.initializeMemory(as: UInt8.self, repeating: 0, count: InFlightTable.chunkByteCount)
        for index in (0..<slotsPerChunk).reversed() {
            let offset = unsafe index * state.pointee.slotByteCount
            let slot = unsafe Slot(base: chunk + offset)
            unsafe slot.header.pointee.userData = UserData.operation(
                chunk: number, byteOffset: offset, generation: state.pointee.firstGeneration)
            unsafe slot.header.pointee.outstanding = 0
            unsafe slot.header.pointee.isAbandoned = false
            unsafe slot.setNextFree(state.pointee.firstFree)
            unsafe state.pointee.firstFree = slot.base
        }
        unsafe state.pointee.chunks[state.pointee.chunkCount] = chunk
        unsafe state.pointee.chunkCount += 1
    }

    // MARK: The table's end

    /// The ring is gone: from now on the last completion to be taken or dropped frees the table.
    func orphan() {
        unsafe state.pointee.orphanCount = usedCount
        unsafe state.pointee.isOrphaned = true
        if unsafe state.pointee.orphanCount == 0 { deallocate() }
    }

    @usableFromInline @inline(never)
    func freedOrphan() {
        unsafe state.pointee.orphanCount -= 1
        if unsafe state.pointee.orphanCount == 0 { deallocate() }
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
    private var slotsPerChunk: Int { unsafe InFlightTable.chunkByteCount / state.pointee.slotByteCount }

    var slotCount: Int { unsafe state.pointee.chunkCount * slotsPerChunk }

    /// Slots that are not free: in flight, or reaped and still in the caller's hands.
    ///
    /// Walks the free list, so that no operation pays for a count that only the table's end needs.
    var usedCount: Int {
        var count = slotCount
        var next = unsafe state.pointee.firstFree
        while let base = unsafe next {
            count -= 1
            unsafe next = Slot(base: base).nextFree
        }
        return count
    }

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

    /// The slot's header; its type is there only while the slot is in use.
    @inlinable
    var header: UnsafeMutablePointer<SlotHeader> {
        @inline(__always) get { unsafe base.assumingMemoryBound(to: SlotHeader.self) }
    }

    @inlinable
    var nextFree: UnsafeMutableRawPointer? {
        // SAFETY: only asked of a free slot, which holds the link in its first bytes.
        @inline(__always) get { unsafe base.load(as: UnsafeMutableRawPointer?.self) }
    }

    @inlinable @inline(__always)
    func setNextFree(_ next: UnsafeMutableRawPointer?) {
        unsafe base.storeBytes(of: next, as: UnsafeMutableRawPointer?.self)
    }
}
