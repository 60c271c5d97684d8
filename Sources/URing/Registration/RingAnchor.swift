// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// What registered resources know of their ring: its descriptor, as long as it is open.
///
/// A resource may outlive its ring; it must then not use the descriptor's number, which may mean another file by now. Shared by
/// the ring and its resources, all in one isolation region, so that its count is plain.
@safe @usableFromInline
struct RingAnchor: BitwiseCopyable {
    private struct State {
        /// The ring's descriptor, or -1 once the ring is closed.
        var descriptor: Int32
        var holdCount: Int32
        var unreleased = Unreleased()
        /// The file table that the kernel has of the ring's.
        var fileTable = KernelTable.none
        /// Groups of buffers that the kernel would not forget on another thread.
        var leftGroups: [UInt16] = []
        /// A table of buffers that the kernel would not forget on another thread.
        var leftBuffers: RegisteredBuffersState?
        /// The process-wide number of the ring.
        let ringIdentity: UInt32
        /// The process that the ring was made in.
        let process = curing_process_identity()
    }

    private enum KernelTable {
        case none
        case owned
        /// Its owner is gone, on another thread, where the kernel would not forget it.
        case left
    }

    private let state: UnsafeMutablePointer<State>

    init(descriptor: Int32, ringIdentity: UInt32) {
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State(descriptor: descriptor, holdCount: 1, ringIdentity: ringIdentity))
    }

    /// The number of the ring that its submission entries and tokens carry too: a resource is good on its own ring only.
    var ringIdentity: UInt32 { unsafe state.pointee.ringIdentity }

    func retain() {
        unsafe state.pointee.holdCount += 1
    }

    // SAFETY: whoever releases had a share, which kept the state until here.
    func release() {
        unsafe state.pointee.holdCount -= 1
        guard unsafe state.pointee.holdCount == 0 else { return }
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
    }

    /// The ring is about to be closed.
    func end() {
        unsafe state.pointee.descriptor = -1
        release()
    }

    var isAlive: Bool { descriptor != nil }

    /// Whether the ring was made in this process, and not in one that has forked this.
    var isOfThisProcess: Bool { unsafe state.pointee.process == curing_process_identity() }

    /// The ring's descriptor, or nil once the ring is closed.
    var descriptor: Int32? {
        let number = unsafe state.pointee.descriptor
        return number >= 0 ? number : nil
    }

    /// How many tagged resources have left their table, while the kernel still has them.
    struct Unreleased {
        var buffers = 0
        var files = 0
    }

    /// What the kernel has not let go of yet; none once the ring is closed.
    var unreleased: Unreleased {
        get { isAlive ? unsafe state.pointee.unreleased : Unreleased() }
        nonmutating set { unsafe state.pointee.unreleased = newValue }
    }

    /// Calls io_uring_register(2), or does nothing when the ring is gone: the kernel has then let go of the resource by itself.
    ///
    /// Nor does it anything in a forked child, where the resource is the parent's.
    @unsafe func register(_ opcode: UInt32, _ argument: UnsafeMutableRawPointer?, count: UInt32) -> Int32 {
        guard let descriptor, isOfThisProcess else { return 0 }
        return unsafe curing_register(descriptor, opcode, argument, count)
    }

    /// Notes that the kernel has a file table of the ring's now.
    func noteFileTable() {
        unsafe state.pointee.fileTable = .owned
    }

    /// Has the kernel end the file table, if there is one, and close the files in it.
    ///
    /// On another thread than the ring's it refuses; the table is then kept in mind for ``unregisterLeftFiles()`` and the ring's end.
    func unregisterFiles() {
        guard unsafe state.pointee.fileTable != .none else { return }
        let status = unsafe register(CURING_UNREGISTER_FILES, nil, count: 0)
        unsafe state.pointee.fileTable = status == 0 ? .none : .left
    }

    /// Has the kernel end the file table that it refused to end before.
    func unregisterLeftFiles() {
        if unsafe state.pointee.fileTable == .left { unregisterFiles() }
    }

    /// Has the kernel forget a group of buffers, from which no operation takes any more.
    ///
    /// On another thread than the ring's it refuses; the group is then kept in mind for ``unregisterLeftGroups()``.
    func unregisterGroup(_ group: UInt16) {
        if unregister(group) == -Errno.fileExists.rawValue { unsafe state.pointee.leftGroups.append(group) }
    }

    /// Has the kernel forget the groups that it refused to forget before.
    func unregisterLeftGroups() {
        let groups = unsafe state.pointee.leftGroups
        if groups.isEmpty { return }
        unsafe state.pointee.leftGroups = []
        for group in groups { unregisterGroup(group) }
    }

    /// Has the kernel forget a table of buffers; whether it has.
    ///
    /// On another thread than the ring's it refuses, and goes on knowing the memory; the table is then kept in mind for
    /// ``unregisterLeftBuffers()``.
    func unregisterBuffers(_ buffers: RegisteredBuffersState) -> Bool {
        if unsafe register(CURING_UNREGISTER_BUFFERS, nil, count: 0) == 0 { return true }
        unsafe state.pointee.leftBuffers = buffers
        return false
    }

    /// Has the kernel forget the table that it refused to forget before.
    func unregisterLeftBuffers() {
        guard let buffers = takeLeftBuffers() else { return }
        if unregisterBuffers(buffers) { buffers.end() }
    }

    /// The table that the kernel has not forgotten; for the ring's end, which has it do so.
    func takeLeftBuffers() -> RegisteredBuffersState? {
        let buffers = unsafe state.pointee.leftBuffers
        unsafe state.pointee.leftBuffers = nil
        return buffers
    }

    /// Whether the kernel takes nothing but submissions of its own thread for the ring, and this is another.
    var refusesThisThread: Bool {
        // It looks at the thread first, and then finds nothing to write the answer to.
        unsafe register(CURING_REGISTER_PROBE, nil, count: 0) == -Errno.fileExists.rawValue
    }

    private func unregister(_ group: UInt16) -> Int32 {
        var registration = curing_buf_reg()
        registration.bgid = group
        // SAFETY: the kernel reads the structure before the call returns.
        return unsafe register(CURING_UNREGISTER_PBUF_RING, &registration, count: 1)
    }

    /// Maps memory of the ring's; the mapping keeps the ring's file open until it is unmapped.
    func map(offset: UInt64, byteCount: Int) throws(Errno) -> Mapping {
        try Mapping(of: unsafe state.pointee.descriptor, offset: offset, byteCount: byteCount)
    }
}
