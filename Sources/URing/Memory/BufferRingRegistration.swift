// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A ring of buffer entries that the kernel reads: its memory, and its registration under the number of its group.
///
/// A plain value with one owner, who ends it.
@safe
struct BufferRingRegistration: BitwiseCopyable {
    let entries: UnsafeMutablePointer<curing_buf>
    private let mapping: Mapping
    private let anchor: RingAnchor
    let group: UInt16
    /// How many entries there are, a power of two.
    let count: Int

    /// Registers an empty ring of entries.
    init(anchor: RingAnchor, group: UInt16, count: Int, flags: UInt16, minimumLeft: Int) throws(Errno) {
        anchor.unregisterLeftGroups()
        let byteCount = count * MemoryLayout<curing_buf>.stride
        var registration = curing_buf_reg()
        registration.ring_entries = UInt32(count)
        registration.bgid = group
        registration.flags = flags
        registration.min_left = UInt32(minimumLeft)
        // SAFETY: the kernel reads the structure before the calls return. It pins the entries' pages, or they are its own; either way the
        // mapping stays until the group is unregistered.
        if flags & CURING_PBUF_RING_MMAP == 0 {
            mapping = try Mapping(byteCount: byteCount)
            unsafe registration.ring_addr = UInt64(UInt(bitPattern: mapping.start))
            let status = unsafe anchor.register(CURING_REGISTER_PBUF_RING, &registration, count: 1)
            guard status >= 0 else {
                mapping.unmap()
                throw Errno(rawValue: -status)
            }
        } else {
            let status = unsafe anchor.register(CURING_REGISTER_PBUF_RING, &registration, count: 1)
            guard status >= 0 else { throw Errno(rawValue: -status) }
            do {
                mapping = try anchor.map(offset: CURING_OFF_PBUF_RING | UInt64(group) << CURING_OFF_PBUF_SHIFT, byteCount: byteCount)
            } catch {
                anchor.unregisterGroup(group)
                throw error
            }
        }
        anchor.retain()
        self.anchor = anchor
        unsafe entries = mapping.start.assumingMemoryBound(to: curing_buf.self)
        self.group = group
        self.count = count
    }

    /// Unregisters the group; no operation uses it any more.
    ///
    /// Where the kernel refuses for now it goes on knowing the entries, whose pages it has pinned, and looks at them for nobody.
    func end() {
        anchor.unregisterGroup(group)
        // A forked child has not got the kernel's pages, and may have others there by now.
        if anchor.isOfThisProcess { mapping.unmap() }
        anchor.release()
    }

    /// Writes the entry at a position, which the kernel does not read before the tail is behind it.
    @unsafe func store(_ bytes: UnsafeRawBufferPointer, identifier: Int, at position: UInt16) {
        let index = Int(position) & (count - 1)
        // SAFETY: the index is within the entries. Entry 0's last two bytes are the shared tail and are left alone: the fields are
        // stored one by one.
        unsafe entries[index].addr = UInt64(UInt(bitPattern: bytes.baseAddress))
        unsafe entries[index].len = UInt32(truncatingIfNeeded: bytes.count)
        unsafe entries[index].bid = UInt16(truncatingIfNeeded: identifier)
    }

    /// How many bytes an entry says that its buffer has.
    func byteCount(at position: UInt16) -> Int { unsafe Int(entries[Int(position) & (count - 1)].len) }

    /// Which buffer was put at a position last.
    func identifier(at position: UInt16) -> Int { unsafe Int(entries[Int(position) & (count - 1)].bid) }

    /// Shows the kernel the entries in front of the tail.
    func publish(_ tail: UInt16) {
        // Release: the entries are complete before the kernel sees the tail.
        unsafe curing_store_release_u16(
            (UnsafeMutableRawPointer(entries) + Int(CURING_BUF_RING_TAIL_OFFSET)).assumingMemoryBound(to: UInt16.self), tail)
    }

    /// Asks the kernel which entry it takes next.
    func head() throws(Errno) -> UInt16 {
        guard anchor.isAlive else { throw .badFileDescriptor }
        var status = curing_buf_status()
        status.buf_group = UInt32(group)
        // SAFETY: the kernel reads and writes the structure before the call returns.
        let result = unsafe anchor.register(CURING_REGISTER_PBUF_STATUS, &status, count: 1)
        guard result >= 0 else { throw Errno(rawValue: -result) }
        return UInt16(truncatingIfNeeded: status.head)
    }
}
