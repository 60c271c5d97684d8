// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

extension Ring {
    /// What the kernel's rings can do.
    public var features: RingFeatures { unsafe RingFeatures(rawValue: core.ring.features) }

    /// The flags the ring was made with.
    public var flags: RingOptions.Flags { RingOptions.Flags(rawValue: core.setupFlags) }

    /// The optional flags that this kernel did not take.
    public var missingOptions: RingOptions.Flags { core.missingOptions }

    /// How many operations can be prepared between two submissions.
    public var submissionQueueEntries: Int { Int(core.submissions.entryCount) }

    /// How many completions the queue holds before the kernel keeps them aside.
    public var completionQueueEntries: Int { Int(core.completions.entryCount) }

    /// How often completions were fetched that the kernel had kept aside because the queue was full; none of them is lost.
    public var overflowCount: UInt64 { core.overflowCount }

    /// Completions that named an operation that had ended; they are ignored.
    public var staleCompletionCount: UInt64 { core.table.staleCount }

    /// Completions with user data that URing did not make; they are ignored.
    public var foreignCompletionCount: UInt64 { core.foreignCount }

    /// The ring's own descriptor, for poll(2) and the like.
    ///
    /// With ``RingOptions/Flags/deferredTaskRun`` it does not wake a thread that blocks in poll(2); an event descriptor does, see
    /// ``registerEvents(on:onlyAsynchronous:)``.
    public var descriptor: UnownedDescriptor { UnownedDescriptor(FileDescriptor(rawValue: core.descriptor)) }

    /// Starts a ring that was made with ``RingOptions/Flags/startsDisabled``; the calling thread becomes its submitter.
    ///
    /// - Throws: `EBADFD` if the ring is enabled already.
    ///
    /// The liburing function is `io_uring_enable_rings`; see `io_uring_register(2)`.
    public mutating func enable() throws(Errno) {
        try core.register(CURING_REGISTER_ENABLE_RINGS)
    }

    /// Has the kernel signal an eventfd when completions arrive, so that the ring can live in another event loop.
    ///
    /// - Parameters:
    ///   - events: An ``EventCounter``, or another eventfd that is non-blocking.
    ///   - onlyAsynchronous: Whether to signal only completions that a worker thread posts.
    /// - Throws: `EBUSY` if there is one already.
    ///
    /// The liburing function is `io_uring_register_eventfd`; see `io_uring_register_eventfd(3)`.
    public mutating func registerEvents(
        on events: borrowing some NumberedFileResource & ~Copyable, onlyAsynchronous: Bool = false
    ) throws(Errno) {
        let hold = events.hold()
        var number = hold.processNumber
        // SAFETY: the kernel reads the number before the call returns, and keeps a reference of its own to the eventfd.
        try unsafe core.register(
            onlyAsynchronous ? CURING_REGISTER_EVENTFD_ASYNC : CURING_REGISTER_EVENTFD, &number, count: 1)
    }

    /// Ends what ``registerEvents(on:onlyAsynchronous:)`` began.
    public mutating func unregisterEvents() throws(Errno) {
        try core.register(CURING_UNREGISTER_EVENTFD)
    }

    /// Asks the kernel which operations it has.
    ///
    /// The liburing function is `io_uring_get_probe_ring`; see `io_uring_register(2)`.
    public borrowing func probe() throws(Errno) -> RingProbe {
        try RingProbe(core)
    }
}

/// Which operations the running kernel has.
public struct RingProbe: Sendable, Hashable {
    private let supported: Set<Opcode>

    init(_ core: borrowing RingCore) throws(Errno) {
        let byteCount = MemoryLayout<curing_probe>.size + 256 * MemoryLayout<curing_probe_op>.stride
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 8)
        defer { unsafe memory.deallocate() }
        // SAFETY: the kernel wants zeroed memory for the header and 256 answers, and fills it before the call returns.
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
        try unsafe core.register(CURING_REGISTER_PROBE, memory.baseAddress, count: 256)
        let count = unsafe Int(memory.load(as: curing_probe.self).ops_len)
        supported = Set(
            (0..<count).compactMap { index in
                let offset = MemoryLayout<curing_probe>.size + index * MemoryLayout<curing_probe_op>.stride
                let answer = unsafe memory.load(fromByteOffset: offset, as: curing_probe_op.self)
                return answer.flags & CURING_PROBE_OP_SUPPORTED != 0 ? Opcode(rawValue: answer.op) : nil
            })
    }

    /// Whether the kernel has an operation of this code.
    public func supports(_ opcode: Opcode) -> Bool { supported.contains(opcode) }

    /// Whether the kernel has this operation.
    public func supports<Op: Operation & ~Copyable>(_: Op.Type) -> Bool { supports(Op.opcode) }
}

extension RingCore {
    /// Calls io_uring_register(2) without an argument.
    func register(_ opcode: UInt32) throws(Errno) {
        let status = unsafe curing_register(ring.fd, opcode, nil, 0)
        if status < 0 { throw Errno(rawValue: -status) }
    }

    /// Calls io_uring_register(2).
    @discardableResult
    @unsafe func register(_ opcode: UInt32, _ argument: UnsafeMutableRawPointer?, count: UInt32) throws(Errno) -> Int32 {
        let status = unsafe curing_register(ring.fd, opcode, argument, count)
        if status < 0 { throw Errno(rawValue: -status) }
        return status
    }
}
