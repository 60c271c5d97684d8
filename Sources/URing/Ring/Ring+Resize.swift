// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

extension Ring {
    /// Gives the ring queues of other sizes, with everything that is prepared, in flight or completed.
    ///
    /// - Parameters:
    ///   - entries: How many operations can be prepared between two submissions, rounded up to a power of two.
    ///   - completionQueueEntries: How many completions the queue holds before the kernel keeps them aside; twice the entries by default.
    /// - Throws: `EOVERFLOW` if the new queues cannot hold what is in the present ones; `EINVAL` for other sizes than a ring can be made with,
    ///   for rings without ``RingOptions/Flags/deferredTaskRun`` and ``RingOptions/Flags/noSubmissionArray``, and before Linux 6.13. The ring
    ///   is then as it was.
    ///
    /// The liburing function is `io_uring_resize_rings`; see `io_uring_resize_rings(3)`.
    public mutating func resize(entries: Int, completionQueueEntries: Int? = nil) throws(Errno) {
        try core.resize(entries: entries, completionQueueEntries: completionQueueEntries)
    }
}

extension RingCore {
    fileprivate mutating func resize(entries: Int, completionQueueEntries: Int?) throws(Errno) {
        guard let entries = UInt32(exactly: entries), let completionEntries = UInt32(exactly: completionQueueEntries ?? 0),
            completionQueueEntries != 0
        else { throw .invalidArgument }
        let tail = submissions.tail
        let extraCount = completions.extraCount
        let status = unsafe curing_ring_resize(&ring, entries, completionEntries, tail, isKeptOnFork)
        if status < 0 { throw Errno(rawValue: -status) }
        // The positions are as they were; places, and with them all pointers, are others.
        submissions = unsafe SubmissionQueue(ring)
        submissions.tail = tail
        completions = unsafe CompletionQueue(ring)
        completions.extraCount = extraCount
        limitPlainWaits()
        // The flag that shows deferred work was wiped out with one that means nothing.
        flush()
    }
}
