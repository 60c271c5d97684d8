// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// Names a wait that a ring has registered.
///
/// Make one with ``Ring/registerWait(_:)``; it is good as long as the ring.
public struct RegisteredWait: Sendable, Hashable {
    let index: Int
    let ringIdentity: UInt32
}

/// Memory in which the kernel finds what waits are like, so that it need not copy that in each call.
@safe struct WaitRegion: BitwiseCopyable {
    private let entries: UnsafeMutablePointer<curing_reg_wait>
    /// The signal sets that the entries point to.
    private let signals: UnsafeMutablePointer<UInt64>
    /// What the entries say.
    private let descriptions: UnsafeMutablePointer<Wait>
    let capacity: Int
    /// How many entries have been given out.
    private(set) var count = 0

    /// Allocates the memory and registers it with a ring that is not enabled yet.
    init(of ring: Int32, capacity: Int) throws(Errno) {
        let byteCount = Mapping.wholePages(for: capacity * MemoryLayout<curing_reg_wait>.stride)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: Mapping.wholePages(for: 1))
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        var region = curing_region_desc()
        region.user_addr = UInt64(UInt(bitPattern: memory))
        region.size = UInt64(byteCount)
        region.flags = CURING_MEM_REGION_TYPE_USER
        let status = unsafe withUnsafeMutablePointer(to: &region) { region in
            // SAFETY: the kernel reads both structures before the call returns. It pins the memory's pages, and looks at them only in calls
            // that wait on this ring; `deallocate` comes after the last of those.
            var registration = curing_mem_region_reg()
            registration.region_uptr = UInt64(UInt(bitPattern: region))
            registration.flags = CURING_MEM_REGION_REG_WAIT_ARG
            return unsafe curing_register(ring, CURING_REGISTER_MEM_REGION, &registration, 1)
        }
        guard status >= 0 else {
            unsafe memory.deallocate()
            throw Errno(rawValue: -status)
        }
        unsafe entries = memory.bindMemory(to: curing_reg_wait.self, capacity: capacity)
        unsafe signals = .allocate(capacity: capacity)
        unsafe descriptions = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    /// Gives out the next entry; nil when there is none left.
    mutating func append(_ options: WaitOptions) -> Int? {
        guard count < capacity else { return nil }
        count += 1
        set(options, at: count - 1)
        return count - 1
    }

    /// What an entry says.
    subscript(index: Int) -> Wait {
        // SAFETY: indexes are those of entries that were given out, and `set` wrote those.
        unsafe descriptions[index]
    }

    /// Writes an entry that was given out.
    func set(_ options: WaitOptions, at index: Int) {
        // SAFETY: the index is in bounds, and the signal set lives as long as the entries.
        let wait = Wait(options, registeredIndex: index)
        unsafe (descriptions + index).initialize(to: wait)
        var entry = curing_reg_wait()
        if wait.limit != nil {
            entry.ts = wait.time
            entry.flags = CURING_REG_WAIT_TS
        }
        entry.min_wait_usec = wait.minimumMicroseconds
        if let blocked = wait.blockedSignals {
            unsafe (signals + index).initialize(to: blocked.rawValue)
            unsafe entry.sigmask = UInt64(UInt(bitPattern: signals + index))
        }
        entry.sigmask_sz = UInt32(SignalSet.kernelByteCount)
        unsafe entries[index] = entry
    }

    func deallocate() {
        unsafe entries.deallocate()
        unsafe signals.deallocate()
        unsafe descriptions.deallocate()
    }
}

extension Ring {
    /// Describes a wait to the kernel once, for any number of waits like it.
    ///
    /// The ring must have been made with room for it, see ``RingOptions/registeredWaitCount``.
    ///
    /// - Returns: The wait, for ``submit(waitingFor:wait:)``.
    /// - Throws: `ENOSPC` if the ring has no room for another.
    /// - Requires: Linux 6.13, `IORING_REGISTER_MEM_REGION` with `IORING_MEM_REGION_REG_WAIT_ARG`.
    ///
    /// The liburing function is `io_uring_register_region`; see `io_uring_register_region(3)`.
    public mutating func registerWait(_ options: WaitOptions) throws(Errno) -> RegisteredWait {
        guard let index = core.waitRegion?.append(options) else { throw .noSpace }
        return RegisteredWait(index: index, ringIdentity: core.table.identity)
    }

    /// Describes a registered wait anew, such as with a later deadline; no system call.
    ///
    /// - Precondition: The wait was registered with this ring.
    public mutating func update(_ wait: RegisteredWait, to options: WaitOptions) {
        core.region(of: wait).set(options, at: wait.index)
    }

    /// Submits what is prepared and waits until so many completions are ready, or the wait ends as it was registered to.
    ///
    /// - Parameters:
    ///   - count: How many completions to wait for, those included that are ready already.
    ///   - wait: What the wait is like.
    /// - Returns: What was submitted, and what ended the wait.
    /// - Throws: What the kernel says of the submission as a whole.
    /// - Precondition: The wait was registered with this ring.
    /// - Requires: Linux 6.13, `IORING_ENTER_EXT_ARG_REG`.
    ///
    /// The liburing function is `io_uring_submit_and_wait_reg`; see `io_uring_enter(2)`.
    @discardableResult
    public mutating func submit(waitingFor count: Int, wait: RegisteredWait) throws(Errno) -> SubmitResult {
        try core.submit(waitingFor: count, core.region(of: wait)[wait.index])
    }
}

extension RingCore {
    /// The region that a wait was registered in.
    fileprivate func region(of wait: RegisteredWait) -> WaitRegion {
        guard let waitRegion, wait.ringIdentity == table.identity else {
            trap("This wait is another ring's; use it with the ring that registered it.", file: #fileID, line: #line)
        }
        return waitRegion
    }
}
