// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A pool of buffers: the ring of entries that the kernel reads, the buffers, and who has each of them.
///
/// A buffer is the kernel's from the moment its entry is published until a completion says that the kernel is done with it; then it is
/// leased, and goes back when the last lease of it is dropped. Operations and the owner hold the ring's registration, and they and the leases
/// hold the memory, so that neither goes while somebody needs it. All of them are in one isolation region, so the counts are plain; only
/// what leases on other threads share with them is not.
@safe @usableFromInline
struct BufferRingState: BitwiseCopyable {
    private struct Buffer {
        /// Where in the buffer the kernel goes on, in incremental mode.
        var offset: UInt32 = 0
        /// How many leases of it are out.
        var leaseCount: UInt32 = 0
        /// How much of it a bundle has filled that goes on in the next buffer.
        var filledByteCount: UInt32 = 0
        /// How much the entry had room for that another buffer has overwritten since, while the completion of this one was not taken.
        var keptRoom: UInt32?
        /// Where in the ring of entries it was last put.
        var position: UInt16 = 0
        /// The buffer that was put behind it there, once there is one.
        var next: UInt16 = 0
        /// Whether the kernel may still write to it.
        var isWithKernel = false
    }

    @safe
    private struct Block {
        let registration: BufferRingRegistration
        let shared: SharedBuffers
        let buffers: UnsafeMutablePointer<Buffer>
        /// Where the first buffer's memory begins.
        let start: UnsafeMutableRawPointer
        let byteCount: Int
        let mode: BufferRing.Mode
        let ringIdentity: UInt32
        /// The owner and the operations.
        var registrationHolds = 1
        /// The registration, and the leases in this isolation region.
        var memoryHolds = 1
        var tail: UInt16 = 0
        /// The buffer in front of the tail.
        var last: UInt16 = 0
        /// Buffers that are the kernel's.
        var availableCount = 0
        /// Leases, wherever they are.
        var leaseCount = 0
        /// How often an operation found no buffer.
        var exhaustionCount: UInt64 = 0
        /// Whether one did, and no buffer has come back since.
        var isExhausted = false
        /// Whether an operation may fill several buffers at once.
        var hasBundles = false
        /// In incremental mode, what completions have that were read and not taken.
        var records = BufferRecords()

        init(
            registration: BufferRingRegistration, shared: SharedBuffers, buffers: UnsafeMutablePointer<Buffer>, byteCount: Int,
            mode: BufferRing.Mode, ringIdentity: UInt32
        ) {
            self.registration = registration
            self.shared = shared
            unsafe self.buffers = unsafe buffers
            unsafe start = unsafe shared.start
            self.byteCount = byteCount
            self.mode = mode
            self.ringIdentity = ringIdentity
        }
    }

    private let block: UnsafeMutablePointer<Block>

    /// The incremental pool whose number it is, which somebody has to hold; nil if it is none.
    @usableFromInline
    @unsafe init?(incrementalNumber: UInt64) {
        guard let block = unsafe UnsafeMutablePointer<Block>(bitPattern: UInt(incrementalNumber)) else { return nil }
        unsafe self.block = unsafe block
    }

    /// The pool as a number if it is incremental, else zero.
    @usableFromInline var incrementalNumber: UInt64 {
        unsafe block.pointee.mode.isIncremental ? UInt64(UInt(bitPattern: block)) : 0
    }

    /// Allocates the memory, registers it, and gives the kernel all buffers.
    init(
        anchor: RingAnchor, ringIdentity: UInt32, group: UInt16, count: Int, byteCount: Int, mode: BufferRing.Mode, isKernelMapped: Bool
    ) throws(BufferRingError) {
        try BufferRingError.check(count: count)
        guard byteCount >= 1, byteCount <= Int(Int32.max) else { throw BufferRingError(.byteCount(byteCount)) }
        guard mode.minimumLeft >= 0, mode.minimumLeft <= byteCount else { throw BufferRingError(.minimumLeft(mode.minimumLeft)) }
        // The offset of the mapping has eleven bits for the group.
        guard !isKernelMapped || group < 2048 else { throw BufferRingError(.groupNotMappable(group)) }
        do throws(Errno) {
            let shared = try SharedBuffers(count: count, byteCount: byteCount)
            do throws(Errno) {
                let registration = try BufferRingRegistration(
                    anchor: anchor, group: group, count: count,
                    flags: (mode.isIncremental ? CURING_PBUF_RING_INC : 0) | (isKernelMapped ? CURING_PBUF_RING_MMAP : 0),
                    minimumLeft: mode.minimumLeft)
                let buffers = UnsafeMutablePointer<Buffer>.allocate(capacity: count)
                unsafe buffers.initialize(repeating: Buffer(), count: count)
                unsafe block = .allocate(capacity: 1)
                unsafe block.initialize(
                    to: Block(
                        registration: registration, shared: shared, buffers: buffers, byteCount: byteCount, mode: mode,
                        ringIdentity: ringIdentity))
            } catch {
                shared.release()
                throw error
            }
        } catch {
            throw BufferRingError(error, group: group, of: anchor)
        }
        for identifier in 0..<count { enqueue(identifier) }
        publish()
    }

    // MARK: Holds

    @usableFromInline
    func retainRegistration() {
        unsafe block.pointee.registrationHolds += 1
    }

    /// Lets go of the registration; the last one to do so ends it, because then no operation uses the buffers any more.
    @usableFromInline
    func releaseRegistration() {
        unsafe block.pointee.registrationHolds -= 1
        guard unsafe block.pointee.registrationHolds == 0 else { return }
        unsafe block.pointee.registration.end()
        releaseMemory()
    }

    @inline(__always)
    private func releaseMemory() {
        unsafe block.pointee.memoryHolds -= 1
        if unsafe block.pointee.memoryHolds == 0 { deallocate() }
    }

    @inline(never)
    private func deallocate() {
        // SAFETY: the kernel does not know the memory any more, and no lease of this isolation region refers to it. Those of others have
        // shares of their own in what they use.
        unsafe block.pointee.shared.release()
        unsafe block.pointee.buffers.deallocate()
        unsafe block.deinitialize(count: 1)
        unsafe block.deallocate()
    }

    // MARK: Buffers

    @inline(__always)
    private func memory(of identifier: Int) -> UnsafeMutableRawPointer {
        // The product is within the memory, whose size was checked.
        unsafe block.pointee.start + identifier &* block.pointee.byteCount
    }

    /// Puts a buffer at the tail of the ring, for the kernel to find once it is published.
    @inline(__always)
    private func enqueue(_ identifier: Int) {
        let tail = unsafe block.pointee.tail
        if unsafe block.pointee.hasBundles { keepRoom(overwriting: tail) }
        // SAFETY: the position is behind the tail. The memory is the buffer's, which nobody else has.
        unsafe block.pointee.registration.store(
            UnsafeRawBufferPointer(start: memory(of: identifier), count: block.pointee.byteCount), identifier: identifier, at: tail)
        unsafe block.pointee.buffers[Int(block.pointee.last)].next = UInt16(identifier)
        unsafe block.pointee.buffers[identifier] = Buffer(position: tail, isWithKernel: true)
        unsafe block.pointee.last = UInt16(identifier)
        unsafe block.pointee.tail = tail &+ 1
        unsafe block.pointee.availableCount += 1
        unsafe block.pointee.isExhausted = false
    }

    /// Before an entry is overwritten, keeps what the kernel has made of it, which it is done with: a bundle that was not taken yet may have
    /// its buffer.
    private func keepRoom(overwriting position: UInt16) {
        let previous = unsafe block.pointee.registration.identifier(at: position)
        let buffer = unsafe block.pointee.buffers[previous]
        guard unsafe buffer.isWithKernel && buffer.position == position &- UInt16(block.pointee.registration.count) else { return }
        unsafe block.pointee.buffers[previous].keptRoom = UInt32(room(of: previous))
    }

    @inline(__always)
    private func publish() {
        unsafe block.pointee.registration.publish(block.pointee.tail)
    }

    /// Takes what a completion says that the kernel has put into one buffer.
    ///
    /// Returns an empty lease when it names no buffer, as at the end of a stream.
    @usableFromInline
    func lease(_ completion: CompletionEntry) -> BufferLease {
        guard completion.flags.contains(.buffer) else { return BufferLease() }
        if unsafe block.pointee.mode.isIncremental {
            let record = removeRecord(of: completion)
            let identifier = Int(record.identifier)
            // SAFETY: the record was made of bytes that lie in the buffer, and the lease that was counted for them is this one.
            return unsafe BufferLease(
                state: self,
                LeasedBytes(identifier: identifier, start: memory(of: identifier) + Int(record.start), count: Int(record.byteCount)))
        }
        let identifier = identifier(in: completion)
        let byteCount = Int(max(completion.result, 0))
        require(unsafe byteCount <= block.pointee.byteCount, "The kernel filled more than a buffer.")
        retain(identifier)
        finishUse(of: identifier)
        return unsafe BufferLease(state: self, LeasedBytes(identifier: identifier, start: memory(of: identifier), count: byteCount))
    }

    /// Takes what a completion says that the kernel has put into one buffer or several, which follow each other in the ring of entries.
    @usableFromInline
    func bundle(_ completion: CompletionEntry) -> BufferBundle {
        guard completion.flags.contains(.buffer) else { return BufferBundle() }
        let first = identifier(in: completion)
        let byteCount = Int(max(completion.result, 0))
        return BufferBundle(state: self, identifier: first, count: useBuffers(from: first, byteCount: byteCount), byteCount: byteCount)
    }

    /// An operation is prepared that may fill several buffers at once.
    @usableFromInline
    func noteBundles() { unsafe block.pointee.hasBundles = true }

    // MARK: Reading completions of an incremental pool

    /// Counts what a completion has of a buffer when it is read from the queue: where its bytes lie follows from those before it.
    ///
    /// - Returns: The completion with the number of a record in the place of the buffer's, for ``lease(_:)``.
    func record(_ completion: CompletionEntry) -> CompletionEntry {
        guard completion.flags.contains(.buffer) else { return completion }
        let identifier = identifier(in: completion)
        let (start, byteCount) = unsafe (block.pointee.buffers[identifier].offset, UInt32(max(completion.result, 0)))
        require(unsafe Int(start) + Int(byteCount) <= block.pointee.byteCount, "The kernel filled more than a buffer.")
        retain(identifier)
        if completion.flags.contains(.bufferMore) {
            unsafe block.pointee.buffers[identifier].offset += byteCount
        } else {
            finishUse(of: identifier)
        }
        let number = unsafe block.pointee.records.add(
            BufferRecord(identifier: UInt16(identifier), start: start, byteCount: byteCount))
        let flags = completion.flags.rawValue & ~(UInt32.max << CURING_CQE_BUFFER_SHIFT) | UInt32(number) << CURING_CQE_BUFFER_SHIFT
        return CompletionEntry(result: completion.result, flags: CompletionFlags(rawValue: flags))
    }

    private func removeRecord(of completion: CompletionEntry) -> BufferRecord {
        unsafe block.pointee.records.remove(Int(completion.flags.rawValue >> CURING_CQE_BUFFER_SHIFT))
    }

    /// Counts a lease for each of the buffers that a bundle has, which follow each other in the ring of entries.
    ///
    /// - Returns: How many there are.
    private func useBuffers(from first: Int, byteCount: Int) -> Int {
        var (identifier, remaining, count) = (first, byteCount, 1)
        while true {
            // The kernel goes on in the next buffer when this one is full.
            let room = room(of: identifier)
            retain(identifier)
            finishUse(of: identifier)
            if remaining <= room { return count }
            unsafe block.pointee.buffers[identifier].filledByteCount = UInt32(room)
            remaining -= room
            count += 1
            let (position, next) = unsafe (block.pointee.buffers[identifier].position &+ 1, Int(block.pointee.buffers[identifier].next))
            require(
                unsafe position != block.pointee.tail && block.pointee.buffers[next].isWithKernel,
                "The kernel filled more buffers than it had.")
            identifier = next
        }
    }

    /// The buffer that a completion names, which must be one of those that the kernel has.
    @inline(__always)
    private func identifier(in completion: CompletionEntry) -> Int {
        let identifier = Int(completion.flags.rawValue >> CURING_CQE_BUFFER_SHIFT)
        require(
            unsafe identifier < block.pointee.registration.count && block.pointee.buffers[identifier].isWithKernel,
            "The kernel named a buffer that it did not have.")
        return identifier
    }

    /// How much a bundle can put into a buffer that the kernel has.
    private func room(of identifier: Int) -> Int {
        let buffer = unsafe block.pointee.buffers[identifier]
        if let room = buffer.keptRoom { return Int(room) }
        // The kernel shortens the entry of a buffer of which a bundle may use only a part, and the entry stays so if it does not use it.
        return unsafe min(block.pointee.registration.byteCount(at: buffer.position), block.pointee.byteCount)
    }

    /// Counts a lease of a buffer.
    @inline(__always)
    private func retain(_ identifier: Int) {
        unsafe block.pointee.buffers[identifier].leaseCount += 1
        unsafe block.pointee.leaseCount += 1
        unsafe block.pointee.memoryHolds += 1
    }

    /// The kernel is done with a buffer.
    @inline(__always)
    private func finishUse(of identifier: Int) {
        unsafe block.pointee.buffers[identifier].isWithKernel = false
        unsafe block.pointee.availableCount -= 1
    }

    // MARK: What leases do

    /// Makes a second lease of a buffer that is leased.
    func share(_ identifier: Int) {
        retain(identifier)
    }

    /// A lease goes to another isolation region, and takes a share in what it needs there.
    func transfer() -> SharedBuffers {
        let shared = unsafe block.pointee.shared
        shared.retain()
        releaseMemory()
        return shared
    }

    /// A lease is dropped; the buffer goes back when it was the last of it and the kernel is done with it.
    func giveBack(_ identifier: Int) {
        takeReturned()
        if forget(identifier, leaseCount: 1) { publish() }
        releaseMemory()
    }

    /// The leases of a bundle that nobody took are dropped: their buffers are shown to the kernel all at once.
    func giveBack(bundleFrom first: Int, count: Int) {
        var (identifier, hasBuffers) = (first, false)
        for _ in 0..<count {
            // Before the buffer goes back, and gets another one behind it.
            let next = unsafe Int(block.pointee.buffers[identifier].next)
            if forget(identifier, leaseCount: 1) { hasBuffers = true }
            identifier = next
        }
        if hasBuffers { publish() }
        // The registration's share is not among them, so the block is there until the last.
        for _ in 0..<count { releaseMemory() }
    }

    /// The bytes of the next lease of a bundle, and where the one behind it is.
    func next(of bundle: borrowing BufferBundle) -> (bytes: LeasedBytes, next: Int) {
        let identifier = bundle.identifier
        let buffer = unsafe block.pointee.buffers[identifier]
        let byteCount = bundle.count == 1 ? bundle.byteCount : Int(buffer.filledByteCount)
        return unsafe (
            LeasedBytes(identifier: identifier, start: memory(of: identifier), count: byteCount), Int(buffer.next)
        )
    }

    /// Uncounts leases of a buffer; whether it is the kernel's again once it is published.
    @inline(__always)
    private func forget(_ identifier: Int, leaseCount: Int) -> Bool {
        unsafe block.pointee.leaseCount -= leaseCount
        unsafe block.pointee.buffers[identifier].leaseCount -= UInt32(leaseCount)
        guard
            unsafe block.pointee.buffers[identifier].leaseCount == 0 && !block.pointee.buffers[identifier].isWithKernel
                && block.pointee.registrationHolds > 0
        else { return false }
        enqueue(identifier)
        return true
    }

    /// Takes in what was dropped on other threads.
    @usableFromInline
    func takeReturned() {
        if unsafe !block.pointee.shared.isEmpty { takeAllReturned() }
    }

    @inline(never)
    private func takeAllReturned() {
        var hasBuffers = false
        unsafe block.pointee.shared.takeReturned { identifier, leaseCount in
            if forget(identifier, leaseCount: leaseCount) { hasBuffers = true }
        }
        if hasBuffers { publish() }
    }

    // MARK: Numbers

    @usableFromInline
    func noteExhaustion() {
        unsafe block.pointee.exhaustionCount += 1
        unsafe block.pointee.isExhausted = true
    }

    /// Whether the kernel has a buffer, as far as is known.
    @usableFromInline var hasAvailable: Bool {
        guard availableCount > 0 else { return false }
        guard unsafe block.pointee.isExhausted, let count = try? kernelCount() else { return true }
        // Else those that completions have not named are with operations that worker threads wait with.
        unsafe block.pointee.isExhausted = count == 0
        return count > 0
    }

    /// How many buffers the kernel says it has, those included whose completions have not been read.
    func kernelCount() throws(Errno) -> Int {
        Int(tail &- (try registration.head()))
    }

    var registration: BufferRingRegistration { unsafe block.pointee.registration }

    /// Where the next buffer goes in the ring of entries.
    var tail: UInt16 { unsafe block.pointee.tail }

    @usableFromInline var ringIdentity: UInt32 { unsafe block.pointee.ringIdentity }

    @usableFromInline var group: UInt16 { unsafe block.pointee.registration.group }

    var count: Int { unsafe block.pointee.registration.count }

    @usableFromInline var byteCount: Int { unsafe block.pointee.byteCount }

    @usableFromInline var mode: BufferRing.Mode { unsafe block.pointee.mode }

    @usableFromInline var availableCount: Int {
        takeReturned()
        return unsafe block.pointee.availableCount
    }

    var leaseCount: Int {
        takeReturned()
        return unsafe block.pointee.leaseCount
    }

    var exhaustionCount: UInt64 { unsafe block.pointee.exhaustionCount }
}
