// SPDX-License-Identifier: Apache-2.0

import Synchronization
import SystemPackage

/// What a pool shares with leases on other threads: the memory of its buffers, and the list of those that come back.
///
/// The list has no lock. Other threads push to it, and the pool's own takes all of it at once, so that an element cannot go and come back
/// between two looks at it. The last share frees everything.
@safe
struct SharedBuffers: BitwiseCopyable, @unchecked Sendable {
    // SAFETY of Sendable: what changes is atomic, and the memory of a buffer is for nobody but who has a lease of it.
    @safe
    private struct State: ~Copyable {
        /// The owner's share, and one for each lease that is on another thread.
        let holdCount = Atomic<Int>(1)
        /// One more than the number of the first buffer in the list, or zero.
        let first = Atomic<UInt32>(0)
        let links: UnsafeMutablePointer<Link>
        let count: Int
        let mapping: Mapping

        init(links: UnsafeMutablePointer<Link>, count: Int, mapping: Mapping) {
            unsafe self.links = unsafe links
            self.count = count
            self.mapping = mapping
        }
    }

    private struct Link: ~Copyable {
        /// One more than the number of the next buffer in the list, or zero.
        let next = Atomic<UInt32>(0)
        /// How many leases of the buffer have come back; the buffer is in the list while this is not zero.
        let returnCount = Atomic<UInt32>(0)
    }

    private let state: UnsafeMutablePointer<State>

    /// Allocates memory for so many buffers of so many bytes.
    init(count: Int, byteCount: Int) throws(Errno) {
        let (total, isTooMuch) = count.multipliedReportingOverflow(by: byteCount)
        guard !isTooMuch else { throw .noMemory }
        let mapping = try Mapping(byteCount: total)
        let links = UnsafeMutablePointer<Link>.allocate(capacity: count)
        for index in 0..<count { unsafe (links + index).initialize(to: Link()) }
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State(links: links, count: count, mapping: mapping))
    }

    /// Where the first buffer begins.
    var start: UnsafeMutableRawPointer { unsafe state.pointee.mapping.start }

    /// Takes a share for a lease that goes to another thread.
    func retain() {
        // Relaxed: who takes a share has one already.
        unsafe state.pointee.holdCount.add(1, ordering: .relaxed)
    }

    /// Gives up a share.
    func release() {
        // Release and acquire: whatever the others did with the memory has happened before the last one frees it.
        guard unsafe state.pointee.holdCount.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
        // SAFETY: this was the last share.
        unsafe state.pointee.mapping.unmap()
        unsafe state.pointee.links.deinitialize(count: state.pointee.count)
        unsafe state.pointee.links.deallocate()
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
    }

    /// Notes, on any thread, that a lease of a buffer is dropped.
    func giveBack(_ identifier: Int) {
        // SAFETY: the identifier is one of the pool's, and the caller has a share.
        // Release: what was read from the buffer has been read before its owner sees the count, and shows the buffer to the kernel.
        let before = unsafe state.pointee.links[identifier].returnCount.add(1, ordering: .acquiringAndReleasing).oldValue
        // Otherwise it is in the list already.
        guard before == 0 else { return }
        var first = unsafe state.pointee.first.load(ordering: .relaxed)
        while true {
            unsafe state.pointee.links[identifier].next.store(first, ordering: .relaxed)
            // Release: the link is there before the owner finds the buffer.
            let (isStored, current) = unsafe state.pointee.first.weakCompareExchange(
                expected: first, desired: UInt32(identifier) + 1, successOrdering: .releasing, failureOrdering: .relaxed)
            if isStored { return }
            first = current
        }
    }

    /// Whether nothing has come back; on the owner's thread.
    var isEmpty: Bool {
        // Relaxed: who is told of a lease that was dropped on another thread is synchronised with it, or will be told later.
        unsafe state.pointee.first.load(ordering: .relaxed) == 0
    }

    /// Takes what has come back out of the list; on the owner's thread.
    func takeReturned(_ body: (_ identifier: Int, _ leaseCount: Int) -> Void) {
        // Acquire: the links are there.
        var entry = unsafe state.pointee.first.exchange(0, ordering: .acquiring)
        while entry != 0 {
            let identifier = Int(entry) - 1
            // Before the count is taken: from then on the buffer can be put into the list again.
            entry = unsafe state.pointee.links[identifier].next.load(ordering: .relaxed)
            let leaseCount = unsafe state.pointee.links[identifier].returnCount.exchange(0, ordering: .acquiringAndReleasing)
            body(identifier, Int(leaseCount))
        }
    }
}
