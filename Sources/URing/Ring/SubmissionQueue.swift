// SPDX-License-Identifier: Apache-2.0

import CURing

/// The caller's side of the submission queue: memory only, no system calls.
///
/// Entries between the kernel's head and the shared tail are the kernel's; those from there to `tail` are being filled in. Heads and
/// tails are 32-bit counters that wrap, so only their differences mean anything.
@safe @usableFromInline
struct SubmissionQueue: BitwiseCopyable {
    @usableFromInline let head: UnsafeMutablePointer<UInt32>
    @usableFromInline let sharedTail: UnsafeMutablePointer<UInt32>
    @usableFromInline let sharedFlags: UnsafeMutablePointer<UInt32>
    @usableFromInline let entryCount: UInt32
    /// Where the entries lie.
    @usableFromInline let start: UnsafeMutableRawPointer
    @usableFromInline let end: UnsafeMutableRawPointer
    /// How many bytes entries are apart, and which power of two that is.
    @usableFromInline let stride: Int
    @usableFromInline let strideShift: UInt32
    /// Where the next entry goes; `end` stands for `start`.
    @usableFromInline var nextPlace: UnsafeMutableRawPointer
    /// Up to where places from there on were free when the head was looked at last.
    @usableFromInline var freeEnd: UnsafeMutableRawPointer
    /// What the tail was, or will be, at `start`.
    @usableFromInline var tailAtStart: UInt32

    // SAFETY: the pointers are into a mapped ring, or a test's stand-in for one, that outlives this value.
    init(_ ring: curing_ring) {
        unsafe head = ring.sq_head
        unsafe sharedTail = ring.sq_tail
        unsafe sharedFlags = ring.sq_flags
        unsafe entryCount = ring.sq_entries
        unsafe strideShift = 6 + UInt32(ring.sqe_shift)
        stride = 1 << Int(strideShift)
        unsafe start = UnsafeMutableRawPointer(ring.sqes)
        unsafe end = start + Int(ring.sq_entries) * stride
        unsafe (nextPlace, freeEnd, tailAtStart) = (start, start, 0)
        unsafe tail = curing_load_relaxed_u32(ring.sq_tail)
    }

    /// The position of the next entry.
    ///
    /// Setting it takes entries back, or has the kernel see fewer for a while.
    @usableFromInline
    var tail: UInt32 {
        get { unsafe tailAtStart &+ UInt32(truncatingIfNeeded: (nextPlace - start) &>> Int(strideShift)) }
        set {
            tailAtStart = newValue & ~(entryCount &- 1)
            unsafe nextPlace = place(at: newValue)
            unsafe freeEnd = nextPlace
        }
    }

    /// Entries that can be prepared before the queue is full.
    var room: UInt32 { entryCount &- pendingCount }

    /// Whether there is a place for another entry.
    ///
    /// The head is looked at once for all places that are free then.
    @inlinable @inline(__always)
    mutating func hasRoom() -> Bool {
        unsafe _fastPath(nextPlace != freeEnd) || findRoom()
    }

    /// Finds the places that are free by now and lie one behind the other; whether there are any.
    @usableFromInline
    mutating func findRoom() -> Bool {
        let room = room
        if room == 0 { return false }
        beginAtStart()
        // SAFETY: the kernel has read the entries of all these places, or there were none, and they are before the end of the queue's memory.
        unsafe freeEnd = min(nextPlace + Int(room) * stride, end)
        return true
    }

    /// Notes that the kernel has consumed all that is prepared.
    @inline(__always)
    mutating func noteAllConsumed() {
        beginAtStart()
        unsafe freeEnd = unsafe end
    }

    @inline(__always)
    private mutating func beginAtStart() {
        guard unsafe nextPlace == end else { return }
        unsafe nextPlace = unsafe start
        tailAtStart &+= entryCount
    }

    /// Writes the first 64 bytes of the next entry; the others, if there are any, are zero unless an operation wrote them.
    ///
    /// - Precondition: There is room, as ``hasRoom()`` has just said.
    @inlinable @inline(__always)
    func writeEntry(_ contents: curing_sqe) -> UnsafeMutablePointer<curing_sqe> {
        let entry = unsafe nextPlace.assumingMemoryBound(to: curing_sqe.self)
        unsafe entry.initialize(to: contents)
        return unsafe entry
    }

    /// The place of the next entry, likewise, its first 64 bytes cleared.
    @inlinable @inline(__always)
    func nextEntry() -> UnsafeMutablePointer<curing_sqe> {
        unsafe writeEntry(curing_sqe())
    }

    /// The place of the next entry, likewise, where room for it was made some entries before.
    mutating func nextReservedEntry() -> UnsafeMutablePointer<curing_sqe> {
        expectRoom()
        return unsafe nextEntry()
    }

    /// Finds the room that was made for an entry: behind `freeEnd`, nothing may be written.
    @usableFromInline
    mutating func expectRoom() {
        require(hasRoom(), "Room for the entry was made before.")
    }

    /// Makes the next entry part of the queue.
    @inlinable @inline(__always)
    mutating func advance() {
        // SAFETY: the entry is before `freeEnd`.
        unsafe nextPlace += stride
    }

    /// The entry at a position.
    func entry(at position: UInt32) -> UnsafeMutablePointer<curing_sqe> {
        unsafe place(at: position).assumingMemoryBound(to: curing_sqe.self)
    }

    private func place(at position: UInt32) -> UnsafeMutableRawPointer {
        unsafe start + Int(position & (entryCount &- 1)) << Int(strideShift)
    }

    /// Shows the kernel all entries prepared so far, and says how many it has not consumed.
    @inline(__always)
    func publish() -> UInt32 {
        // Release: the entries' contents are visible to whoever sees the tail. It is the point of no return: from here
        // an operation ends only by its completion.
        unsafe curing_store_release_u32(sharedTail, tail)
        return pendingCount
    }

    /// How many entries were prepared and not published.
    var unpublishedCount: UInt32 {
        unsafe tail &- curing_load_relaxed_u32(sharedTail)
    }

    /// How many entries the kernel has not consumed.
    var pendingCount: UInt32 {
        // Acquire: the kernel's reads of the entries before the head happen before our writes to their places.
        unsafe tail &- curing_load_acquire_u32(head)
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
