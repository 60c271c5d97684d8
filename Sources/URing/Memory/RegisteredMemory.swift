// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A buffer that is registered, shared by the slots that it is registered in and by its slices.
///
/// The memory is freed when no slot has it and no slice of it is left. While there are slices, operations with them may be on their way, so
/// each table that has the buffer in a slot stays registered. Slots, slices and operations are in one isolation region, so the counts are
/// plain.
@safe @usableFromInline
struct RegisteredMemory: BitwiseCopyable {
    @safe @usableFromInline
    struct Block: ~Copyable {
        let base: UnsafeMutableRawPointer
        let byteCount: Int
        /// How many bytes from the start are initialised, while nobody has a slice.
        var initializedCount = 0
        /// What frees the memory: the buffer that it was, or the pages that it is a part of.
        let buffer: Buffer?
        let pages: DividedMapping?
        /// How many slices there are; the buffer is free when there is none.
        var sliceCount = 0
        /// Where it is registered; the others follow from there.
        var firstSlot: RegisteredSlot?
    }

    // SAFETY: the block lives as long as a slot or a slice refers to it; `deallocate` ends it when the last of them lets go.
    @usableFromInline let block: UnsafeMutablePointer<Block>

    init(_ buffer: consuming Buffer) {
        unsafe block = .allocate(capacity: 1)
        unsafe block.initialize(
            to: Block(
                base: buffer.base, byteCount: buffer.byteCapacity, initializedCount: buffer.count, buffer: buffer, pages: nil))
    }

    /// Takes a part of a mapping, and as many of its bytes as the buffer is to have.
    init(part: Int, of pages: DividedMapping, byteCount: Int) {
        unsafe block = .allocate(capacity: 1)
        unsafe block.initialize(to: Block(base: pages.start(of: part), byteCount: byteCount, buffer: nil, pages: pages))
    }

    /// The slot in the table of a ring, or one that no table has.
    @usableFromInline @inline(never)
    func index(onRing identity: UInt32) -> UInt16 {
        var slot = unsafe block.pointee.firstSlot
        while let place = slot {
            if unsafe place.block.pointee.ringIdentity == identity { return unsafe place.block.pointee.index }
            slot = unsafe place.block.pointee.next
        }
        return .max
    }

    var byteCount: Int { unsafe block.pointee.byteCount }

    var isFree: Bool { unsafe block.pointee.sliceCount == 0 }

    /// The memory as the kernel wants to know of it.
    var entry: iovec {
        unsafe iovec(iov_base: block.pointee.base, iov_len: byteCount)
    }

    // MARK: Slices

    /// Makes a slice of all of it, which goes by one of its slots.
    ///
    /// - Precondition: It is free.
    func take(from slot: RegisteredSlot, keepingBytes keepsBytes: Bool) -> RegisteredSlice {
        forEachSlot { slot in
            slot.unlinkFree()
            slot.table.retain()
        }
        unsafe block.pointee.sliceCount = 1
        return unsafe RegisteredSlice(
            memory: self, slot: slot, base: block.pointee.base, byteCapacity: byteCount,
            initializedCount: keepsBytes ? block.pointee.initializedCount : 0)
    }

    /// Counts one more slice, of memory that belonged to another.
    func noteSplit() {
        unsafe block.pointee.sliceCount += 1
    }

    /// A slice is dropped; the buffer is free when it was the last.
    @usableFromInline
    func endSlice(byteCapacity: Int, initializedCount: Int) {
        unsafe block.pointee.sliceCount -= 1
        guard isFree else { return }
        // SAFETY: the only slice of all of the memory had so many initialised bytes; those of parts are forgotten.
        unsafe block.pointee.initializedCount = byteCapacity == byteCount ? initializedCount : 0
        if unsafe block.pointee.firstSlot == nil {
            deallocate()
            return
        }
        forEachSlot { slot in slot.linkFree() }
        // A table that ends with this takes its slots out of the list, and the memory goes with the last of them.
        forEachSlot { slot in slot.table.release() }
    }

    // MARK: Slots

    /// Enters a slot that the memory is registered in from now on.
    func enter(_ slot: RegisteredSlot) {
        unsafe slot.block.pointee.memory = self
        unsafe slot.block.pointee.next = block.pointee.firstSlot
        unsafe block.pointee.firstSlot = slot
        if isFree { slot.linkFree() } else { slot.table.retain() }
    }

    /// Takes out a slot that the memory is not registered in any more.
    func leave(_ slot: RegisteredSlot) {
        if unsafe block.pointee.firstSlot == slot {
            unsafe block.pointee.firstSlot = slot.block.pointee.next
        } else {
            forEachSlot { other in
                if unsafe other.block.pointee.next == slot { unsafe other.block.pointee.next = slot.block.pointee.next }
            }
        }
        unsafe slot.block.pointee.memory = nil
        unsafe slot.block.pointee.next = nil
        if isFree {
            slot.unlinkFree()
            if unsafe block.pointee.firstSlot == nil { deallocate() }
        } else {
            slot.table.release()
        }
    }

    /// Calls a function with each slot; it may take that one out, and all others of its table with the last of them.
    private func forEachSlot(_ body: (RegisteredSlot) -> Void) {
        var next = unsafe block.pointee.firstSlot
        while let slot = next {
            next = unsafe slot.block.pointee.next
            body(slot)
        }
    }

    /// Frees memory that no slot has, and so the kernel does not know, and of which there is no slice.
    func deallocate() {
        // SAFETY: nobody refers to the block any more.
        unsafe block.pointee.pages?.giveBack(partAt: block.pointee.base)
        unsafe block.deinitialize(count: 1)
        unsafe block.deallocate()
    }
}

/// A place in a ring's table of registered buffers.
@safe @usableFromInline
struct RegisteredSlot: BitwiseCopyable, Equatable {
    @safe @usableFromInline
    struct Block {
        let table: RegisteredBuffersState
        let index: UInt16
        let ringIdentity: UInt32
        /// What is registered here, if anything.
        var memory: RegisteredMemory?
        /// Another slot of the same memory.
        var next: RegisteredSlot?
        /// Whether the kernel reports that it has let go of the memory.
        var isTagged = false
        /// Neighbours among the slots whose memory is free.
        var nextFree: RegisteredSlot?
        var previousFree: RegisteredSlot?
    }

    // SAFETY: the block is an element of its table's array, and stays there until the table ends.
    @usableFromInline let block: UnsafeMutablePointer<Block>

    init(block: UnsafeMutablePointer<Block>) {
        unsafe self.block = unsafe block
    }

    @usableFromInline
    static func == (left: RegisteredSlot, right: RegisteredSlot) -> Bool { unsafe left.block == right.block }

    var table: RegisteredBuffersState { unsafe block.pointee.table }

    var memory: RegisteredMemory? { unsafe block.pointee.memory }

    /// Puts the slot in front of those with free memory.
    func linkFree() {
        let first = table.firstFree
        unsafe block.pointee.previousFree = nil
        unsafe block.pointee.nextFree = first
        if let first { unsafe first.block.pointee.previousFree = self }
        table.noteFree(first: self, change: 1)
    }

    /// Takes the slot out from those with free memory.
    func unlinkFree() {
        let (previous, next) = unsafe (block.pointee.previousFree, block.pointee.nextFree)
        if let next { unsafe next.block.pointee.previousFree = previous }
        if let previous { unsafe previous.block.pointee.nextFree = next }
        table.noteFree(first: previous == nil ? next : table.firstFree, change: -1)
    }
}
