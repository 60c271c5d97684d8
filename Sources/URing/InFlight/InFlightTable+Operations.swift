// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

// How operations get into slots and out again, with their type known or only its metatype.

extension InFlightTable {
    /// Moves an operation and its tag into a free slot.
    ///
    /// - Throws: `ENOMEM` when there is no room for more.
    @inlinable @inline(__always)
    func insert<Op: Operation & ~Copyable, Tag: BitwiseCopyable>(_ operation: consuming Op, tag: Tag) throws(Errno) -> Slot {
        let slot = try allocateSlot()
        // SAFETY: the slot was free, so its header is initialised and tag and payload are uninitialised memory of the layout's sizes.
        slot.setType(Op.self)
        unsafe (slot.base + SlotLayout.tagOffset(Tag.self)).storeBytes(of: tag, as: Tag.self)
        let inline = unsafe slot.base + SlotLayout.payloadOffset(Tag.self)
        let capacity = SlotLayout.capacity(payloadOffset: SlotLayout.payloadOffset(Tag.self))
        if PayloadLayout.isBoxed(Op.self, capacity: capacity) {
            let box = unsafe allocateBox(byteCount: PayloadLayout.byteCount(Op.self), alignment: boxAlignment(Op.self))
            unsafe inline.storeBytes(of: box, as: UnsafeMutableRawPointer.self)
            unsafe box.initializeMemory(as: Op.self, to: operation)
        } else {
            unsafe inline.initializeMemory(as: Op.self, to: operation)
        }
        return slot
    }

    /// Where the operation in a slot lies: in the slot or in its box.
    @inlinable @inline(__always)
    func payload<Op: Operation & ~Copyable>(_: Op.Type, of slot: Slot, offset: Int, capacity: Int) -> UnsafeMutableRawPointer {
        let inline = unsafe slot.base + offset
        return PayloadLayout.isBoxed(Op.self, capacity: capacity) ? unsafe inline.load(as: UnsafeMutableRawPointer.self) : unsafe inline
    }

    @inlinable @inline(__always)
    func boxAlignment<Op: Operation & ~Copyable>(_: Op.Type) -> Int {
        max(16, MemoryLayout<Op>.alignment, MemoryLayout<Op.KernelData>.alignment)
    }

    @usableFromInline @inline(never)
    func allocateBox(byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
        unsafe state.pointee.boxes.allocate(byteCount: byteCount, alignment: alignment)
    }

    @usableFromInline @inline(never)
    func freeBox(_ box: UnsafeMutableRawPointer, byteCount: Int, alignment: Int) {
        unsafe state.pointee.boxes.free(box, byteCount: byteCount, alignment: alignment)
    }

    /// Ends an operation of known type: its last completion was taken.
    @inlinable @inline(__always)
    func finish<Op: Operation & ~Copyable>(
        _: Op.Type, slot: Slot, payloadOffset: Int, entry: CompletionEntry
    ) -> Completed<Op> {
        let capacity = SlotLayout.capacity(payloadOffset: payloadOffset)
        // SAFETY: the header said that the payload is an Op; the last completion was reaped, so the kernel is done with it. The
        // kernel data stays in place until the operation has read its result from it.
        let payload = unsafe payload(Op.self, of: slot, offset: payloadOffset, capacity: capacity)
        var operation = unsafe payload.assumingMemoryBound(to: Op.self).move()
        let kernelData = unsafe (payload + PayloadLayout.kernelDataOffset(Op.self)).assumingMemoryBound(to: Op.KernelData.self)
        let result = unsafe operation.complete(entry, kernelData: kernelData.pointee)
        if PayloadLayout.isBoxed(Op.self, capacity: capacity) {
            unsafe freeBox(payload, byteCount: PayloadLayout.byteCount(Op.self), alignment: boxAlignment(Op.self))
        }
        free(slot)
        return Completed(operation: operation, result: result, entry: entry)
    }

    /// Moves an operation whose last completion was taken on to the next generation, in its place, after `body` has had it and its result.
    @inlinable @inline(__always)
    func again<Op: Operation & ~Copyable>(
        _: Op.Type, slot: Slot, payloadOffset: Int, entry: CompletionEntry,
        _ body: (inout Op, consuming Result<Op.Success, Errno>) throws -> Void
    ) throws {
        // SAFETY: as in `finish`, but the operation stays where it is; `body` has it exclusively, because no completion of it is left.
        let payload = unsafe payload(Op.self, of: slot, offset: payloadOffset, capacity: SlotLayout.capacity(payloadOffset: payloadOffset))
        let kernelData = unsafe (payload + PayloadLayout.kernelDataOffset(Op.self)).assumingMemoryBound(to: Op.KernelData.self)
        let operation = unsafe payload.assumingMemoryBound(to: Op.self)
        let result = unsafe operation.pointee.complete(entry, kernelData: kernelData.pointee)
        try unsafe body(&operation.pointee, result)
        unsafe slot.header.pointee.userData = UserData.nextGeneration(after: slot.header.pointee.userData)
    }

    /// Takes one event of an operation that goes on.
    @inlinable @inline(__always)
    func `continue`<Op: Operation & ~Copyable>(
        _: Op.Type, slot: Slot, payloadOffset: Int, entry: CompletionEntry
    ) -> Result<Op.Success, Errno> {
        // SAFETY: as in `finish`, but the operation stays where it is.
        let payload = unsafe payload(Op.self, of: slot, offset: payloadOffset, capacity: SlotLayout.capacity(payloadOffset: payloadOffset))
        let kernelData = unsafe (payload + PayloadLayout.kernelDataOffset(Op.self)).assumingMemoryBound(to: Op.KernelData.self)
        let result = unsafe payload.assumingMemoryBound(to: Op.self).pointee.complete(entry, kernelData: kernelData.pointee)
        endEvent(of: slot)
        return result
    }

    /// One of the completions with more to come has been dealt with; frees the slot when that was the last thing holding it.
    @inlinable @inline(__always)
    func endEvent(of slot: Slot) {
        unsafe slot.header.pointee.state.endEvent()
        if unsafe slot.header.pointee.state.isAbandoned { discardIfQuiet(slot) }
    }

    @usableFromInline @inline(never)
    func discardIfQuiet(_ slot: Slot) {
        if unsafe slot.header.pointee.state.outstanding == 0 { discard(slot) }
    }

    /// Counts a completion with more to come, so that the slot stays until it is dealt with.
    func beginEvent(of slot: Slot) {
        unsafe slot.header.pointee.state.beginEvent()
    }

    /// Releases what a completion that nobody took stands for.
    @usableFromInline @inline(never)
    func dispose(of slot: Slot, entry: CompletionEntry) {
        let payloadOffset = unsafe state.pointee.payloadOffset
        // SAFETY: the header's type is what `insert` put into the payload.
        slot.type.disposeOfResult(in: slot, of: self, payloadOffset: payloadOffset, entry: entry)
        if entry.flags.contains(.more) {
            endEvent(of: slot)
        } else if unsafe slot.header.pointee.state.outstanding == 0 {
            discard(slot)
        } else {
            unsafe slot.header.pointee.state.isAbandoned = true
        }
    }

    /// Destroys the operation in a slot without a result, and frees the slot.
    @usableFromInline
    func discard(_ slot: Slot) {
        let payloadOffset = unsafe state.pointee.payloadOffset
        // SAFETY: the header's type is what `insert` put into the payload, and the kernel is done with it.
        slot.type.destroy(in: slot, of: self, payloadOffset: payloadOffset)
        unsafe slot.header.pointee.state.isAbandoned = false
        free(slot)
    }
}

extension InFlightTable {
    /// Drops the operation, if it is one, of an entry that was taken back before the kernel had seen it.
    func discardWithdrawn(_ userData: UInt64) {
        switch UserData.kind(of: userData) {
        case .operation, .linkedOperation, .trackedOperation:
            if let slot = slot(for: UserData.sameSlot(as: userData, kind: .operation)) { discard(slot) }
        case .ringInternal, .release, .linkedTimeout, .unreported, .message, .descriptorMessage, .directDescriptorMessage, .wake, .foreign:
            break
        }
    }
}

extension Operation where Self: ~Copyable {
    /// Makes the result of a completion and releases it.
    static func disposeOfResult(in slot: Slot, of table: InFlightTable, payloadOffset: Int, entry: CompletionEntry) {
        // SAFETY: called through the metatype in the slot's header.
        let payload = unsafe table.payload(
            Self.self, of: slot, offset: payloadOffset, capacity: SlotLayout.capacity(payloadOffset: payloadOffset))
        let kernelData = unsafe (payload + PayloadLayout.kernelDataOffset(Self.self)).assumingMemoryBound(to: KernelData.self)
        _ = unsafe payload.assumingMemoryBound(to: Self.self).pointee.complete(entry, kernelData: kernelData.pointee)
    }

    /// Destroys the operation in a slot, and its box.
    static func destroy(in slot: Slot, of table: InFlightTable, payloadOffset: Int) {
        let capacity = SlotLayout.capacity(payloadOffset: payloadOffset)
        let payload = unsafe table.payload(Self.self, of: slot, offset: payloadOffset, capacity: capacity)
        if routing.isTracked { unsafe tracking(in: slot, of: table, payloadOffset: payloadOffset).pointee.withdraw(slot, from: table) }
        unsafe payload.assumingMemoryBound(to: Self.self).deinitialize(count: 1)
        if PayloadLayout.isBoxed(Self.self, capacity: capacity) {
            unsafe table.freeBox(payload, byteCount: PayloadLayout.byteCount(Self.self), alignment: table.boxAlignment(Self.self))
        }
    }
}
