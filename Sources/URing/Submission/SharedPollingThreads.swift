// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The rings of this process whose polling thread another ring shares, by their descriptors.
///
/// A polling thread with several rings takes a few entries from each in turn, and cuts a chain where its turn ends. A ring that
/// attaches to another's thread knows it; the other has to be told.
enum SharedPollingThreads {
    private static let descriptors = Mutex<Set<Int32>>([])

    /// How many entries of one ring a shared thread takes at a time: `IORING_SQPOLL_CAP_ENTRIES_VALUE` of the kernel's io_uring/sqpoll.c.
    static let entriesPerTurn: UInt32 = 8

    static func insert(_ descriptor: Int32) {
        descriptors.withLock { _ = $0.insert(descriptor) }
    }

    static func remove(_ descriptor: Int32) {
        descriptors.withLock { _ = $0.remove(descriptor) }
    }

    static func contains(_ descriptor: Int32) -> Bool {
        descriptors.withLock { $0.contains(descriptor) }
    }
}
