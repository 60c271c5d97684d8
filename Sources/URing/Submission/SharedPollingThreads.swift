// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The rings of this process whose polling thread another ring shares.
///
/// A polling thread with several rings takes a few entries from each in turn, and cuts a chain where its turn ends. A ring that
/// attaches to another's thread knows it; the other has to be told.
enum SharedPollingThreads {
    /// By the numbers that the kernel gives their files, because one ring can have several descriptors.
    private static let files = Mutex<Set<UInt>>([])

    /// How many entries of one ring a shared thread takes at a time: `IORING_SQPOLL_CAP_ENTRIES_VALUE` of the kernel's io_uring/sqpoll.c.
    static let entriesPerTurn: UInt32 = 8

    static func insert(_ descriptor: Int32) {
        let file = file(of: descriptor)
        files.withLock { _ = $0.insert(file) }
    }

    static func remove(_ descriptor: Int32) {
        let file = file(of: descriptor)
        files.withLock { _ = $0.remove(file) }
    }

    static func contains(_ descriptor: Int32) -> Bool {
        // Mostly there is none, and nothing to be asked.
        files.withLock { !$0.isEmpty && $0.contains(file(of: descriptor)) }
    }

    /// The inode of a ring's file, of which each ring has one of its own (Linux 5.16).
    private static func file(of descriptor: Int32) -> UInt {
        var status = stat()
        // SAFETY: the kernel writes the structure before the call returns.
        return unsafe fstat(descriptor, &status) == 0 ? UInt(status.st_ino) : 0
    }
}
