// SPDX-License-Identifier: Apache-2.0

import CURing

/// The caller's side of the submission queue: memory only, no system calls.
///
/// Entries between the kernel's head and `publishedTail` are the kernel's; those from there to `tail` are being filled in. Heads and
/// tails are 32-bit counters that wrap, so only their differences mean anything.
@safe @usableFromInline
struct SubmissionQueue: BitwiseCopyable {
    @usableFromInline let head: UnsafeMutablePointer<UInt32>
    @usableFromInline let sharedTail: UnsafeMutablePointer<UInt32>
    @usableFromInline let sharedFlags: UnsafeMutablePointer<UInt32>
    @usableFromInline let entries: UnsafeMutablePointer<curing_sqe>
    @usableFromInline let entryCount: UInt32
    @usableFromInline let mask: UInt32
    /// How many bytes entries are apart.
    @usableFromInline let stride: Int
    /// Where the next entry goes.
    @usableFromInline var tail: UInt32
    /// What the tail is when the queue is full, by the head as it was last seen.
    @usableFromInline var limit: UInt32

    // SAFETY: the pointers are into a mapped ring, or a test's stand-in for one, that outlives this value.
    init(_ ring: curing_ring) {
        unsafe head = ring.sq_head
        unsafe sharedTail = ring.sq_tail
        unsafe sharedFlags = ring.sq_flags
        unsafe entries = ring.sqes
        unsafe entryCount = ring.sq_entries
        unsafe mask = ring.sq_entries &- 1
        unsafe stride = 64 << Int(ring.sqe_shift)
        unsafe tail = curing_load_relaxed_u32(ring.sq_tail)
        unsafe limit = curing_load_acquire_u32(ring.sq_head) &+ ring.sq_entries
    }

    /// Entries that can be prepared before the queue is full.
    @usableFromInline
    var room: UInt32 {
        mutating get {
            // Acquire: the kernel's reads of the entries before the head happen before our writes to their places.
            unsafe limit = curing_load_acquire_u32(head) &+ entryCount
            return limit &- tail
        }
    }

    /// Whether there is no place for another entry.
    @inlinable
    var isFull: Bool {
        @inline(__always) mutating get {
            if _fastPath(tail != limit) { return false }
            return room == 0
        }
    }

    /// The place of the next entry, its first 64 bytes cleared; the others, if there are any, are zero unless an operation wrote them.
    ///
    /// - Precondition: The queue is not full.
    @inlinable @inline(__always)
    func nextEntry() -> UnsafeMutablePointer<curing_sqe> {
        let entry = unsafe entry(at: tail)
        unsafe entry.initialize(to: curing_sqe())
        return unsafe entry
    }

    @inlinable @inline(__always)
    func entry(at position: UInt32) -> UnsafeMutablePointer<curing_sqe> {
        unsafe (UnsafeMutableRawPointer(entries) + Int(truncatingIfNeeded: position & mask) &* stride)
            .assumingMemoryBound(to: curing_sqe.self)
    }

    /// Shows the kernel all entries prepared so far, and says how many it has not consumed.
    @inlinable @inline(__always)
    mutating func publish() -> UInt32 {
        // Release: the entries' contents are visible to whoever sees the tail. It is the point of no return: from here
        // an operation ends only by its completion.
        unsafe curing_store_release_u32(sharedTail, tail)
        return pendingCount
    }

    /// How many entries were prepared and not published.
    var unpublishedCount: UInt32 {
        unsafe tail &- curing_load_relaxed_u32(sharedTail)
    }

    /// Makes room for what the kernel says it has consumed.
    mutating func noteConsumed(_ count: UInt32) {
        limit &+= count
    }

    /// How many published entries the kernel has not consumed.
    @inlinable
    var pendingCount: UInt32 {
        mutating get { entryCount &- room }
    }

    /// The user data of the entries that were prepared but not published.
    var unpublishedUserData: [UInt64] {
        userData(from: unsafe curing_load_relaxed_u32(sharedTail))
    }

    /// The user data of the entries that the kernel has not consumed.
    var unconsumedUserData: [UInt64] {
        userData(from: unsafe curing_load_acquire_u32(head))
    }

    /// The user data of the entries from a position to our tail.
    func userData(from start: UInt32) -> [UInt64] {
        // SAFETY: the entries from the head to our tail were initialised when they were prepared.
        (0..<(tail &- start)).map { unsafe entry(at: start &+ $0).pointee.user_data }
    }

    /// Takes back the entries that were prepared but not published.
    mutating func withdrawUnpublished() {
        tail = unsafe curing_load_relaxed_u32(sharedTail)
    }

    /// What the kernel says of the queues.
    @inlinable
    var flags: UInt32 {
        @inline(__always) get { unsafe curing_load_relaxed_u32(sharedFlags) }
    }
}

extension SubmissionQueue {
    /// How many entries have not had their last completion read from the other queue.
    func inFlightCount(_ completions: CompletionQueue) -> Int {
        Int(tail &- (completions.head &- completions.extraCount))
    }
}
