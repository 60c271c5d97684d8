// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A ring's table of direct descriptors: files that this ring alone knows, by their slots.
///
/// Make it with ``Ring/makeFileTable(count:)``. A ring has one table at the most. Dropping the value ends the table when the last
/// ``DirectDescriptor`` in it is gone.
@frozen
public struct FileTable: ~Copyable {
    @usableFromInline let state: FileTableState

    init(state: FileTableState) {
        self.state = state
    }

    deinit {
        state.release()
    }

    /// How many files there is room for.
    public var count: Int { state.count }

    /// How many slots have an owner.
    public var usedCount: Int { state.usedCount }
}

/// The counted state of a file table, shared by the table, its descriptors and the operations that make them.
@safe @usableFromInline
struct FileTableState: BitwiseCopyable {
    @safe
    private struct Block {
        let anchor: RingAnchor
        let count: Int
        var holdCount: Int
        var usedCount: Int
    }

    private let block: UnsafeMutablePointer<Block>

    init(anchor: RingAnchor, count: Int) throws(Errno) {
        var registration = curing_rsrc_register(
            nr: UInt32(count), flags: CURING_RSRC_REGISTER_SPARSE, resv2: 0, data: 0, tags: 0)
        // SAFETY: the kernel reads the structure before the call returns.
        let status = unsafe anchor.register(
            CURING_REGISTER_FILES2, &registration, count: UInt32(MemoryLayout<curing_rsrc_register>.size))
        guard status >= 0 else { throw Errno(rawValue: -status) }
        anchor.retain()
        unsafe block = .allocate(capacity: 1)
        unsafe block.initialize(to: Block(anchor: anchor, count: count, holdCount: 1, usedCount: 0))
    }

    @usableFromInline
    func retain() {
        unsafe block.pointee.holdCount += 1
    }

    @usableFromInline
    func release() {
        // SAFETY: the caller gives up its share, which kept the block alive until here.
        unsafe block.pointee.holdCount -= 1
        guard unsafe block.pointee.holdCount == 0 else { return }
        _ = unsafe block.pointee.anchor.register(CURING_UNREGISTER_FILES, nil, count: 0)
        unsafe block.pointee.anchor.release()
        unsafe block.deallocate()
    }

    /// A slot has got an owner.
    func noteUse() {
        unsafe block.pointee.usedCount += 1
        retain()
    }

    /// Takes the file out of a slot whose owner and operations have let go of it.
    func clear(_ slot: Int32) {
        var nothing: Int32 = -1
        unsafe withUnsafeMutablePointer(to: &nothing) { nothing in
            // SAFETY: the kernel reads both before the call returns.
            var update = curing_files_update(offset: UInt32(slot), resv: 0, fds: UInt64(UInt(bitPattern: nothing)))
            _ = unsafe block.pointee.anchor.register(CURING_REGISTER_FILES_UPDATE, &update, count: 1)
        }
        unsafe block.pointee.usedCount -= 1
        release()
    }

    @usableFromInline var count: Int { unsafe block.pointee.count }

    var usedCount: Int { unsafe block.pointee.usedCount }
}

/// An operation's share in a file table.
@frozen
public struct FileTableHold: ~Copyable {
    @usableFromInline let state: FileTableState

    @inlinable @inline(__always)
    init(_ state: FileTableState) {
        state.retain()
        self.state = state
    }

    @inlinable
    deinit {
        state.release()
    }
}

/// A file in a ring's table, with one owner.
///
/// It is used like a ``Descriptor``, with less work for the kernel for each operation, on its own ring only. Operations take a hold: the
/// slot is cleared when the owner and all of them have let go, so that it cannot come to mean another file while an operation waits.
@safe @frozen
public struct DirectDescriptor: ~Copyable, FileResource {
    @usableFromInline let block: UnsafeMutablePointer<DescriptorBlock>

    /// Becomes the owner of a slot that came out of a completion.
    @usableFromInline
    init(received slot: Int32, in table: FileTableState) {
        table.noteUse()
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

    /// The number of the slot.
    @inlinable
    public var slot: Int { unsafe Int(block.pointee.number) }
}

extension Ring {
    /// Gives the ring a table for direct descriptors, with nothing in it.
    ///
    /// - Parameter count: How many files there is room for.
    /// - Returns: The table.
    /// - Throws: `EBUSY` if the ring has one, `EMFILE` if the count is above the limit of open files.
    /// - Precondition: The count is from 1 to 1048576.
    ///
    /// The liburing function is `io_uring_register_files_sparse`; see `io_uring_register_files(3)`. Linux 5.19.
    public mutating func makeFileTable(count: Int) throws(Errno) -> FileTable {
        require(count >= 1 && count <= 1 << 20, "A ring's file table has from 1 to 1048576 slots.")
        return FileTable(state: try FileTableState(anchor: core.anchor, count: count))
    }
}
