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

    private init(start: UnsafeMutableRawPointer, byteCount: Int) {
        unsafe self.start = unsafe start
        self.byteCount = byteCount
    }

    /// The bytes of as many whole pages as so many bytes take.
    static func wholePages(for byteCount: Int) -> Int {
        let page = sysconf(Int32(_SC_PAGESIZE))
        return (byteCount + page - 1) / page * page
    }

    /// Some of the pages, which have an owner of their own from now on.
    func pages(at offset: Int, byteCount: Int) -> Mapping {
        unsafe Mapping(start: start + offset, byteCount: byteCount)
    }

    /// Gives the pages back; nobody refers to them any more.
    func unmap() {
        unsafe munmap(start, byteCount)
    }
}
