// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

// Entries beyond the plain one: with options, with a timeout, and in chains. A chain is written behind the tail entry by entry, and
// the kernel looks no further than the tail that was published, so it sees all of a chain at once or nothing.

/// An operation that is in its slot, with its entry written and not yet part of the queue.
@safe @usableFromInline
struct PreparedEntry: BitwiseCopyable {
    @usableFromInline let entry: UnsafeMutablePointer<curing_sqe>
    /// The user data of the slot.
    @usableFromInline let userData: UInt64
    @usableFromInline let isTracked: Bool
    /// The pool that the operation takes buffers of, if that is incremental.
    @usableFromInline let incrementalPool: BufferRingState?

    @inlinable @inline(__always)
    init(entry: UnsafeMutablePointer<curing_sqe>, userData: UInt64, isTracked: Bool, incrementalPool: BufferRingState?) {
        unsafe self.entry = unsafe entry
        self.userData = userData
        self.isTracked = isTracked
        self.incrementalPool = incrementalPool
    }
}

extension RingCore {
    /// Moves an operation into a slot and writes its entry at the tail, which stays where it is.
    ///
    /// - Precondition: The queue is not full.
    @inlinable @inline(__always)
    mutating func write<Op: Operation & ~Copyable, Tag: BitwiseCopyable>(
        _ operation: consuming Op, tag: Tag
    ) throws(Errno) -> PreparedEntry {
        write(Op.self, in: try table.insert(operation, tag: tag), payloadOffset: SlotLayout.payloadOffset(Tag.self))
    }

    /// The user data of an entry, unless it is linked to others.
    @inlinable @inline(__always)
    mutating func unlinkedUserData(of prepared: PreparedEntry) -> UInt64 {
        if prepared.incrementalPool != nil { return makeCompanion(of: prepared) }
        return prepared.isTracked ? UserData.sameSlot(as: prepared.userData, kind: .trackedOperation) : prepared.userData
    }

    /// Makes a companion, by which the ring finds the pool; gives the user data that goes with one.
    @usableFromInline
    mutating func makeCompanion(of prepared: PreparedEntry) -> UInt64 {
        unsafe companions.make(for: prepared.userData).pointee.incrementalPool = prepared.incrementalPool
        return UserData.sameSlot(as: prepared.userData, kind: .linkedOperation)
    }

    /// Makes room for an entry, unless the operation would never start.
    @inlinable @inline(__always)
    mutating func makeRoom<Op: Operation & ~Copyable>(for _: Op.Type) throws(Errno) {
        if Op.routing.isTracked { try expectNoDrain() }
        if !submissions.hasRoom() { try makeRoom() }
    }

    /// Sees to it that a zero-copy send waits for nothing that drains.
    ///
    /// For the kernel such a send is two requests, of which it makes the one for the notification when it consumes the entry. What drains, and all
    /// that waits behind it, starts when all requests made so far are done: the send would wait for its own notification, and nothing,
    /// not even cancelling, could end that (measured on 6.18). When the kernel stops looking at that, it does not tell.
    @inlinable @inline(__always)
    func expectNoDrain() throws(Errno) {
        // SAFETY: the table lives as long as its ring.
        if unsafe table.state.pointee.hasDrained { throw .notSupported }
    }

    /// Refuses options that the kernel would refuse, or with which nothing would ever start.
    ///
    /// Inlined, because the compiler copies the whole ring for a call that borrows it.
    @inlinable @inline(__always)
    func check(_ options: PrepareOptions, isZeroCopy: Bool) throws(Errno) {
        if isZeroCopy {
            if options.drains { throw .notSupported }
            try expectNoDrain()
        }
        // The kernel completes each entry that drains with EOPNOTSUPP from the first on that skipped its completion.
        if options.drains && hasSkippedSuccess { throw .notSupported }
    }

    /// Sees to it that what drains as a member of a chain has no zero-copy send before it: the whole chain waits.
    mutating func expectNoZeroCopy(from start: UInt32) throws(Errno) {
        for offset in 0..<(submissions.tail &- start) {
            // SAFETY: the entry is behind the published tail.
            let opcode = Opcode(rawValue: unsafe submissions.entry(at: start &+ offset).pointee.opcode)
            if opcode == .sendZeroCopy || opcode == .sendMessageZeroCopy { throw .notSupported }
        }
    }

    /// Makes an entry part of the queue.
    @usableFromInline
    mutating func add(_ prepared: PreparedEntry, options: PrepareOptions) -> AnyToken {
        noteDrain(options)
        let userData = unlinkedUserData(of: prepared)
        unsafe prepared.entry.pointee.user_data = userData
        prepared.apply(options, ringIdentity: table.identity)
        submissions.advance()
        return AnyToken(userData: userData, ringIdentity: table.identity)
    }

    /// Makes an entry that is linked to others part of the queue, and behind it that of its timeout.
    ///
    /// - Parameters:
    ///   - prepared: The entry.
    ///   - flag: How it is linked to the next entry; `endChain(from:)` takes that back from the last one.
    ///   - timeout: The time it may take.
    ///   - timeoutFlag: How the timeout's entry is linked to the next.
    ///   - options: How it is treated.
    ///   - predecessor: The user data of the slot of the chain's member before it, or 0.
    /// - Returns: The operation's name.
    /// - Precondition: There is room for the entry, and for that of the timeout if there is one.
    @usableFromInline
    mutating func addLinked(
        _ prepared: PreparedEntry, flag: UInt8, timeout: LinkedTimeout?, timeoutFlag: UInt8, options: PrepareOptions,
        after predecessor: UInt64
    ) -> AnyToken {
        noteDrain(options)
        let userData = makeCompanion(of: prepared)
        let companion = unsafe companions[prepared.userData]
        // SAFETY: the entries are behind the published tail, and the companion stays where it is as long as the ring.
        unsafe prepared.entry.pointee.user_data = userData
        unsafe prepared.entry.pointee.flags |= flag
        prepared.apply(options, ringIdentity: table.identity)
        unsafe companion.pointee.leastResult = prepared.leastResult
        unsafe companion.pointee.ownFailures = prepared.ownFailures
        submissions.advance()
        if let timeout {
            unsafe companion.pointee.awaitsTimeout = true
            unsafe companion.pointee.time = KernelTime(timeout.time)
            let entry = unsafe submissions.nextReservedEntry()
            let time = unsafe UnsafeMutableRawPointer(companion) + Companion.timeOffset
            unsafe SubmissionEntry(entry, of: table).setLinkedTimeout(
                timeout, time: time.assumingMemoryBound(to: KernelTime.self))
            unsafe entry.pointee.flags = timeoutFlag
            unsafe entry.pointee.user_data = UserData.sameSlot(as: prepared.userData, kind: .linkedTimeout)
            submissions.advance()
            companions.surplusCount += 1
        }
        if predecessor != 0 && flag == CURING_SQE_IO_LINK { unsafe companions[predecessor].pointee.successor = prepared.userData }
        return AnyToken(userData: userData, ringIdentity: table.identity)
    }

    /// Makes an entry part of the queue that has no slot, and no completion unless it fails.
    @usableFromInline
    mutating func addUnreported(_ entry: UnsafeMutablePointer<curing_sqe>) {
        // SAFETY: the entry is behind the published tail.
        unsafe entry.pointee.flags |= CURING_SQE_CQE_SKIP_SUCCESS
        unsafe entry.pointee.user_data = UserData.Kind.unreported.rawValue
        submissions.advance()
        // No completion ends it, so the positions of the queues must not count it.
        completions.extraCount &-= 1
        hasSkippedSuccess = true
    }

    /// Notes for all that is prepared from now on that something drains.
    private mutating func noteDrain(_ options: PrepareOptions) {
        // SAFETY: the table lives as long as its ring.
        if options.drains { unsafe table.state.pointee.hasDrained = true }
    }

    // MARK: Chains

    /// Makes room for further entries of a chain that begins at a position of the queue.
    ///
    /// What is queued before the chain is submitted when the queue would not hold both.
    ///
    /// - Important: Only the first of them is at hand then; those behind it are ``SubmissionQueue/nextReservedEntry()``.
    @usableFromInline
    mutating func reserve(_ count: UInt32, forChainFrom start: UInt32) throws(ChainError) {
        let used = submissions.tail &- start
        let isShared = isPolledByKernel && (sharesPollingThread || SharedPollingThreads.contains(descriptor))
        let limit = isShared ? min(submissions.entryCount, SharedPollingThreads.entriesPerTurn) : submissions.entryCount
        guard used + count <= limit else { throw .tooLong(limit: Int(limit)) }
        // A shared polling thread takes so many entries from a ring at a time: a chain has to begin where the thread does.
        let isFull = submissions.room < count
        if isFull || (isShared && used == 0) {
            do throws(Errno) {
                try submitQueued(before: start, isFull: isFull)
            } catch {
                throw .failed(error)
            }
        }
        submissions.expectRoom()
    }

    /// Makes room for an operation and its timeout.
    @usableFromInline
    mutating func reservePair() throws(Errno) {
        do throws(ChainError) {
            try reserve(2, forChainFrom: submissions.tail)
        } catch {
            switch error {
            case .failed(let errno): throw errno
            case .tooLong: trap("A timeout takes an entry of its own; make the ring with two entries at least.", file: #fileID, line: #line)
            }
        }
    }

    /// Ends a chain: nothing that follows belongs to it.
    @usableFromInline
    mutating func endChain(from start: UInt32) {
        guard submissions.tail != start else { return }
        // SAFETY: the entry is behind the published tail.
        unsafe submissions.entry(at: submissions.tail &- 1).pointee.flags &= ~(CURING_SQE_IO_LINK | CURING_SQE_IO_HARDLINK)
    }

    /// Takes back the entries of a chain that is not to be, and drops their operations.
    @usableFromInline
    mutating func withdrawChain(from start: UInt32) {
        for userData in submissions.userData(from: start) {
            table.discardWithdrawn(userData)
            if UserData.kind(of: userData) == .linkedTimeout { companions.surplusCount -= 1 }
        }
        submissions.tail = start
    }

    /// Submits what is queued before a chain, all of it, and none of the chain.
    ///
    /// What a polling thread has been shown and only has to take is submitted already.
    private mutating func submitQueued(before start: UInt32, isFull: Bool) throws(Errno) {
        let end = submissions.tail
        submissions.tail = start
        defer { submissions.tail = end }
        guard submissions.pendingCount > 0 else { return }
        guard submitsWhenFull || (!isFull && submissions.unpublishedCount == 0) else { throw .resourceTemporarilyUnavailable }
        guard isPolledByKernel else { return try submitAll() }
        try letPollingThreadTake { $0.pendingCount == 0 }
    }
}

extension PreparedEntry {
    fileprivate func apply(_ options: PrepareOptions, ringIdentity: UInt32) {
        // SAFETY: the entry is behind the published tail.
        unsafe entry.pointee.flags |= options.entryFlags
        if let personality = options.personality { unsafe entry.pointee.personality = personality.number(on: ringIdentity) }
    }

    /// The smallest result with which the kernel goes on to the next member of a soft chain.
    ///
    /// What is transferred in part ends a chain. Of vectors and messages the entry does not say how much is asked for: no result
    /// is certain to be enough.
    fileprivate var leastResult: Int32 {
        // SAFETY: the entry is behind the published tail.
        let entry = unsafe self.entry.pointee
        let asked = Int32(clamping: entry.len)
        switch Opcode(rawValue: entry.opcode) {
        case .read, .write, .readFixed, .writeFixed:
            return entry.flags & CURING_SQE_BUFFER_SELECT == 0 ? asked : .max
        case .splice, .tee:
            return asked
        case .receive:
            // A datagram that was cut ends a chain too, and nothing says that it was.
            return entry.op_flags & ReceiveFlags.waitAll.rawValue != 0 ? .max : 0
        case .send, .sendMessage, .receiveMessage, .sendZeroCopy, .sendMessageZeroCopy:
            guard entry.op_flags & SendFlags.waitAll.rawValue != 0 else { return 0 }
            let isMessage = [.sendMessage, .receiveMessage, .sendMessageZeroCopy].contains(Opcode(rawValue: entry.opcode))
            return isMessage || entry.ioprio & CURING_SEND_VECTORIZED != 0 ? .max : asked
        case .readVectored, .writeVectored, .readVectoredFixed, .writeVectoredFixed:
            return .max
        case .timeout:
            // The time being up is a result below zero, and yet ends no chain if it is asked not to.
            return entry.op_flags & CURING_TIMEOUT_ETIME_SUCCESS == 0 ? 0 : -Errno.timeout.rawValue
        default:
            return 0
        }
    }
}

extension PreparedEntry {
    /// Which failures of an operation end a soft chain: of some the kernel (6.18) takes no notice, and starts the next member.
    fileprivate var ownFailures: Companion.OwnFailures {
        // SAFETY: the entry is behind the published tail.
        switch Opcode(rawValue: unsafe entry.pointee.opcode) {
        case .fsync, .syncFileRange, .fallocate, .ftruncate, .statx, .madvise, .renameAt, .unlinkAt, .mkdirAt, .symlinkAt, .linkAt,
            .setxattr, .fsetxattr, .getxattr, .fgetxattr, .shutdown:
            .goOn
        case .futexWait, .futexWaitv:
            .goOnWhenCancelled
        default:
            .endChain
        }
    }
}

extension Companion {
    /// Where the time lies, for the address of it that the kernel gets.
    fileprivate static let timeOffset = MemoryLayout<Companion>.offset(of: \.time) ?? 0
}
