// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// What a queue of bytes to be sent knows of them: where they are, how much of them is sent, and which entries the kernel has taken.
///
/// A plain value with one owner, who ends it.
@safe @usableFromInline
struct SendQueueState: BitwiseCopyable {
    // The elements are numbered from the first that was ever appended on, and lie in places that are used in turn:
    // those from `firstSent` to `firstUnsent` were sent, those up to `end` are to be sent.
    @safe
    private struct Block {
        let registration: BufferRingRegistration
        let ringIdentity: UInt32
        /// The bytes of the element in each place.
        let parts: UnsafeMutablePointer<UnsafeRawBufferPointer>
        var firstSent = 0
        var firstUnsent = 0
        var end = 0
        /// How much of the first unsent element was sent.
        var sentByteCount = 0
        /// The entry that the kernel takes next; nil if it has to be asked.
        var head: UInt16? = 0
        var tail: UInt16 = 0

        init(registration: BufferRingRegistration, ringIdentity: UInt32, parts: UnsafeMutablePointer<UnsafeRawBufferPointer>) {
            self.registration = registration
            self.ringIdentity = ringIdentity
            unsafe self.parts = unsafe parts
        }
    }

    // SAFETY: the block is the owner's alone. The kernel reads bytes only for an operation, which has the owner.
    private let block: UnsafeMutablePointer<Block>

    init(anchor: RingAnchor, ringIdentity: UInt32, group: UInt16, count: Int) throws(BufferRingError) {
        try BufferRingError.check(count: count)
        do throws(Errno) {
            let registration = try BufferRingRegistration(anchor: anchor, group: group, count: count, flags: 0, minimumLeft: 0)
            unsafe block = .allocate(capacity: 1)
            unsafe block.initialize(
                to: Block(registration: registration, ringIdentity: ringIdentity, parts: .allocate(capacity: count)))
        } catch {
            throw BufferRingError(error, group: group, of: anchor)
        }
    }

    /// Has the kernel forget the entries; no operation uses them any more.
    func endRegistration() {
        unsafe block.pointee.registration.end()
    }

    func deallocate() {
        unsafe block.pointee.parts.deallocate()
        unsafe block.deallocate()
    }

    @usableFromInline var capacity: Int { unsafe block.pointee.registration.count }

    @usableFromInline var unsentCount: Int { unsafe block.pointee.end - block.pointee.firstUnsent }

    @usableFromInline var sentCount: Int { unsafe block.pointee.firstUnsent - block.pointee.firstSent }

    var unsentByteCount: Int {
        unsafe (block.pointee.firstUnsent..<block.pointee.end).reduce(0) { unsafe $0 + part($1).count } - block.pointee.sentByteCount
    }

    /// How much of the first element that is not all sent is left.
    @usableFromInline var firstUnsentByteCount: Int {
        unsafe block.pointee.firstUnsent < block.pointee.end ? part(block.pointee.firstUnsent).count - block.pointee.sentByteCount : 0
    }

    private func place(_ number: Int) -> Int { number & (capacity - 1) }

    private func part(_ number: Int) -> UnsafeRawBufferPointer { unsafe block.pointee.parts[place(number)] }

    /// The place behind the last element's, if there is one that nothing lies in.
    @usableFromInline var emptyPlace: Int? { unsentCount + sentCount < capacity ? unsafe place(block.pointee.end) : nil }

    /// Adds the element that was put into the empty place.
    @usableFromInline
    @unsafe func append(_ bytes: UnsafeRawBufferPointer) {
        require(
            bytes.count > 0 && bytes.count <= SubmissionEntry.maximumTransfer, "What a send queue takes has from 1 to 0x7ffff000 bytes.")
        unsafe (block.pointee.parts + place(block.pointee.end)).initialize(to: bytes)
        unsafe block.pointee.end += 1
    }

    /// Forgets the first element that was sent, and gives its place; nil when there is none.
    @usableFromInline
    func removeSent() -> Int? {
        guard sentCount > 0 else { return nil }
        unsafe block.pointee.firstSent += 1
        return unsafe place(block.pointee.firstSent - 1)
    }

    /// Forgets the first element, sent or not, and gives its place; nil when there is none.
    func removeFirst() -> Int? {
        guard unsentCount + sentCount > 0 else { return nil }
        unsafe block.pointee.firstSent += 1
        unsafe block.pointee.firstUnsent = unsafe max(block.pointee.firstUnsent, block.pointee.firstSent)
        return unsafe place(block.pointee.firstSent - 1)
    }

    /// Shows the kernel what is to be sent, for an operation that has taken the owner.
    @usableFromInline
    func begin(_ entry: borrowing SubmissionEntry) {
        require(
            unsafe block.pointee.ringIdentity == entry.ringIdentity,
            "This queue belongs to another ring; prepare an operation on it with the ring that made it.")
        // The kernel takes all that it could send with a bundle, also what it then did not send. As no operation is in flight, the entries can
        // be written anew from where it is now.
        if unsafe block.pointee.head == nil { unsafe block.pointee.head = try? block.pointee.registration.head() }
        guard var position = unsafe block.pointee.head else {
            trap(
                "A send queue has to ask the kernel where it is; prepare it on its ring's thread, and have restrictions allow `bufferRings`.",
                file: #fileID, line: #line)
        }
        var start = unsafe block.pointee.sentByteCount
        for number in unsafe block.pointee.firstUnsent..<block.pointee.end {
            // SAFETY: the element stays in its place, unchanged, until the operation gives the owner back.
            unsafe block.pointee.registration.store(
                UnsafeRawBufferPointer(rebasing: part(number)[start...]), identifier: place(number), at: position)
            position &+= 1
            start = 0
        }
        unsafe block.pointee.tail = position
        unsafe block.pointee.registration.publish(position)
        entry.flags |= CURING_SQE_BUFFER_SELECT
        entry.bufferIndex = unsafe block.pointee.registration.group
    }

    /// Takes over what the kernel has sent.
    @usableFromInline
    func end(_ completion: CompletionEntry) {
        var remaining = unsafe block.pointee.sentByteCount + Int(max(completion.result, 0))
        while unsentCount > 0 {
            let count = unsafe part(block.pointee.firstUnsent).count
            if remaining < count { break }
            remaining -= count
            unsafe block.pointee.firstUnsent += 1
        }
        require(remaining == 0 || unsentCount > 0, "The kernel sent more than it was given.")
        unsafe block.pointee.sentByteCount = remaining
        if !completion.flags.contains(.more) { unsafe block.pointee.head = unsentCount == 0 ? block.pointee.tail : nil }
    }
}
