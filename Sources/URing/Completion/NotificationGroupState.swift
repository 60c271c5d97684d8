// SPDX-License-Identifier: Apache-2.0

/// The memory of a notification group: how many sends are out, and the last completions that are kept until all of them are there.
///
/// The group's owner and its sends share it; it goes with the last of them. All of them are in one isolation region, so the count is plain.
@safe @usableFromInline
struct NotificationGroupState: BitwiseCopyable {
    @safe
    private struct Block {
        let table: InFlightTable
        let ringIdentity: UInt32
        /// Sends whose last completion has not been read.
        var memberCount: Int
        /// Whether the group exists, or the operation that has it.
        var isOwned: Bool
        /// Where the flush lies while one is under way.
        var flushSlot: Slot?
        /// The flush's completion, when it was read while sends were out.
        var flush: SettledCompletion?
        /// Last completions in the order they came, from `first` on.
        var kept: UnsafeMutablePointer<SettledCompletion>
        var capacity: Int
        var first: Int
        var end: Int
    }

    // SAFETY: the block is there until the owner and the last send have let go of it, and whoever has this is one of them. Between `first`
    // and `end` the completions are initialised; there is room for those of all members behind them.
    private let block: UnsafeMutablePointer<Block>

    init(table: InFlightTable, minimumCapacity: Int) {
        let capacity = max(minimumCapacity, 16)
        unsafe block = .allocate(capacity: 1)
        unsafe block.initialize(
            to: Block(
                table: table, ringIdentity: table.identity, memberCount: 0, isOwned: true, flushSlot: nil, flush: nil,
                kept: .allocate(capacity: capacity), capacity: capacity, first: 0, end: 0))
    }

    /// Where the completions' operations lie.
    @usableFromInline var table: InFlightTable { unsafe block.pointee.table }

    var memberCount: Int { unsafe block.pointee.memberCount }

    var keptCount: Int { unsafe block.pointee.end - block.pointee.first }

    /// Whether a flush is under way.
    @usableFromInline var isFlushing: Bool { unsafe block.pointee.flushSlot != nil }

    @usableFromInline
    func expectRing(_ identity: UInt32) {
        require(unsafe block.pointee.ringIdentity == identity, "This notification group belongs to another ring.")
    }

    // MARK: Members

    /// Counts a send, and makes room for its last completion, so that none is needed when that comes.
    @usableFromInline
    func addMember() {
        unsafe block.pointee.memberCount += 1
        if unsafe block.pointee.end + block.pointee.memberCount > block.pointee.capacity { makeRoom() }
    }

    private func makeRoom() {
        // SAFETY: the completions from `first` to `end` are moved to the start of memory with room for them and all members.
        let needed = unsafe keptCount + block.pointee.memberCount
        let kept = unsafe block.pointee.kept
        var destination = unsafe kept
        if unsafe needed > block.pointee.capacity {
            unsafe block.pointee.capacity = max(needed, block.pointee.capacity * 2)
            unsafe destination = .allocate(capacity: block.pointee.capacity)
        }
        unsafe destination.update(from: kept + block.pointee.first, count: keptCount)
        unsafe block.pointee.end = keptCount
        unsafe block.pointee.first = 0
        if unsafe destination != kept { unsafe kept.deallocate() }
        unsafe block.pointee.kept = destination
    }

    /// A flush is about to be prepared in a slot.
    @usableFromInline
    func beginFlush(in slot: Slot) {
        unsafe block.pointee.flushSlot = slot
    }

    /// Takes the last completion of a send or of the flush, and says what the caller gets now: the flush's once all are there.
    func keep(_ completion: SettledCompletion) -> SettledCompletion? {
        if unsafe completion.slot.base == block.pointee.flushSlot?.base {
            unsafe block.pointee.flush = completion
        } else {
            unsafe block.pointee.memberCount -= 1
            if unsafe !block.pointee.isOwned {
                let table = unsafe block.pointee.table
                deallocateIfUnused()
                table.dispose(of: completion.slot, entry: completion.entry)
                return nil
            }
            unsafe block.pointee.kept[block.pointee.end] = completion
            unsafe block.pointee.end += 1
        }
        guard unsafe block.pointee.memberCount == 0, let flush = unsafe block.pointee.flush else { return nil }
        unsafe block.pointee.flush = nil
        unsafe block.pointee.flushSlot = nil
        return flush
    }

    /// A send or the flush was withdrawn before the kernel saw it.
    func withdraw(_ slot: Slot) {
        if unsafe slot.base == block.pointee.flushSlot?.base {
            unsafe block.pointee.flushSlot = nil
        } else {
            unsafe block.pointee.memberCount -= 1
            deallocateIfUnused()
        }
    }

    // MARK: The owner

    /// The next completion that was kept, or nil when there is none (left).
    @usableFromInline
    func next() -> SettledCompletion? {
        guard keptCount > 0 else { return nil }
        let completion = unsafe block.pointee.kept[block.pointee.first]
        unsafe block.pointee.first += 1
        if keptCount == 0 { unsafe (block.pointee.first, block.pointee.end) = (0, 0) }
        return completion
    }

    /// The owner is gone: what was kept is released, and what is still to come will be.
    func releaseOwner() {
        let table = unsafe block.pointee.table
        while let completion = next() { table.dispose(of: completion.slot, entry: completion.entry) }
        unsafe block.pointee.isOwned = false
        deallocateIfUnused()
    }

    private func deallocateIfUnused() {
        guard unsafe !block.pointee.isOwned && block.pointee.memberCount == 0 else { return }
        // SAFETY: neither the owner nor a send refers to the block any more.
        unsafe block.pointee.kept.deallocate()
        unsafe block.deallocate()
    }
}
