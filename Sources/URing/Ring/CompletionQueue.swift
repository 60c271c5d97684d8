// SPDX-License-Identifier: Apache-2.0

import CURing

/// A completion as it lies in the queue: the first 16 bytes of `struct io_uring_cqe`.
@usableFromInline
struct QueuedCompletion: BitwiseCopyable {
    @usableFromInline let userData: UInt64
    @usableFromInline let entry: CompletionEntry
}

/// The caller's side of the completion queue: memory only, no system calls.
@safe @usableFromInline
struct CompletionQueue: BitwiseCopyable {
    @usableFromInline let sharedHead: UnsafeMutablePointer<UInt32>
    @usableFromInline let tail: UnsafeMutablePointer<UInt32>
    @usableFromInline let entryCount: UInt32
    /// Where the entries lie.
    @usableFromInline let start: UnsafeMutableRawPointer
    @usableFromInline let end: UnsafeMutableRawPointer
    /// How many bytes entries are apart.
    @usableFromInline let stride: Int
    /// The place of the next entry; `end` stands for `start`.
    @usableFromInline var nextPlace: UnsafeMutableRawPointer
    /// Up to where entries lie from there on that were ready when the tail was looked at last.
    @usableFromInline var readyEnd: UnsafeMutableRawPointer
    /// Places that no submission entry stands for: of fillers, of the second halves of large entries, and of completions after which more
    /// come.
    @usableFromInline var extraCount: UInt32

    // SAFETY: the pointers are into a mapped ring, or a test's stand-in for one, that outlives this value.
    init(_ ring: curing_ring) {
        unsafe sharedHead = ring.cq_head
        unsafe tail = ring.cq_tail
        unsafe entryCount = ring.cq_entries
        unsafe stride = 16 << Int(ring.cqe_shift)
        unsafe start = UnsafeMutableRawPointer(ring.cqes)
        unsafe end = start + Int(ring.cq_entries) * stride
        unsafe nextPlace = start + Int(curing_load_relaxed_u32(ring.cq_head) & ring.cq_mask) * stride
        unsafe readyEnd = nextPlace
        extraCount = 0
    }

    /// The next entry to read: the shared head, which nobody else writes.
    @inlinable
    var head: UInt32 {
        @inline(__always) get { unsafe curing_load_relaxed_u32(sharedHead) }
    }

    /// How many completions are there to be read.
    @inlinable
    var readyCount: UInt32 {
        // Acquire: the entries before the tail are complete. The difference is right across the wrap.
        @inline(__always) get { unsafe curing_load_acquire_u32(tail) &- head }
    }

    /// Whether there is an entry to be read.
    ///
    /// The tail is looked at once for all that is ready then.
    @inlinable @inline(__always)
    mutating func hasNext() -> Bool {
        unsafe _fastPath(nextPlace != readyEnd) || findReady()
    }

    /// The next entry.
    ///
    /// - Precondition: There is one, as ``hasNext()`` has just said.
    @inlinable
    var first: QueuedCompletion {
        // SAFETY: the entry is before the tail, and its place stays ours until the head passes it. The user data is followed by the result and
        // the flags, which are one word with the flags above where numbers begin with their lowest byte, as on all machines that Swift has
        // Linux for.
        @inline(__always) get { unsafe nextPlace.load(as: QueuedCompletion.self) }
    }

    /// Finds the entries that are ready by now and lie one behind the other; whether there are any.
    @inlinable @inline(__always)
    mutating func findReady() -> Bool {
        let readyCount = readyCount
        if readyCount == 0 { return false }
        if unsafe nextPlace == end { unsafe nextPlace = unsafe start }
        // SAFETY: all these entries are before the tail, and before the end of the queue's memory.
        unsafe readyEnd = min(nextPlace + Int(truncatingIfNeeded: readyCount) &* stride, end)
        return true
    }

    /// Gives the place of the next entry, which takes one, back to the kernel.
    @inlinable @inline(__always)
    mutating func consume() {
        // SAFETY: the entry is before `readyEnd`.
        unsafe nextPlace += stride
        // Release: our reads of the entry happen before the kernel's writes to its place.
        unsafe curing_store_release_u32(sharedHead, head &+ 1)
    }

    /// Gives the place or places of the next entry back to the kernel, and says whether it was a filler, which says nothing.
    ///
    /// On a ring of mixed sizes, an entry of 32 bytes takes two places.
    mutating func consumeWithFlags(_ flags: CompletionFlags) -> Bool {
        let isFiller = flags.contains(.skip)
        if !isFiller { extraCount &-= 1 }
        // Two places are posted together, so both are before the tail, unless the queue was full (see `mixedCompletions`). The kernel never
        // posts them at the end and at the start of the queue, but when it makes the queue smaller it leaves each position as it is, and the second
        // one can come to lie at the start.
        for _ in 0..<(flags.contains(.large) ? 2 : 1) where hasNext() {
            extraCount &+= 1
            consume()
        }
        return isFiller
    }

    /// Reads the next entry and gives its place back to the kernel; nil when there is none.
    mutating func next() -> QueuedCompletion? {
        while hasNext() {
            let completion = first
            if !consumeWithFlags(completion.entry.flags) { return completion }
        }
        return nil
    }
}
