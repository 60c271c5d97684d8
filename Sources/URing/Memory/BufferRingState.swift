// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// The memory of a buffer ring: the ring of entries that the kernel reads, the buffers, and who has each of them.
///
/// A buffer is the kernel's from the moment its entry is published until a completion names it; then it is leased, and goes back when the
/// last lease of it is dropped. Operations and the owner hold the ring's registration, and they and the leases hold the memory, so that
/// neither goes while somebody needs it. All of them are in one isolation region, so the counts are plain.
@safe @usableFromInline
struct BufferRingState: BitwiseCopyable {
    @usableFromInline
    struct Buffer {
        /// Where in the buffer the kernel goes on, in incremental mode.
        var offset: UInt32
        /// How many leases of it are out.
        var leaseCount: UInt32
        /// Whether the kernel may still write to it.
        var isWithKernel: Bool
    }

    @safe
    private struct Block {
        let entries: UnsafeMutablePointer<curing_buf>
        let memory: UnsafeMutableRawPointer
        let buffers: UnsafeMutablePointer<Buffer>
        let count: Int
        let byteCount: Int
        let group: UInt16
        let isIncremental: Bool
        let anchor: RingAnchor
        /// The owner and the operations.
        var registrationHolds: Int
        /// The registration, and the leases.
        var memoryHolds: Int
        var tail: UInt16
        /// Buffers that are the kernel's.
        var availableCount: Int
        /// How often an operation found no buffer.
        var exhaustionCount: UInt64
    }

    private let block: UnsafeMutablePointer<Block>

    /// Allocates the memory, registers it, and gives the kernel all buffers.
    init(anchor: RingAnchor, group: UInt16, count: Int, byteCount: Int, isIncremental: Bool, minimumLeft: Int) throws(Errno) {
        let entries = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<curing_buf>.stride, alignment: 4096)
        unsafe entries.initializeMemory(as: UInt8.self, repeating: 0, count: count * MemoryLayout<curing_buf>.stride)
        var registration = curing_buf_reg()
        registration.ring_addr = UInt64(UInt(bitPattern: entries))
        registration.ring_entries = UInt32(count)
        registration.bgid = group
        registration.flags = isIncremental ? CURING_PBUF_RING_INC : 0
        registration.min_left = UInt32(minimumLeft)
        // SAFETY: the kernel pins the entries' pages, and the memory stays until the ring of buffers is unregistered.
        let status = unsafe anchor.register(CURING_REGISTER_PBUF_RING, &registration, count: 1)
        guard status >= 0 else {
            unsafe entries.deallocate()
            throw Errno(rawValue: -status)
        }
        anchor.retain()
        unsafe block = .allocate(capacity: 1)
        unsafe block.initialize(
            to: Block(
                entries: entries.assumingMemoryBound(to: curing_buf.self),
                memory: .allocate(byteCount: count * byteCount, alignment: 4096), buffers: .allocate(capacity: count), count: count,
                byteCount: byteCount, group: group, isIncremental: isIncremental, anchor: anchor, registrationHolds: 1, memoryHolds: 1,
                tail: 0, availableCount: 0, exhaustionCount: 0))
        unsafe block.pointee.buffers.initialize(repeating: Buffer(offset: 0, leaseCount: 0, isWithKernel: false), count: count)
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
        var registration = curing_buf_reg()
        registration.bgid = unsafe block.pointee.group
        _ = unsafe block.pointee.anchor.register(CURING_UNREGISTER_PBUF_RING, &registration, count: 1)
        releaseMemory()
    }

    private func releaseMemory() {
        unsafe block.pointee.memoryHolds -= 1
        guard unsafe block.pointee.memoryHolds == 0 else { return }
        // SAFETY: the kernel does not know the memory any more, and no lease refers to it.
        unsafe block.pointee.anchor.release()
        unsafe block.pointee.entries.deallocate()
        unsafe block.pointee.memory.deallocate()
        unsafe block.pointee.buffers.deallocate()
        unsafe block.deallocate()
    }

    // MARK: Buffers

    /// Puts a buffer at the tail of the ring, for the kernel to find once it is published.
    private func enqueue(_ identifier: Int) {
        let (count, byteCount) = unsafe (block.pointee.count, block.pointee.byteCount)
        let position = unsafe Int(block.pointee.tail) & (count - 1)
        // SAFETY: the position is behind the tail, so that the kernel does not read it yet. Entry 0's last two bytes are the shared tail
        // and are left alone: the fields are stored one by one.
        unsafe block.pointee.entries[position].addr = UInt64(UInt(bitPattern: block.pointee.memory + identifier * byteCount))
        unsafe block.pointee.entries[position].len = UInt32(byteCount)
        unsafe block.pointee.entries[position].bid = UInt16(identifier)
        unsafe block.pointee.buffers[identifier] = Buffer(offset: 0, leaseCount: 0, isWithKernel: true)
        unsafe block.pointee.tail &+= 1
        unsafe block.pointee.availableCount += 1
    }

    private func publish() {
        // Release: the entries are complete before the kernel sees the tail.
        unsafe curing_store_release_u16(
            (UnsafeMutableRawPointer(block.pointee.entries) + Int(CURING_BUF_RING_TAIL_OFFSET)).assumingMemoryBound(to: UInt16.self),
            block.pointee.tail)
    }

    /// Takes what a completion says that the kernel has put into a buffer.
    ///
    /// Returns an empty lease when it names no buffer, as at the end of a stream.
    @usableFromInline
    func lease(_ completion: CompletionEntry) -> BufferLease {
        guard completion.flags.contains(.buffer) else { return BufferLease() }
        let identifier = Int(completion.flags.rawValue >> CURING_CQE_BUFFER_SHIFT)
        let byteCount = Int(max(completion.result, 0))
        // SAFETY: the kernel names only buffers of the group, which are numbered from 0, and writes only where the entry said.
        require(
            unsafe identifier < block.pointee.count && block.pointee.buffers[identifier].isWithKernel,
            "The kernel named a buffer that it did not have.")
        let start = unsafe Int(block.pointee.buffers[identifier].offset)
        require(unsafe start + byteCount <= block.pointee.byteCount, "The kernel filled more than a buffer.")
        unsafe block.pointee.buffers[identifier].leaseCount += 1
        unsafe block.pointee.memoryHolds += 1
        if unsafe block.pointee.isIncremental && completion.flags.contains(.bufferMore) {
            unsafe block.pointee.buffers[identifier].offset += UInt32(byteCount)
        } else {
            unsafe block.pointee.buffers[identifier].isWithKernel = false
            unsafe block.pointee.availableCount -= 1
        }
        return unsafe BufferLease(
            state: self, identifier: identifier,
            bytes: UnsafeRawBufferPointer(
                start: block.pointee.memory + identifier * block.pointee.byteCount + start, count: byteCount))
    }

    /// A lease is dropped; the buffer goes back when it was the last of it and the kernel is done with it.
    func giveBack(_ identifier: Int) {
        unsafe block.pointee.buffers[identifier].leaseCount -= 1
        if unsafe block.pointee.buffers[identifier].leaseCount == 0 && !block.pointee.buffers[identifier].isWithKernel
            && block.pointee.registrationHolds > 0
        {
            enqueue(identifier)
            publish()
        }
        releaseMemory()
    }

    @usableFromInline
    func noteExhaustion() {
        unsafe block.pointee.exhaustionCount += 1
    }

    @usableFromInline var group: UInt16 { unsafe block.pointee.group }

    var count: Int { unsafe block.pointee.count }

    var byteCount: Int { unsafe block.pointee.byteCount }

    var availableCount: Int { unsafe block.pointee.availableCount }

    var exhaustionCount: UInt64 { unsafe block.pointee.exhaustionCount }
}
