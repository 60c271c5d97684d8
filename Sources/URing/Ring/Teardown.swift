// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// What was left when a ring was closed.
public struct RingLeftovers: Sendable, Hashable {
    /// Operations that the kernel did not finish in time: their memory and descriptors are leaked on purpose.
    public let leakedOperations: Int

    /// Whether everything came back.
    public var isEmpty: Bool { leakedOperations == 0 }
}

/// The end of a ring: everything the kernel may still touch is waited for before it is freed.
///
/// Closing a ring's descriptor is no barrier: the kernel cancels afterwards, and goes on writing to memory meanwhile. So the ladder
/// is: withdraw what was never published, submit what was, cancel all, reap until the table is empty, and only then
/// unmap and close. What is not back by the deadline is leaked, never freed.
@safe struct Teardown: ~Copyable {
    static let defaultDeadline: Duration = .seconds(10)
    /// How long to wait for a completion before cancelling again; longer each time that none comes.
    private static let shortestPause: Duration = .milliseconds(1)
    private static let longestPause: Duration = .milliseconds(50)
    /// How often completions may come that end nothing, before the queue is left to fill.
    private static let patience = 8
    /// How many operations that end at a time are no sign that what ends lets others begin.
    private static let many = 16
    /// From how many operations on they are cancelled one by one.
    private static let crowd = 1000
    /// How many operations the kernel looks at in the time that it takes to call it for a slot in vain.
    private static let looksPerCall = 128

    var submissions: SubmissionQueue
    var completions: CompletionQueue
    let table: InFlightTable
    var companions: Companions
    var ring: curing_ring
    let anchor: RingAnchor
    var entrance: RingEntrance
    let waitRegion: WaitRegion?
    let handleState: Unmanaged<RingHandleState>?
    let inboxCount: Int
    let messageTable: FileTableState?
    /// Whether the kernel has yet to say of an entry that it has cancelled everything.
    private var isCancelling = false
    /// Whether the kernel refuses to cancel in a call: it is older than Linux 6.0, or a filter of system calls keeps it from that.
    private var refusesToCancel = false

    init(_ core: borrowing RingCore) {
        submissions = core.submissions
        completions = core.completions
        table = core.table
        companions = core.companions
        unsafe ring = core.ring
        anchor = core.anchor
        entrance = core.entrance
        waitRegion = core.waitRegion
        unsafe handleState = core.handleState
        inboxCount = core.inboxCount
        messageTable = core.messageTable
    }

    @discardableResult
    mutating func run(deadline: Duration) -> RingLeftovers {
        guard anchor.isOfThisProcess else { return forget() }
        // From here on nobody can send the ring anything.
        unsafe handleState?.takeUnretainedValue().end()
        withdrawUnpublished()
        let end = monotonicTime().advanced(by: deadline)
        submitPublished(until: end)
        withdrawUnconsumed()
        reapReady()
        if inFlightCount > 0 && monotonicTime() < end {
            if isCrowded { cancelEach(until: end) }
            cancelAll(until: end)
            if cancelsByEntry { cancelAllByEntry() }
            reap(until: end)
        }
        if unsafe handleState != nil { collectMessages() }
        entrance.unregister()
        let unended = inFlightCount
        let leaked = max(0, unended - companions.surplusCount)
        // Else the kernel closes the files in a table of descriptors that go later than the ring in its own time.
        if unended == 0 { anchor.unregisterFiles() }
        let leftBuffers = anchor.takeLeftBuffers()
        anchor.end()
        if isPolledByKernel { SharedPollingThreads.remove(unsafe ring.fd) }
        unsafe curing_ring_destroy(&ring)
        if unended == 0 {
            leftBuffers?.end()
            companions.deallocate()
            table.orphan()
        } else {
            #if DEBUG
                report(leaked: leaked)
            #endif
        }
        waitRegion?.deallocate()
        messageTable?.release()
        unsafe handleState?.release()
        return RingLeftovers(leakedOperations: leaked)
    }

    /// Lets go of a ring in a forked child: it is the parent's, and so is all that is in flight.
    ///
    /// The child has none of the ring's memory, or, if it was to have it, must not move the queues; and at the addresses may be something else by
    /// now. So nothing is looked at, unmapped or freed but what is the child's own: the descriptor.
    private func forget() -> RingLeftovers {
        anchor.end()
        _ = unsafe close(ring.fd)
        return RingLeftovers(leakedOperations: 0)
    }

    /// Entries that the kernel never saw never run; their operations are simply dropped.
    private mutating func withdrawUnpublished() {
        let withdrawn = submissions.unpublishedUserData
        submissions.withdrawUnpublished()
        for userData in withdrawn { withdraw(userData) }
    }

    /// Entries that a failed submission left behind are visible to the kernel: they have to run to end.
    private mutating func submitPublished(until end: Duration) {
        var backOff = BackOff()
        while monotonicTime() < end {
            let pending = submissions.publish()
            if pending == 0 { return }
            if isPolledByKernel {
                // The polling thread takes them when it is awake, and has a processor.
                let status = unsafe curing_enter(ring.fd, 0, 0, CURING_ENTER_SQ_WAKEUP | CURING_ENTER_SQ_WAIT, nil, 8)
                if status < 0 && !isTransient(status) { return }
                backOff.wait()
            } else {
                let status = unsafe curing_enter(ring.fd, pending, 0, CURING_ENTER_GETEVENTS, nil, 8)
                if status < 0 && !isTransient(status) { return }
                napAfter(status)
                reapReady()
            }
        }
    }

    /// Entries that the kernel would not take, as on a ring that was never enabled, run no more either: only a polling thread would take
    /// them without being asked, unless the ring was never enabled.
    private mutating func withdrawUnconsumed() {
        if isPolledByKernel && (submissions.pendingCount == 0 || isEnabled) { return }
        let unconsumed = submissions.unconsumedUserData
        submissions.tail &-= UInt32(unconsumed.count)
        for userData in unconsumed { withdraw(userData) }
    }

    private var isEnabled: Bool { unsafe curing_enter(ring.fd, 0, 0, 0, nil, 8) != -EBADFD }

    private mutating func withdraw(_ userData: UInt64) {
        table.discardWithdrawn(userData)
        switch UserData.kind(of: userData) {
        // Its operation is withdrawn as well, unless the kernel has taken that alone.
        case .linkedTimeout: if !endTimeout(userData) { companions.surplusCount -= 1 }
        case .ringInternal: companions.surplusCount -= 1
        case .unreported: completions.extraCount &+= 1
        case .operation, .linkedOperation, .trackedOperation, .message, .descriptorMessage, .directDescriptorMessage, .wake, .release,
            .foreign:
            break
        }
    }

    /// Asks the kernel to cancel everything.
    private mutating func cancelAll(until end: Duration) {
        cancel(0, flags: CURING_ASYNC_CANCEL_ANY | CURING_ASYNC_CANCEL_ALL, until: end)
    }

    /// Whether to look at each slot takes less time than to have the kernel look at each operation for each.
    private var isCrowded: Bool {
        let count = inFlightCount
        return count > Teardown.crowd && count / Teardown.looksPerCall * count > table.slotCount
    }

    /// Asks the kernel to cancel what the table has, one by one, and takes what ends.
    ///
    /// To cancel all of many, the kernel (6.18) goes through those that it has cancelled already for each of them: 6000 take half a second,
    /// and 30,000 more than five, in a call that knows no deadline. By its user data it finds one among few.
    private mutating func cancelEach(until end: Duration) {
        for number in 0..<table.slotCount where monotonicTime() < end && !refusesToCancel {
            let userData = table.userData(ofSlot: number)
            for kind in [UserData.Kind.operation, .linkedOperation, .trackedOperation] {
                if cancel(UserData.sameSlot(as: userData, kind: kind), flags: 0, until: end) { break }
            }
        }
        reapMany(until: end)
    }

    /// Asks the kernel to cancel; whether it found anything.
    @discardableResult
    private mutating func cancel(_ userData: UInt64, flags: UInt32, until end: Duration) -> Bool {
        if refusesToCancel { return false }
        var request = curing_sync_cancel_reg()
        request.addr = userData
        request.fd = -1
        request.flags = flags
        // Reaping waits, not this call.
        request.timeout = Duration.zero.timespec
        while monotonicTime() < end {
            let status = unsafe curing_register(ring.fd, CURING_REGISTER_SYNC_CANCEL, &request, 1)
            if status == -EINTR { continue }
            refusesToCancel = status < 0 && ![-ENOENT, -EALREADY, -ETIME].contains(status)
            return status != -ENOENT
        }
        return false
    }

    /// Whether an entry finds more than the call: what the polling thread has given to a worker, or all of it.
    private var cancelsByEntry: Bool { isPolledByKernel || refusesToCancel }

    /// Cancels everything by an entry.
    ///
    /// One such entry at a time, whose end nobody waits for; where none are taken, as on a ring that was never enabled, there is none.
    private mutating func cancelAllByEntry() {
        if isCancelling || submissions.pendingCount > 0 { return }
        submissions.addCancelAll(CancelMatch(nil, nil, ringIdentity: table.identity), of: table)
        isCancelling = true
        let pending = submissions.publish()
        if !isPolledByKernel {
            let status = unsafe curing_enter(ring.fd, pending, 0, 0, nil, 8)
            if status > 0 { return }
            // It was not taken, and nobody is to take it later.
            submissions.tail &-= 1
            _ = submissions.publish()
            isCancelling = false
            return
        }
        curing_full_fence()
        if submissions.flags & CURING_SQ_NEED_WAKEUP != 0 { _ = unsafe curing_enter(ring.fd, 0, 0, CURING_ENTER_SQ_WAKEUP, nil, 8) }
    }

    /// Waits for what is in flight, and goes on cancelling.
    ///
    /// What is between two states is not found, such as a timeout whose tick the kernel has yet to work off, and what ends may let another
    /// begin: the next member of a hard chain, or what drains.
    private mutating func reap(until end: Duration) {
        reapReady()
        // Most operations have ended when they are cancelled, so the first wait is for all.
        var wanted = allThatFit
        var pause = Teardown.shortestPause
        var roundsWithoutEnd = 0
        while inFlightCount > 0 {
            let (before, wasCancelling, now) = (inFlightCount, isCancelling, monotonicTime())
            if now >= end { return }
            // What ticks faster than it can be cancelled is ended by a full queue, as every multishot is.
            if roundsWithoutEnd == Teardown.patience { fillQueue(until: min(end, now + Teardown.longestPause)) }
            let status = wait(for: wanted, atMost: min(end - now, pause))
            reapReady()
            if inFlightCount == 0 || (status < 0 && !isTransient(status)) { return }
            napAfter(status)
            wanted = 1
            // To cancel again each time would be to have the kernel look at all that have ended each time.
            if before - inFlightCount >= Teardown.many { reapMany(until: end) }
            cancelAll(until: end)
            // Not in each round: the entry's own completion ends a wait, too.
            let onlyThatCame = wasCancelling && !isCancelling && inFlightCount == before
            if cancelsByEntry && (status == -ETIME || (refusesToCancel && !onlyThatCame)) { cancelAllByEntry() }
            let nothingCame = status == -ETIME || onlyThatCame
            pause = nothingCame ? min(pause * 2, Teardown.longestPause) : Teardown.shortestPause
            let hasMadeProgress = nothingCame || inFlightCount < before || roundsWithoutEnd == Teardown.patience
            roundsWithoutEnd = hasMadeProgress ? 0 : roundsWithoutEnd + 1
        }
    }

    /// Takes what has ended, more than the queue holds, or than the kernel works off for a wait for one, as long as much comes.
    private mutating func reapMany(until end: Duration) {
        reapReady()
        while inFlightCount > 0 {
            let (before, now) = (inFlightCount, monotonicTime())
            if now >= end { return }
            _ = wait(for: allThatFit, atMost: min(end - now, Teardown.shortestPause))
            reapReady()
            if before - inFlightCount < Teardown.many { return }
        }
    }

    /// How many completions a wait for all is for.
    private var allThatFit: UInt32 { UInt32(clamping: min(inFlightCount, Int(completions.entryCount))) }

    /// Leaves what comes in the queue until no more fits; a timeout that expires ends each wait.
    private func fillQueue(until end: Duration) {
        while completions.readyCount < completions.entryCount {
            let remaining = end - monotonicTime()
            if remaining <= .zero || wait(for: completions.entryCount, atMost: remaining) < 0 { return }
        }
        // The end itself came when there was no place for it: one call more works it off.
        _ = wait(for: 0, atMost: .zero)
    }

    private func wait(for count: UInt32, atMost duration: Duration) -> Int32 {
        var time = duration.timespec
        return unsafe withUnsafePointer(to: &time) { time in
            // SAFETY: the kernel reads both structures before the call returns.
            var argument = curing_getevents_arg(sigmask: 0, sigmask_sz: 8, min_wait_usec: 0, ts: UInt64(UInt(bitPattern: time)))
            return unsafe curing_enter(
                ring.fd, 0, count, CURING_ENTER_GETEVENTS | CURING_ENTER_EXT_ARG, &argument, MemoryLayout<curing_getevents_arg>.size)
        }
    }

    /// Disposes of every completion that is there.
    private mutating func reapReady() {
        while let completion = completions.next() {
            switch UserData.kind(of: completion.userData) {
            case .operation, .linkedOperation, .trackedOperation: disposeOfOperation(completion)
            case .linkedTimeout: if !endTimeout(completion.userData) { completions.extraCount &+= 1 }
            case .ringInternal:
                // Which of the two ended makes no difference, as both do sooner or later.
                if isCancelling { isCancelling = false } else { companions.surplusCount -= 1 }
            case .descriptorMessage:
                completions.extraCount &+= 1
                // For an inbox that there is not, it is of nobody who has a handle, and brings nothing.
                if let inbox = UserData.inbox(of: completion.userData), inbox < inboxCount {
                    _ = Descriptor(received: completion.entry.result)
                }
            // A file that was sent into the ring's table goes with the table.
            case .message, .directDescriptorMessage, .wake, .unreported, .release, .foreign: completions.extraCount &+= 1
            }
        }
    }

    private mutating func disposeOfOperation(_ completion: QueuedCompletion) {
        let userData = UserData.sameSlot(as: completion.userData, kind: .operation)
        guard let slot = table.slot(for: userData) else {
            completions.extraCount &+= 1
            return
        }
        let isLinked = UserData.kind(of: completion.userData) == .linkedOperation
        // SAFETY: the user data says that the operation has a companion, and the slot that it is still in flight.
        let told = unsafe isLinked ? companions[userData].pointee.read(completion) : completion.entry.withoutNotes
        guard let entry = told else {
            completions.extraCount &+= 1
            return
        }
        if entry.flags.contains(.more) {
            completions.extraCount &+= 1
            table.beginEvent(of: slot)
        } else if isLinked && companions.keep(entry, of: userData) {
            return
        }
        disposeUnlessKept(SettledCompletion(slot: slot, entry: entry))
    }

    /// Disposes of the operation with its timeout, if it was done before.
    ///
    /// - Returns: Whether there is an operation that has the timeout.
    private mutating func endTimeout(_ userData: UInt64) -> Bool {
        let operation = UserData.sameSlot(as: userData, kind: .operation)
        guard let slot = table.slot(for: operation) else { return false }
        if let entry = companions.endTimeout(of: operation, timedOut: false) {
            disposeUnlessKept(SettledCompletion(slot: slot, entry: entry))
        }
        return true
    }

    /// Disposes of a completion, unless a notification group keeps it.
    private func disposeUnlessKept(_ completion: SettledCompletion) {
        if let completion = table.track(completion) { table.dispose(of: completion.slot, entry: completion.entry) }
    }

    /// Releases what was sent to the ring and not looked at; the kernel posts some of it, and a part each time, when it is asked.
    private mutating func collectMessages() {
        while unsafe entrance.enter(submit: 0, minimum: 0, flags: CURING_ENTER_GETEVENTS) >= 0, completions.readyCount > 0 { reapReady() }
    }

    private var isPolledByKernel: Bool { unsafe ring.setup_flags & CURING_SETUP_SQPOLL != 0 }

    /// Entries that have not ended, but for the one that cancels the others.
    private var inFlightCount: Int { submissions.inFlightCount(completions) - (isCancelling ? 1 : 0) }

    /// Gives up the processor for a while after a call that failed, and so did not wait, and is to be tried again.
    private func napAfter(_ status: Int32) {
        if status < 0 && ![-ETIME, -EINTR].contains(status) { usleep(1000) }
    }

    private func isTransient(_ status: Int32) -> Bool {
        // EBADR says once of each completion that there was no memory for that it is lost; the others come.
        [EINTR, EAGAIN, EBUSY, ETIME, ENOMEM, EBADR].contains(-status)
    }

    private func report(leaked: Int) {
        let sentence = "URing: \(leaked) operations did not end before the ring's deadline; their memory is leaked on purpose.\n"
        _ = try? FileDescriptor.standardError.writeAll(Array(sentence.utf8))
    }
}
