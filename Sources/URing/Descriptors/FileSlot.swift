// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// The place of one new file in a ring's ``FileTable``: a slot that was chosen, or whichever the kernel finds free.
///
/// Take one from ``FileTable/anySlot`` or ``FileTable/slot(_:)``, and give it to an operation that makes a file. A chosen slot is reserved
/// until the value is dropped; when the file is there, its ``DirectDescriptor`` has the slot.
@safe @frozen
public struct FileSlot: ~Copyable {
    @usableFromInline let table: FileTableState
    @usableFromInline let isChosen: Bool
    /// The share in a chosen slot, as long as its file is not there.
    @usableFromInline var block: UnsafeMutablePointer<DescriptorBlock>?

    @inlinable
    init(anyIn table: FileTableState) {
        table.retain()
        self.table = table
        isChosen = false
        unsafe block = nil
    }

    init?(_ index: Int, in table: FileTableState) {
        guard table.reserve(Int32(index)) else { return nil }
        table.retain()
        self.table = table
        isChosen = true
        unsafe block = DescriptorBlock.make(number: Int32(index), table: table)
    }

    @inlinable
    deinit {
        // SAFETY: the slot's share; see `DescriptorBlock`.
        if let block = unsafe block { unsafe DescriptorBlock.release(block) }
        table.release()
    }

    /// The number of a chosen slot; nil if the kernel chooses.
    @inlinable
    public var index: Int? { unsafe block.map { unsafe Int($0.pointee.number) } }

    /// What an entry says of the slot: its number plus one, or that the kernel is to choose.
    @inlinable @inline(__always)
    func fileIndex(ringIdentity: UInt32) -> UInt32 {
        require(
            table.ringIdentity == ringIdentity, "This slot is of another ring's file table; make the file on the ring that has the table.")
        if !isChosen { return CURING_FILE_INDEX_ALLOC }
        // A file in the slot already would silently be replaced.
        guard let block = unsafe block else { trap("This slot has got its file; take another slot from the table for the next one.") }
        return unsafe UInt32(bitPattern: block.pointee.number) + 1
    }

    /// Gives up a chosen slot, which has got its file.
    @usableFromInline
    mutating func takeBlock() -> UnsafeMutablePointer<DescriptorBlock> {
        guard let taken = unsafe block else { trap("The kernel put two files into one slot.") }
        unsafe block = nil
        return unsafe taken
    }
}

extension FileSlot: FileResource {
    /// Takes a share in a chosen slot for an operation that runs when the file is there, such as one behind an ``OpenAt`` in a chain.
    ///
    /// - Precondition: The slot was chosen, and has not got its file yet.
    @inlinable
    public borrowing func hold() -> FileHold {
        guard let block = unsafe block else {
            trap("Only a slot that was chosen, and has no file yet, can be held; use the direct descriptor when there is one.")
        }
        return unsafe FileHold(block: block, number: block.pointee.number, entryFlags: CURING_SQE_FIXED_FILE)
    }
}
