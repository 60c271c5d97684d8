// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Pages of memory, which come as zeros; a plain value with one owner, who unmaps them.
@safe
struct Mapping: BitwiseCopyable, @unchecked Sendable {
    // SAFETY: the address does not change, and what lies there is its owner's care.
    let start: UnsafeMutableRawPointer
    let byteCount: Int

    /// Maps pages of the process's own.
    init(byteCount: Int) throws(Errno) {
        try self.init(byteCount: byteCount, flags: MAP_PRIVATE | MAP_ANONYMOUS, descriptor: -1, offset: 0)
    }

    /// Maps pages of a file; a child that is forked does not get them.
    init(of descriptor: Int32, offset: UInt64, byteCount: Int) throws(Errno) {
        try self.init(byteCount: byteCount, flags: MAP_SHARED | MAP_POPULATE, descriptor: descriptor, offset: offset)
        _ = unsafe madvise(start, byteCount, MADV_DONTFORK)
    }

    private init(byteCount: Int, flags: Int32, descriptor: Int32, offset: UInt64) throws(Errno) {
        // SAFETY: the system chooses the place.
        let mapping = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, descriptor, off_t(offset))
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else { throw Errno(rawValue: errno) }
        unsafe start = unsafe mapping
        self.byteCount = byteCount
    }

    /// The bytes of as many whole pages as so many bytes take.
    static func wholePages(for byteCount: Int) -> Int {
        let page = sysconf(Int32(_SC_PAGESIZE))
        return (byteCount + page - 1) / page * page
    }

    /// Gives the pages back; nobody refers to them any more.
    func unmap() {
        unsafe munmap(start, byteCount)
    }
}

/// One mapping in parts of whole pages, each with an owner of its own; it is unmapped with the last of them.
///
/// What goes before that leaves its addresses: a hole would make two mappings of one, and a process may not have many.
@safe
struct DividedMapping: BitwiseCopyable {
    private struct Block {
        let mapping: Mapping
        let partByteCount: Int
        var ownerCount: Int
    }

    // SAFETY: the block lives until the last owner has given its part back.
    private let block: UnsafeMutablePointer<Block>

    /// Maps so many parts that have room for so many bytes each.
    init(count: Int, byteCount: Int) throws(Errno) {
        let partByteCount = Mapping.wholePages(for: byteCount)
        let mapping = try Mapping(byteCount: count * partByteCount)
        unsafe block = .allocate(capacity: 1)
        unsafe block.initialize(to: Block(mapping: mapping, partByteCount: partByteCount, ownerCount: count))
    }

    /// Where a part begins.
    func start(of part: Int) -> UnsafeMutableRawPointer {
        unsafe block.pointee.mapping.start + part * block.pointee.partByteCount
    }

    /// Gives the pages of the part that begins there back; nobody refers to them any more.
    func giveBack(partAt start: UnsafeMutableRawPointer) {
        unsafe block.pointee.ownerCount -= 1
        if unsafe block.pointee.ownerCount == 0 {
            unsafe block.pointee.mapping.unmap()
            unsafe block.deallocate()
        } else {
            unsafe madvise(start, block.pointee.partByteCount, MADV_DONTNEED)
        }
    }
}
