// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Holds every operation from the moment it is prepared until its last completion is taken or dropped.
///
/// Slots lie in one reserved range of addresses and never move, because the kernel has addresses inside them. The range is filled from its
/// start as operations need it; what was never used costs no memory. The table knows nothing of queues. It is shared between a ring and the
/// completions in the caller's hands; all of them belong to one isolation region, so its counters are plain. When the ring goes first
/// (`orphan()`), the last completion frees the table.
@safe @usableFromInline
struct InFlightTable: BitwiseCopyable {
    @safe @usableFromInline
    struct State {
        /// The first free slot; free slots are linked through their first bytes.
        @usableFromInline var firstFree: UnsafeMutableRawPointer?
        /// Where the slots begin.
        @usableFromInline let slots: UnsafeMutableRawPointer
        /// Which bits of user data are the offset of a slot.
        @usableFromInline let offsetMask: UInt64
        let reservedByteCount: Int
        /// How many bytes from the start have been made slots.
        var usedByteCount: Int
        let slotByteCount: Int
        @usableFromInline let payloadOffset: Int
        /// Slots that were not free when the ring went, and are not yet; counted from then on.
        @usableFromInline var orphanCount: Int
        /// User data that named nothing (any more).
        @usableFromInline var staleCount: UInt64
        /// Zero-copy sends whose result was read from the queue, and whose notification was not.
        var outstandingNotifications: Int
        /// The process-wide number of the ring, which its tokens carry.
        @usableFromInline let identity: UInt32
        /// Whether the kernel refuses what closes on this ring, and so closes nothing.
        @usableFromInline var refusesClosing = false
        /// Whether an operation was prepared that drains: behind it, zero-copy sends wait for ever.
        @usableFromInline var hasDrained = false
        /// Where every slot's generation starts.
        @usableFromInline let firstGeneration: UInt64
        @usableFromInline var isOrphaned: Bool
        @usableFromInline var boxes: BoxPool
    }

    /// How far the table grows at a time in the end; it begins with a page, and doubles until then.
    ///
    /// A ring with few operations touches few pages.
    static let growthByteCount = 1 << 16
    static let firstGrowthByteCount = 1 << 12
    /// Room for eight million operations, with slots of 128 bytes.
    static let maximumByteCount = 1 << 30
    /// Room for 131,072 operations: what is reserved at least, where the addresses of the process are limited.
    static let minimumByteCount = 1 << 24

    @usableFromInline let state: UnsafeMutablePointer<State>

    /// Makes an empty table for slots with tags of one type.
    ///
    /// Tests start the generations close to their wrap.
    ///
    /// - Throws: What mmap(2) says when not even the least range of addresses can be reserved.
    init<Tag: BitwiseCopyable>(tag: Tag.Type, identity: UInt32, firstGeneration: UInt64 = 0) throws(Errno) {
        try self.init(
            slotByteCount: SlotLayout.slotByteCount(Tag.self), payloadOffset: SlotLayout.payloadOffset(Tag.self), identity: identity,
            firstGeneration: firstGeneration)
    }

    private init(slotByteCount: Int, payloadOffset: Int, identity: UInt32, firstGeneration: UInt64) throws(Errno) {
        require(slotByteCount <= InFlightTable.growthByteCount, "A tag is the size of a word or two; this one is too large.")
        let slots = unsafe try InFlightTable.reserve()
        // SAFETY: the table owns the state and the slots until `deallocate()`, which runs when the ring is gone and no completion is left.
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(
            to: State(
                firstFree: nil, slots: slots.baseAddress,
                offsetMask: UserData.offsetMask(tableByteCount: slots.count, slotByteCount: slotByteCount),
                reservedByteCount: slots.count, usedByteCount: 0, slotByteCount: slotByteCount, payloadOffset: payloadOffset,
                orphanCount: 0, staleCount: 0, outstandingNotifications: 0, identity: identity, firstGeneration: firstGeneration,
                isOrphaned: false, boxes: BoxPool()))
    }

    /// Reserves addresses for slots: the maximum, or a part of what the process may have, as it needs others.
    private static func reserve() throws(Errno) -> (baseAddress: UnsafeMutableRawPointer, count: Int) {
        var byteCount = maximumByteCount
        while true {
            // It can be read, which takes no memory and is not counted as promised; but only afterwards, or a process that locks all it has would
            // walk through it now. Pages come when they are touched, one by one: a huge page would be wasted on the few slots that most
            // rings use.
            let range = unsafe mmap(
                nil, byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | Int32(MAP_NORESERVE), -1, 0)
            if unsafe range != MAP_FAILED, let range = unsafe range {
                if byteCount < maximumByteCount {
                    let found = byteCount
                    byteCount = max(minimumByteCount, found / 4)
                    unsafe munmap(range + byteCount, found - byteCount)
                }
                guard unsafe mprotect(range, byteCount, PROT_READ) == 0 else {
                    let error = Errno(rawValue: errno)
                    unsafe munmap(range, byteCount)
                    throw error
                }
                unsafe madvise(range, byteCount, MADV_NOHUGEPAGE)
                return unsafe (range, byteCount)
            }
            let error = Errno(rawValue: errno)
            if byteCount == minimumByteCount { throw error }
            byteCount /= 2
        }
    }

    // MARK: Slots

    /// Takes a free slot, growing the table when there is none.
    ///
    /// - Throws: `ENOMEM` when there is no room for more.
    @inlinable @inline(__always)
    func allocateSlot() throws(Errno) -> Slot {
        // SAFETY: `firstFree` is nil or a slot, and slots live as long as the table.
        if _fastPath(unsafe state.pointee.firstFree != nil), let first = unsafe state.pointee.firstFree {
            let slot = unsafe Slot(base: first)
            unsafe state.pointee.firstFree = slot.nextFree
            return slot
        }
        return try allocateSlotAfterGrowth()
    }

    /// Sees to it that the next operation finds a slot.
    @inlinable
    func expectSlot() throws(Errno) {
        if unsafe state.pointee.firstFree == nil { try grow() }
    }

    @usableFromInline @inline(never)
    func allocateSlotAfterGrowth() throws(Errno) -> Slot {
        try grow()
        require(unsafe state.pointee.firstFree != nil, "growth leaves a free slot")
        return try allocateSlot()
    }

    /// The slot that user data names, or nil when it names none (any more).
    @inlinable @inline(__always)
    func slot(for userData: UInt64) -> Slot? {
        // SAFETY: the masked offset is inside the reserved range, and a multiple of the slots' size, whoever made the user data: what lies
        // there is a slot's header, or was never used and reads as zero, which no user data is. The header has user data of the kind
        // `operation` only, so a message, whose other bits another thread chose, finds nothing.
        let slot = unsafe Slot(base: state.pointee.slots + Int(truncatingIfNeeded: userData & state.pointee.offsetMask))
        // The comparison is of the whole, and with it of the kind.
        return unsafe _fastPath(slot.header.pointee.userData == userData) ? slot : nil
    }

    /// Puts a slot whose contents have been moved out back on the free list, one generation on.
    @inlinable @inline(__always)
    func free(_ slot: Slot) {
        // SAFETY: the slot is in use until here, and its contents have been moved out.
        unsafe slot.header.pointee.userData = UserData.nextGeneration(after: slot.header.pointee.userData)
        unsafe slot.setNextFree(state.pointee.firstFree)
        unsafe state.pointee.firstFree = slot.base
        if unsafe _slowPath(state.pointee.isOrphaned) { freedOrphan() }
    }

    /// Makes more of the range slots, if there is more and the process may have that much memory.
    @usableFromInline @inline(never)
    func grow() throws(Errno) {
        let start = unsafe state.pointee.usedByteCount
        guard unsafe start < state.pointee.reservedByteCount else { throw .noMemory }
        let slotByteCount = unsafe state.pointee.slotByteCount
        let byteCount = min(InFlightTable.growthByteCount, max(start, slotByteCount, InFlightTable.firstGrowthByteCount))
        // From the first page on, because the pages may be larger than what the table grows by.
        guard unsafe mprotect(state.pointee.slots, start + byteCount, PROT_READ | PROT_WRITE) == 0 else { throw .noMemory }
        // SAFETY: the range from `start` on is reserved, zero, and no slot yet. All byte counts are powers of two, so slots end with it.
        var offset = start + byteCount
        while offset > start {
            offset -= slotByteCount
            let slot = unsafe Slot(base: state.pointee.slots + offset)
            unsafe slot.header.pointee.userData = UserData.operation(byteOffset: offset, generation: state.pointee.firstGeneration)
            unsafe slot.header.pointee.state = SlotState(nil)
            unsafe slot.setNextFree(state.pointee.firstFree)
            unsafe state.pointee.firstFree = slot.base
        }
        unsafe state.pointee.usedByteCount += byteCount
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
        // SAFETY: no slot is in use, so nothing in them needs destroying, and nothing points into them.
        unsafe munmap(state.pointee.slots, state.pointee.reservedByteCount)
        unsafe state.pointee.boxes.deallocate()
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
    }
}

extension InFlightTable {
    /// The user data that a slot's operation would have, if there is one in it; for the ring's end.
    func userData(ofSlot number: Int) -> UInt64 {
        require((0..<slotCount).contains(number), "The table has no such slot.")
        // SAFETY: the slot's header is initialised since the table grew to have it.
        return unsafe Slot(base: state.pointee.slots + number * state.pointee.slotByteCount).header.pointee.userData
    }

    var slotCount: Int { unsafe state.pointee.usedByteCount / state.pointee.slotByteCount }

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

    @usableFromInline var outstandingNotifications: Int { unsafe state.pointee.outstandingNotifications }

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
