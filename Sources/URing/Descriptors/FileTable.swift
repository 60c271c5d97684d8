// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A ring's table of direct descriptors: files that this ring alone knows, by their slots.
///
/// Make it with ``Ring/makeFileTable(count:allocating:tracksRelease:)``. A ring has one table at the most. Dropping the value ends the table
/// when the last ``DirectDescriptor`` in it is gone; on another thread, when the ring ends or gets its next table.
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

    /// How many slots have an owner: a file, or a ``FileSlot`` that was chosen.
    ///
    /// A file in a slot that the kernel has chosen counts when its completion is taken.
    public var usedCount: Int { state.usedCount }

    /// The slots that the kernel chooses from; the others are for ``slot(_:)``.
    public var allocationRange: Range<Int> { state.allocationRange }

    /// How many files have left the table, and are still the kernel's.
    ///
    /// Only those count that were put in with ``register(_:in:)``, in a table that was made with `tracksRelease`. The kernel reports each of
    /// them when the last operation on it is done; ``Ring/nextCompletion()`` takes note of that.
    public var unreleasedCount: Int { state.unreleasedCount }

    /// Any free slot of ``allocationRange``, which the kernel chooses when the file is there.
    ///
    /// When there is none, the operation fails with ``SystemPackage/Errno/fileTableFull``.
    @inlinable
    public var anySlot: FileSlot { FileSlot(anyIn: state) }

    /// Reserves a slot by its number.
    ///
    /// - Returns: The slot; nil while a direct descriptor, an operation or another such value has it.
    /// - Precondition: The number is below ``count``, and outside ``allocationRange``: the kernel could give the slot to another file.
    public func slot(_ index: Int) -> FileSlot? {
        require(index >= 0 && index < count, "A slot's number is from 0 to one less than the table's count.")
        require(
            !allocationRange.contains(index),
            "The kernel chooses from this slot itself; make the table with a smaller `allocating` range to choose the others.")
        return FileSlot(index, in: state)
    }

    /// Puts a normal descriptor's file into a slot as well, with a system call that does not wait.
    ///
    /// The file is then open twice; closing the normal descriptor leaves it in its slot. For a slot that the kernel chooses, and for doing
    /// it through the ring, there is ``RegisterDescriptor``.
    ///
    /// - Parameters:
    ///   - file: The descriptor.
    ///   - slot: A chosen slot of this table.
    /// - Returns: The file in its slot.
    /// - Throws: `EBADF` if there is no such descriptor, or the ring is gone. The slot is then given back.
    /// - Precondition: The slot was chosen, is of this table, and has no file yet.
    ///
    /// The liburing function is `io_uring_register_files_update_tag`; see `io_uring_register_files(3)`. Linux 5.13.
    public func register(
        _ file: borrowing some NumberedFileResource & ~Copyable, in slot: consuming FileSlot
    ) throws(Errno) -> DirectDescriptor {
        let hold = file.hold()
        let index = slot.fileIndex(ringIdentity: state.ringIdentity)
        require(slot.isChosen, "Only a slot that was chosen can be filled at once; let RegisterDescriptor find a free one.")
        try state.fill(Int32(index) - 1, with: hold.processNumber)
        return unsafe DirectDescriptor(block: slot.takeBlock())
    }
}

/// The counted state of a file table, shared by the table, its descriptors and the operations that make them.
@safe @usableFromInline
struct FileTableState: BitwiseCopyable {
    @safe @usableFromInline
    struct Block {
        let anchor: RingAnchor
        @usableFromInline let ringIdentity: UInt32
        let count: Int
        let allocationRange: Range<Int>
        var holdCount: Int
        var usedCount: Int
        let tracksRelease: Bool
        /// The slots outside the allocation range that have an owner, whoever chose them.
        var chosenSlots: Set<Int32> = []
        /// Those of which the kernel reports when it has let go of their file.
        var taggedSlots: Set<Int32> = []
    }

    @usableFromInline let block: UnsafeMutablePointer<Block>

    init(anchor: RingAnchor, count: Int, allocationRange: Range<Int>, tracksRelease: Bool) throws(FileTableError) {
        anchor.unregisterLeftFiles()
        var registration = curing_rsrc_register(
            nr: UInt32(count), flags: CURING_RSRC_REGISTER_SPARSE, resv2: 0, data: 0, tags: 0)
        // SAFETY: the kernel reads the structure before the call returns.
        var status = unsafe anchor.register(
            CURING_REGISTER_FILES2, &registration, count: UInt32(MemoryLayout<curing_rsrc_register>.size))
        guard status >= 0 else { throw FileTableError(Errno(rawValue: -status), count: count) }
        anchor.noteFileTable()
        if allocationRange != 0..<count {
            var range = curing_file_index_range(off: UInt32(allocationRange.lowerBound), len: UInt32(allocationRange.count), resv: 0)
            // SAFETY: as above. The kernel wants no count here, whatever the manual page says.
            status = unsafe anchor.register(CURING_REGISTER_FILE_ALLOC_RANGE, &range, count: 0)
            guard status >= 0 else {
                anchor.unregisterFiles()
                throw FileTableError(Errno(rawValue: -status), count: count)
            }
        }
        anchor.retain()
        unsafe block = .allocate(capacity: 1)
        unsafe block.initialize(
            to: Block(
                anchor: anchor, ringIdentity: anchor.ringIdentity, count: count, allocationRange: allocationRange, holdCount: 1,
                usedCount: 0, tracksRelease: tracksRelease))
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
        unsafe block.pointee.anchor.unregisterFiles()
        unsafe block.pointee.anchor.release()
        unsafe block.deinitialize(count: 1)
        unsafe block.deallocate()
    }

    /// A slot has got an owner, who gives it back with `vacate` or, when the kernel has cleared it, with `noteVacated` and `release`.
    func noteUse() {
        unsafe block.pointee.usedCount += 1
        retain()
    }

    /// A slot that the kernel chose has got an owner.
    ///
    /// Kernels before upstream's a6bded921ed3 (February 2026) may choose one outside the allocation range. Nobody else may choose that
    /// then. One that is reserved and empty cannot have two owners: the file that was to go there would replace this one.
    func noteAutomaticUse(of slot: Int32) {
        if !allocationRange.contains(Int(slot)) {
            require(
                unsafe block.pointee.chosenSlots.insert(slot).inserted,
                "This kernel chose a slot that was reserved; make the table without an `allocating` range, or use a newer kernel.")
        }
        noteUse()
    }

    /// Gives a slot outside the allocation range an owner; false if it has one.
    func reserve(_ slot: Int32) -> Bool {
        guard unsafe block.pointee.chosenSlots.insert(slot).inserted else { return false }
        noteUse()
        return true
    }

    /// Takes the file, if there is one, out of a slot whose owner and operations have let go of it.
    func vacate(_ slot: Int32) {
        _ = put(-1, into: slot, tag: 0)
        noteVacated(slot)
        release()
    }

    /// A slot is empty and has no owner any more.
    func noteVacated(_ slot: Int32) {
        unsafe block.pointee.usedCount -= 1
        unsafe block.pointee.chosenSlots.remove(slot)
        if unsafe block.pointee.taggedSlots.remove(slot) != nil { unsafe block.pointee.anchor.unreleased.files += 1 }
    }

    /// Puts a descriptor's file into a slot that is reserved.
    func fill(_ slot: Int32, with number: Int32) throws(Errno) {
        // Some negative numbers have meanings of their own for the kernel.
        guard number >= 0 else { throw .badFileDescriptor }
        let isTagged = unsafe block.pointee.tracksRelease
        let status = put(number, into: slot, tag: isTagged ? UserData.fileRelease : 0)
        // Nothing is put anywhere when the ring is gone.
        guard status == 1 else { throw status < 0 ? Errno(rawValue: -status) : .badFileDescriptor }
        if isTagged { unsafe block.pointee.taggedSlots.insert(slot) }
    }

    /// Has the kernel put a descriptor's file into a slot, or none if the number is -1; the number of slots that it changed, or an error.
    private func put(_ number: Int32, into slot: Int32, tag: UInt64) -> Int32 {
        var (number, tag) = (number, tag)
        return unsafe withUnsafeMutablePointer(to: &number) { number in
            unsafe withUnsafeMutablePointer(to: &tag) { tag in
                // SAFETY: the kernel reads all three before the call returns.
                var update = curing_rsrc_update2(
                    offset: UInt32(slot), resv: 0, data: UInt64(UInt(bitPattern: number)), tags: UInt64(UInt(bitPattern: tag)), nr: 1,
                    resv2: 0)
                return unsafe block.pointee.anchor.register(
                    CURING_REGISTER_FILES_UPDATE2, &update, count: UInt32(MemoryLayout<curing_rsrc_update2>.size))
            }
        }
    }

    var unreleasedCount: Int { unsafe max(block.pointee.anchor.unreleased.files, 0) }

    var count: Int { unsafe block.pointee.count }

    var usedCount: Int { unsafe block.pointee.usedCount }

    var allocationRange: Range<Int> { unsafe block.pointee.allocationRange }

    @inlinable
    var ringIdentity: UInt32 { unsafe block.pointee.ringIdentity }
}

extension Ring {
    /// Gives the ring a table for direct descriptors, with nothing in it.
    ///
    /// - Parameters:
    ///   - count: How many files there is room for.
    ///   - range: Which slots the kernel chooses from for files that are to go to ``FileTable/anySlot``; the others are for
    ///     ``FileTable/slot(_:)``. All by default; less needs Linux 6.0.
    ///   - tracksRelease: Whether the kernel reports each file that was put in with ``FileTable/register(_:in:)``, has left the table, and
    ///     that it has let go of, for ``FileTable/unreleasedCount``. A report takes a place in the completion queue and ends a wait.
    /// - Returns: The table.
    /// - Throws: An error that names the likely cause: the ring has a table (`EBUSY`), or the count is above the limit of open files (`EMFILE`).
    /// - Precondition: The count is from 1 to 1048576, and the range is within the table.
    ///
    /// The liburing functions are `io_uring_register_files_sparse` and `io_uring_register_file_alloc_range`; see
    /// `io_uring_register_files(3)` and `io_uring_register_file_alloc_range(3)`. Linux 5.19.
    public mutating func makeFileTable(
        count: Int, allocating range: Range<Int>? = nil, tracksRelease: Bool = false
    ) throws(FileTableError) -> FileTable {
        require(count >= 1 && count <= 1 << 20, "A ring's file table has from 1 to 1048576 slots.")
        let range = range ?? 0..<count
        require(range.lowerBound >= 0 && range.upperBound <= count, "The kernel can only choose from slots that the table has.")
        return FileTable(
            state: try FileTableState(anchor: core.anchor, count: count, allocationRange: range, tracksRelease: tracksRelease))
    }
}
