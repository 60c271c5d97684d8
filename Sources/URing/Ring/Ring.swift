// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// An io_uring: operations go in, completions come out, and the caller decides when the kernel is entered.
///
/// The tag is the caller's own value, by which a loop tells one completion from another. Operations are prepared with
/// ``prepare(_:tag:)``, given to the kernel by ``submit()`` or one of its forms, and come back from ``nextCompletion()``.
///
/// A ring belongs to one isolation region, and with the recommended options to the thread that made it: other threads get
/// `EEXIST`. When a thread ends, the kernel cancels what it submitted. Dropping a ring cancels everything and waits for the kernel
/// to let go of the operations' memory; see ``close(deadline:)``. Drop it on its own thread: from another one the kernel refuses to
/// cancel, and what is in flight is leaked, which is safe and a waste.
@frozen
public struct Ring<Tag: BitwiseCopyable>: ~Copyable {
    @usableFromInline var core: RingCore
    /// The tags that messages arrive with, by inbox.
    @usableFromInline var messageTags: [Tag] = []

    /// Makes a ring.
    ///
    /// - Parameters:
    ///   - entries: How many operations can be prepared between two submissions, rounded up to a power of two; as many
    ///     as memory allows can be in flight.
    ///   - options: How it is set up.
    /// - Throws: An error that names the likely cause.
    ///
    /// The liburing function is `io_uring_queue_init_params`; see `io_uring_setup(2)`.
    public init(entries: Int, options: RingOptions = .recommended) throws(RingSetupError) {
        core = try RingCore(tag: Tag.self, entries: entries, options: options, firstGeneration: 0)
    }

    /// Makes a ring whose slots have been used many times already, for testing the wrap of their generations.
    init(entries: Int, options: RingOptions = .recommended, firstGeneration: UInt64) throws(RingSetupError) {
        core = try RingCore(tag: Tag.self, entries: entries, options: options, firstGeneration: firstGeneration)
    }

    /// Ends the ring: cancels everything and waits until the kernel has let go.
    ///
    /// Dropping a ring does the same, with ten seconds of patience. Operations that were prepared and not submitted do not run.
    ///
    /// Where the kernel does not cancel in a call, before Linux 6.0 or because a filter refuses that, what waits behind an operation that drains
    /// is not cancelled; neither is, with a polling thread, what a chain has brought to a worker while something drains behind it.
    ///
    /// - Parameter deadline: How long to wait at most.
    /// - Returns: What the kernel had not given back by then. It is leaked rather than freed under the kernel.
    @discardableResult
    public consuming func close(deadline: Duration = .seconds(10)) -> RingLeftovers {
        core.close(deadline: deadline)
    }

    // MARK: Preparing

    /// Consumes an operation and writes its submission queue entry; the kernel sees it with the next submission.
    ///
    /// When the queue is full, what is queued is submitted first.
    ///
    /// - Returns: The operation's name, for cancelling or updating it.
    /// - Throws: What submitting a full queue threw, `EAGAIN` if ``RingOptions/submitsWhenFull`` is off. The operation is then dropped;
    ///   ask ``availableEntries`` beforehand to keep it. `ENOMEM` if more are in flight than the process has memory for, or addresses: 8 million,
    ///   and fewer where these are limited. `EOPNOTSUPP` for a zero-copy send on a ring that has prepared an operation with
    ///   ``PrepareOptions/drains``.
    @inlinable @inline(__always) @discardableResult
    public mutating func prepare<Op: Operation & ~Copyable>(_ operation: consuming Op, tag: Tag) throws(Errno) -> Token<Op> {
        try core.makeRoom(for: Op.self)
        return core.enqueue(Op.self, in: try core.table.insert(operation, tag: tag), payloadOffset: SlotLayout.payloadOffset(Tag.self))
    }

    /// Prepares an operation that has ended once more, with its tag, without moving it.
    ///
    /// The operation stays where it lies in the ring, so this costs about half of taking it and preparing it again. A timeout and other
    /// options are not prepared again with it.
    ///
    /// ```swift
    /// try ring.prepareAgain(completion, as: Read<Buffer>.self) { read, result in
    ///     byteCount += try result.get()
    ///     read.position = .offset(next)
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - completion: The operation's last completion. To decide by its result whether to prepare it again, look at
    ///     ``Completion/entry`` beforehand.
    ///   - type: The operation's type.
    ///   - body: Looks at the operation and its result, and may change it, before it is encoded. When it throws, the operation is dropped.
    /// - Returns: The operation's new name; the old one names nothing any more.
    /// - Throws: What `body` throws, or what ``prepare(_:tag:)`` does; the operation and its result are then dropped.
    /// - Precondition: The completion is of this ring and of this type, the operation does not go on, and its earlier completions were
    ///   taken or dropped.
    @inlinable @inline(__always) @discardableResult
    public mutating func prepareAgain<Op: Operation & ~Copyable>(
        _ completion: consuming Completion<Tag>, as type: Op.Type,
        changing body: (inout Op, consuming Result<Op.Success, Errno>) throws -> Void
    ) throws -> Token<Op> {
        let table = core.table
        require(completion.core.isOf(table), "This completion is of another ring.")
        try core.makeRoom(for: Op.self)
        let slot = try completion.core.again(Op.self, payloadOffset: SlotLayout.payloadOffset(Tag.self), body)
        return core.enqueue(Op.self, in: slot, payloadOffset: SlotLayout.payloadOffset(Tag.self))
    }

    /// How many operations can be prepared before the queue is full.
    public var availableEntries: Int { Int(core.submissions.room) }

    /// How many operations are prepared whose last completion has not been read.
    public var inFlightCount: Int { core.inFlightCount }

    // MARK: Submitting

    /// Submits what is prepared, without waiting; no system call when there is nothing to do.
    ///
    /// - Throws: What the kernel says of the submission as a whole. Nothing is lost by it: the operations stay queued.
    ///
    /// The liburing function is `io_uring_submit`; see `io_uring_enter(2)`.
    @discardableResult
    public mutating func submit() throws(Errno) -> SubmitResult {
        try core.submit(waitingFor: 0)
    }

    /// Submits what is prepared and waits until so many completions are ready, in one system call.
    ///
    /// - Parameter count: How many completions to wait for, those included that are ready already. The kernel waits for no more than the
    ///   completion queue holds; it waits for ever if fewer can come. It is not negative.
    /// - Returns: What was submitted, and whether the wait ended early.
    /// - Throws: What the kernel says of the submission as a whole. A signal, or a ``Timeout`` that expires, is not an error: see the result.
    ///
    /// The liburing function is `io_uring_submit_and_wait`; see `io_uring_enter(2)`.
    @discardableResult
    public mutating func submit(waitingFor count: Int) throws(Errno) -> SubmitResult {
        try core.submit(waitingFor: count)
    }

    /// Submits what is prepared and waits until so many completions are ready or the time is up.
    ///
    /// - Parameters:
    ///   - count: How many completions to wait for, those included that are ready already.
    ///   - timeout: How long to wait at most.
    /// - Returns: What was submitted, and what ended the wait.
    /// - Throws: What the kernel says of the submission as a whole. Neither a timeout nor a signal is an error: see the result.
    ///
    /// The liburing function is `io_uring_submit_and_wait_timeout`; see `io_uring_enter(2)`.
    @discardableResult
    public mutating func submit(waitingFor count: Int, timeout: Duration) throws(Errno) -> SubmitResult {
        try core.submit(waitingFor: count, Wait(WaitOptions(until: .timeout(timeout))))
    }

    /// Submits what is prepared and waits until so many completions are ready, or the wait ends as its options say.
    ///
    /// - Parameters:
    ///   - count: How many completions to wait for, those included that are ready already.
    ///   - options: When the wait ends besides, and which signals can end it.
    /// - Returns: What was submitted, and what ended the wait. It is neither a timeout nor a signal when the minimum time was over and there was
    ///   one completion.
    /// - Throws: What the kernel says of the submission as a whole; `EINVAL` before anything is submitted if the kernel is too old for an
    ///   option.
    ///
    /// The liburing functions are `io_uring_submit_and_wait_timeout` and `io_uring_submit_and_wait_min_timeout`; see `io_uring_enter(2)`.
    @discardableResult
    public mutating func submit(waitingFor count: Int, options: WaitOptions) throws(Errno) -> SubmitResult {
        try core.submit(waitingFor: count, Wait(options))
    }

    /// Lets the kernel run work it has deferred and fetch completions it keeps aside, without waiting.
    ///
    /// With ``RingOptions/Flags/deferredTaskRun`` nothing completes otherwise, except while ``submit(waitingFor:)`` waits.
    ///
    /// The liburing function is `io_uring_get_events`; see `io_uring_enter(2)`.
    public mutating func processPending() throws(Errno) {
        let status = core.flush()
        if status < 0 && Errno(rawValue: -status) != .interrupted { throw Errno(rawValue: -status) }
    }

    // MARK: Completions

    /// The next completion, or nil when none is ready.
    ///
    /// Makes a system call only when the queue is empty and the kernel shows that it has more: a loop until nil works off all there is. What
    /// was prepared meanwhile is not submitted; a loop that submits and waits each time should take what is ready, see
    /// ``nextReadyCompletion()``.
    ///
    /// The liburing function is `io_uring_peek_cqe`.
    @inlinable @inline(__always)
    public mutating func nextCompletion() -> Completion<Tag>? {
        while true {
            if let completion = nextReadyCompletion() { return completion }
            if !core.fetchCompletions() { return nil }
        }
    }

    /// The next completion that lies in the queue, or nil when it is empty; never makes a system call.
    ///
    /// What it leaves with the kernel comes with the next ``submit(waitingFor:)``, together with what the handling of these completions has
    /// prepared. A loop that waits in another way, for instance for ``registerEvents(on:onlyAsynchronous:)``, must not leave anything: the
    /// kernel does not report it once more. It should use ``nextCompletion()`` until there is none.
    ///
    /// The liburing macro is `io_uring_for_each_cqe`.
    @inlinable @inline(__always)
    public mutating func nextReadyCompletion() -> Completion<Tag>? {
        while core.completions.hasNext() {
            let completion = core.completions.first
            if _fastPath(completion.entry.flags.isDisjoint(with: [.more, .skip, .large])) {
                core.completions.consume()
            } else if core.consumeUnusual(completion) {
                continue
            }
            if let slot = core.table.slot(for: completion.userData) {
                return Completion(SettledCompletion(slot: slot, entry: completion.entry), of: core.table)
            }
            if let settled = settle(completion) { return Completion(settled, of: core.table) }
        }
        return nil
    }

    /// How many entries lie in the completion queue, to be had without a system call; some give no completion of their own, as a limit to the
    /// time of an operation, and a wake-up.
    @inlinable
    public var readyCount: Int { Int(core.completions.readyCount) }
}

extension RingCore {
    /// Writes the entry of an operation that lies in its slot at the tail, and makes it part of the queue.
    ///
    /// - Precondition: The queue is not full.
    @inlinable @inline(__always)
    mutating func enqueue<Op: Operation & ~Copyable>(
        _: Op.Type, in slot: Slot, payloadOffset: Int, tracking: Tracking = Tracking()
    ) -> Token<Op> {
        let prepared = write(Op.self, in: slot, payloadOffset: payloadOffset, tracking: tracking)
        let userData = unlinkedUserData(of: prepared)
        unsafe prepared.entry.pointee.user_data = userData
        submissions.advance()
        return Token(any: AnyToken(userData: userData, ringIdentity: table.identity))
    }

    /// Writes the entry of an operation that lies in its slot at the tail, which stays where it is; the user data is still missing.
    ///
    /// - Precondition: The queue is not full.
    @inlinable @inline(__always)
    mutating func write<Op: Operation & ~Copyable>(
        _: Op.Type, in slot: Slot, payloadOffset: Int, tracking: Tracking = Tracking()
    ) -> PreparedEntry {
        // SAFETY: the operation has its final address, and stays there until its last completion is taken.
        let payload = unsafe table.payload(
            Op.self, of: slot, offset: payloadOffset, capacity: SlotLayout.capacity(payloadOffset: payloadOffset))
        let kernelData = unsafe (payload + PayloadLayout.kernelDataOffset(Op.self)).assumingMemoryBound(to: Op.KernelData.self)
        // In registers: what is written to the queue's memory could be the operation's as well, for all that the compiler knows.
        var contents = curing_sqe()
        unsafe withUnsafeMutablePointer(to: &contents) { contents in
            unsafe payload.assumingMemoryBound(to: Op.self).pointee.encode(
                into: SubmissionEntry(contents, of: table), kernelData: kernelData)
        }
        // SAFETY: the entry is behind the published tail.
        let entry = unsafe submissions.writeEntry(contents)
        if Op.routing.isTracked {
            unsafe (payload + PayloadLayout.trackingOffset(Op.self)).initializeMemory(as: Tracking.self, to: tracking)
        }
        // SAFETY: where an operation on a pool is encoded, its pool is left, which it holds until its last completion.
        let pool = unsafe Op.routing == .pooled ? BufferRingState(incrementalNumber: entry.pointee.user_data) : nil
        return unsafe PreparedEntry(
            entry: entry, userData: slot.header.pointee.userData, isTracked: Op.routing.isTracked, incrementalPool: pool)
    }

    /// Takes an entry with flags that most do not have from the queue: with more to come, larger than others, or a filler.
    ///
    /// One test on the hot path stands for all three.
    ///
    /// - Returns: Whether it was a filler, which says nothing.
    @usableFromInline @inline(never)
    mutating func consumeUnusual(_ completion: QueuedCompletion) -> Bool {
        if completions.consumeWithFlags(completion.entry.flags) { return true }
        if completion.entry.flags.contains(.more), let slot = table.slot(for: completion.userData) {
            completions.extraCount &+= 1
            table.beginEvent(of: slot)
        }
        return false
    }
}
