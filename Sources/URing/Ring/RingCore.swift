// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A ring without the type of its tags: the queues, the in-flight table and the system calls.
@safe @usableFromInline
struct RingCore: ~Copyable {
    @usableFromInline var submissions: SubmissionQueue
    @usableFromInline var completions: CompletionQueue
    @usableFromInline let table: InFlightTable
    var ring: curing_ring
    var entrance: RingEntrance
    /// The clock that waits go by.
    var clock: TimeoutClock = .monotonic
    /// What the ring's registered resources know of it.
    let anchor: RingAnchor
    var waitRegion: WaitRegion?
    /// What the ring's handles share, if it has any; retained.
    var handleState: Unmanaged<RingHandleState>?
    /// How many tags there are for messages.
    @usableFromInline var inboxCount = 0
    /// Where files from other rings go; held.
    @usableFromInline var messageTable: FileTableState?
    let isKeptOnFork: Bool
    @usableFromInline let setupFlags: UInt32
    @usableFromInline var submitsWhenFull: Bool
    /// For how many completions a plain submission can wait, plus one; 0 where the kernel submits by itself, or has to be asked for events.
    private(set) var plainWaitEnd: UInt = 0
    @usableFromInline let missingOptions: RingOptions.Flags
    /// How often completions had to be fetched from the kernel because the queue was full.
    @usableFromInline var overflowCount: UInt64 = 0
    /// Completions with user data URing did not make.
    @usableFromInline var foreignCount: UInt64 = 0
    /// Failures of operations whose success gives no completion.
    var unreportedFailureCount: UInt64 = 0
    /// Whether an entry asked for no completion; the kernel drains no more from then on.
    @usableFromInline var hasSkippedSuccess = false
    /// Whether the kernel's polling thread is another ring's.
    let sharesPollingThread: Bool
    /// What belongs to operations that are linked.
    var companions = Companions()

    init<Tag: BitwiseCopyable>(tag: Tag.Type, entries: Int, options: RingOptions, firstGeneration: UInt64) throws(RingSetupError) {
        var flags = options.flags
        var missing: RingOptions.Flags = []
        var fallbacks = RingOptions.fallbackOrder.makeIterator()
        var ring = unsafe curing_ring()
        // What does not fit the kernel's fields cannot even be asked for.
        guard entries >= 1, entries <= Int(UInt32.max), (1...Int(UInt32.max)).contains(options.completionQueueEntries ?? 1),
            (0...Int(Int32.max)).contains(options.submissionPolling?.processor ?? 0)
        else {
            throw RingSetupError(.invalidArgument, entries: entries, completionQueueEntries: options.completionQueueEntries, flags: flags)
        }
        if let processor = options.processorOfBothThreads {
            throw RingSetupError(errno: .invalidArgument, cause: .sharedProcessor(processor))
        }
        while true {
            var parameters = options.parameters(flags: flags, entries: entries)
            let status = unsafe curing_ring_create(&ring, UInt32(entries), &parameters, options.isKeptOnFork)
            if status == 0 { break }
            let errno = Errno(rawValue: -status)
            // An unknown flag is EINVAL; give up the newest optional one and try again.
            guard errno == .invalidArgument, let flagsToTry = RingCore.withoutNewest(of: flags, options.optional, &fallbacks) else {
                if errno == .invalidArgument, let processor = options.submissionPolling?.processor,
                    RingCore.canBeMade(entries: entries, options.withoutPollingProcessor, flags: flags)
                {
                    throw RingSetupError(errno: errno, cause: .pollingProcessor(processor))
                }
                if errno == .resourceTemporarilyUnavailable {
                    // Of a ring that was made, its queues could not be mapped by a process that locks all it has.
                    let wasMade = unsafe ring.features != 0
                    if wasMade || options.submissionPolling != nil {
                        throw RingSetupError(errno: errno, cause: wasMade ? .lockedMemoryLimit : .threadLimit)
                    }
                }
                throw RingSetupError(errno, entries: entries, completionQueueEntries: options.completionQueueEntries, flags: flags)
            }
            missing.formUnion(flags.subtracting(flagsToTry))
            flags = flagsToTry
        }
        let table: InFlightTable
        do throws(Errno) {
            table = try InFlightTable(tag: tag, identity: curing_next_ring_identity(), firstGeneration: firstGeneration)
        } catch {
            unsafe curing_ring_destroy(&ring)
            // EAGAIN is said of a process that locks all it has, and may not lock that much.
            throw RingSetupError(
                errno: error, cause: error == .resourceTemporarilyUnavailable ? .lockedMemoryLimit : .addressSpaceLimit)
        }
        let waitRegion: WaitRegion?
        do throws(Errno) {
            waitRegion = unsafe try RingCore.makeWaitRegion(of: ring.fd, options)
        } catch {
            unsafe curing_ring_destroy(&ring)
            table.orphan()
            throw RingSetupError(
                errno: error, cause: error == .noMemory ? .lockedMemoryLimit : .registeredWaitCount(options.registeredWaitCount))
        }
        submissions = unsafe SubmissionQueue(ring)
        completions = unsafe CompletionQueue(ring)
        self.table = table
        // Closing is nothing that could be polled for.
        if flags.contains(.ioPolling) { table.refuseClosing() }
        self.waitRegion = waitRegion
        isKeptOnFork = options.isKeptOnFork
        // Whether the ring was made disabled for its own sake is not told.
        setupFlags = unsafe ring.setup_flags & ~CURING_SETUP_R_DISABLED | flags.rawValue & CURING_SETUP_R_DISABLED
        unsafe self.ring = unsafe ring
        anchor = unsafe RingAnchor(descriptor: ring.fd, ringIdentity: table.identity)
        entrance = unsafe RingEntrance(descriptor: ring.fd)
        if unsafe !options.countsAsIOWait && ring.features & CURING_FEAT_NO_IOWAIT != 0 { entrance.flags = CURING_ENTER_NO_IOWAIT }
        submitsWhenFull = options.submitsWhenFull
        missingOptions = missing
        sharesPollingThread = setupFlags & CURING_SETUP_SQPOLL != 0 && options.sharedWorkers != nil
        if sharesPollingThread, let owner = options.sharedWorkers { SharedPollingThreads.insert(owner.fileDescriptor.rawValue) }
        limitPlainWaits()
    }

    /// Notes for how many completions a plain submission can wait, with the queue as it is.
    mutating func limitPlainWaits() {
        plainWaitEnd = setupFlags & (CURING_SETUP_SQPOLL | CURING_SETUP_IOPOLL) == 0 ? UInt(completions.entryCount) + 1 : 0
    }

    /// Whether a ring can be made.
    private static func canBeMade(entries: Int, _ options: RingOptions, flags: RingOptions.Flags) -> Bool {
        var ring = unsafe curing_ring()
        var parameters = options.parameters(flags: flags, entries: entries)
        let status = unsafe curing_ring_create(&ring, UInt32(entries), &parameters, options.isKeptOnFork)
        unsafe curing_ring_destroy(&ring)
        return status == 0
    }

    /// Registers memory for waits with a ring that was made disabled for that, and enables it unless it is to stay so.
    private static func makeWaitRegion(of ring: Int32, _ options: RingOptions) throws(Errno) -> WaitRegion? {
        guard options.registeredWaitCount != 0 else { return nil }
        guard (1...1 << 16).contains(options.registeredWaitCount) else { throw .invalidArgument }
        let region = try WaitRegion(of: ring, capacity: options.registeredWaitCount)
        if options.flags.contains(.startsDisabled) { return region }
        let status = curing_register(ring, CURING_REGISTER_ENABLE_RINGS, nil, 0)
        if status >= 0 { return region }
        region.deallocate()
        throw Errno(rawValue: -status)
    }

    private static func withoutNewest(
        of flags: RingOptions.Flags, _ optional: RingOptions.Flags, _ fallbacks: inout IndexingIterator<[RingOptions.Flags]>
    ) -> RingOptions.Flags? {
        while let group = fallbacks.next() {
            let removed = group.intersection(optional).intersection(flags)
            if !removed.isEmpty { return flags.subtracting(removed) }
        }
        return nil
    }

    @inlinable
    deinit {
        tearDown()
    }

    @usableFromInline @inline(never)
    borrowing func tearDown() {
        var teardown = Teardown(self)
        teardown.run(deadline: Teardown.defaultDeadline)
    }

    /// Tears the ring down now and says what the kernel did not give back.
    consuming func close(deadline: Duration) -> RingLeftovers {
        var teardown = Teardown(self)
        discard self
        return teardown.run(deadline: deadline)
    }

    var descriptor: Int32 { unsafe ring.fd }

    /// How many operations have been prepared and have not had their last completion reaped.
    ///
    /// Every entry ends in one last completion, so the queues' positions tell, but for the entries that are no operations.
    var inFlightCount: Int { submissions.inFlightCount(completions) - companions.surplusCount }

    @inlinable
    var isPolledByKernel: Bool {
        @inline(__always) get { setupFlags & CURING_SETUP_SQPOLL != 0 }
    }
}
