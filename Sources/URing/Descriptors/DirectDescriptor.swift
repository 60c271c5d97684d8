// SPDX-License-Identifier: Apache-2.0

import CURing

/// A file in a ring's table, with one owner.
///
/// It is used like a ``Descriptor``, with less work for the kernel for each operation, on its own ring only. Operations take a hold: the
/// slot is cleared when the owner and all of them have let go, so that it cannot come to mean another file while an operation waits.
/// On another thread than the ring's the kernel does not clear it: dropped there, the file stays open in its slot until the table ends.
@safe @frozen
public struct DirectDescriptor: ~Copyable, FileResource {
    @usableFromInline let block: UnsafeMutablePointer<DescriptorBlock>

    /// Takes over a slot's block, with the share in it.
    @usableFromInline
    init(block: UnsafeMutablePointer<DescriptorBlock>) {
        unsafe self.block = unsafe block
    }

    /// Becomes the owner of a slot that the kernel has chosen.
    @usableFromInline
    init(received slot: Int32, in table: FileTableState) {
        table.noteAutomaticUse(of: slot)
        unsafe block = DescriptorBlock.make(number: slot, table: table)
    }

    deinit {
        // SAFETY: the owner's share; see `DescriptorBlock`.
        unsafe DescriptorBlock.release(block)
    }

    /// Keeps the slot for an operation.
    @inlinable @inline(__always)
    public borrowing func hold() -> FileHold {
        unsafe FileHold(block: block, number: block.pointee.number, entryFlags: CURING_SQE_FIXED_FILE)
    }

    /// Whether operations hold the slot.
    @inlinable
    public var isHeld: Bool { unsafe block.pointee.holdCount > 1 }

    /// The number of the slot, or -1 once it is closed.
    @inlinable
    public var slot: Int { unsafe Int(block.pointee.number) }
}
