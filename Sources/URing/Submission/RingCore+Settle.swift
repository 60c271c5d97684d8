// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

// Completions whose user data is not that of a plain operation.

/// A completion of an operation in the table, or of a message, as it is told to the caller.
@usableFromInline
struct SettledCompletion: BitwiseCopyable {
    @usableFromInline let slot: Slot
    @usableFromInline let entry: CompletionEntry

    @inlinable @inline(__always)
    init(slot: Slot, entry: CompletionEntry) {
        self.slot = slot
        self.entry = entry
    }
}

extension RingCore {
    /// Deals with a completion that names no plain operation in flight.
    ///
    /// An operation with a timeout gives two completions, in either order: its own, and that of the timeout, which comes without
    /// delay when the operation is done. The caller gets one, when both are there.
    ///
    /// - Returns: What is to be told to the caller, if anything.
    @usableFromInline @inline(never)
    mutating func settle(_ completion: QueuedCompletion) -> SettledCompletion? {
        switch UserData.kind(of: completion.userData) {
        case .linkedOperation:
            return settleOperation(completion).flatMap { table.track($0) }
        case .linkedTimeout:
            return settleTimeout(completion).flatMap { table.track($0) }
        case .trackedOperation:
            return settleTracked(completion).flatMap { table.track($0) }
        case .ringInternal:
            companions.surplusCount -= 1
        case .unreported:
            // It was left out of the count, because most never come.
            completions.extraCount &+= 1
            unreportedFailureCount += 1
        case .release:
            completions.extraCount &+= 1
            if completion.userData == UserData.bufferRelease { anchor.unreleased.buffers -= 1 } else { anchor.unreleased.files -= 1 }
        case .operation:
            completions.extraCount &+= 1
            table.noteStale()
        case .wake:
            completions.extraCount &+= 1
        case .foreign, .message, .descriptorMessage, .directDescriptorMessage:
            // Somebody else's entry, or a message for nobody, has no entry of ours that it ends.
            completions.extraCount &+= 1
            foreignCount += 1
        }
        return nil
    }

    private mutating func settleTracked(_ completion: QueuedCompletion) -> SettledCompletion? {
        guard let slot = slotOrStale(for: completion) else { return nil }
        let entry = completion.entry.withoutNotes
        if entry.flags.contains(.more) { beginEvent(of: slot) }
        return SettledCompletion(slot: slot, entry: entry)
    }

    /// The slot of an operation that is linked or tracked; a completion of one that has ended is counted.
    private mutating func slotOrStale(for completion: QueuedCompletion) -> Slot? {
        if let slot = table.slot(for: UserData.sameSlot(as: completion.userData, kind: .operation)) { return slot }
        completions.extraCount &+= 1
        table.noteStale()
        return nil
    }

    /// Counts a completion with more to come.
    private mutating func beginEvent(of slot: Slot) {
        completions.extraCount &+= 1
        table.beginEvent(of: slot)
    }

    private mutating func settleOperation(_ completion: QueuedCompletion) -> SettledCompletion? {
        let userData = UserData.sameSlot(as: completion.userData, kind: .operation)
        guard let slot = slotOrStale(for: completion) else { return nil }
        // SAFETY: the user data says that the operation has a companion, and the slot that it is still in flight.
        let companion = unsafe companions[userData]
        guard var entry = unsafe companion.pointee.read(completion) else {
            completions.extraCount &+= 1
            table.noteStale()
            return nil
        }
        if !entry.flags.contains(.notification) {
            if unsafe companion.pointee.endsChain(entry) { cutOff(unsafe companion.pointee.successor) }
            if unsafe entry.errno == .canceled && companion.pointee.isCutOff { entry = entry.notingLink }
        }
        if entry.flags.contains(.more) {
            beginEvent(of: slot)
        } else if companions.keep(entry, of: userData) {
            return nil
        }
        if unsafe companion.pointee.timedOut { entry = entry.notingTimeout }
        return SettledCompletion(slot: slot, entry: entry)
    }

    private mutating func settleTimeout(_ completion: QueuedCompletion) -> SettledCompletion? {
        let userData = UserData.sameSlot(as: completion.userData, kind: .operation)
        // An operation is in flight for as long as its timeout is.
        guard let slot = table.slot(for: userData) else {
            completions.extraCount &+= 1
            table.noteStale()
            return nil
        }
        // A timeout that was not up is cancelled itself, and one that a restriction or an older kernel does not allow was never set. Of one that
        // was up, the kernel says what it did with the operation: cancelled it (ETIME, but 1 for a wait for a futex or a child), asked it to
        // stop (EALREADY), or did not find it where it looked last (ENOENT), though it may have interrupted it in a worker.
        let timedOut =
            switch completion.entry.withoutNotes.errno {
            case nil, .timeout?, .alreadyInProcess?, .noSuchFileOrDirectory?: true
            default: false
            }
        guard let entry = companions.endTimeout(of: userData, timedOut: timedOut) else {
            // It may have been on its way from one try to the next, and would go on without a limit.
            if completion.entry.errno == .noSuchFileOrDirectory { cancelOnItsWay(UserData.sameSlot(as: userData, kind: .linkedOperation)) }
            return nil
        }
        return SettledCompletion(slot: slot, entry: timedOut ? entry.notingTimeout : entry)
    }

    /// The member of a soft chain that this user data names does not start any more, and neither do those after it.
    private mutating func cutOff(_ successor: UInt64) {
        guard successor != 0, table.slot(for: successor) != nil else { return }
        unsafe companions[successor].pointee.isCutOff = true
    }
}

extension Companion {
    /// What the kernel says of the operation, in the order of the queue: in that an incremental pool has to see its completions.
    ///
    /// Nothing once the operation has ended, though its slot may still be in use: of a zero-copy send that a chain has cut off, the kernel
    /// (6.18) says that it was cancelled, and no more to come, and posts the notification nevertheless.
    mutating func read(_ completion: QueuedCompletion) -> CompletionEntry? {
        if hasEnded { return nil }
        let entry = completion.entry.withoutNotes
        hasEnded = !entry.flags.contains(.more)
        return incrementalPool?.record(entry) ?? entry
    }
}

extension CompletionEntry {
    /// What the kernel says, without what only the ring says.
    var withoutNotes: CompletionEntry {
        CompletionEntry(result: result, flags: flags.subtracting([.timedOut, .cancelledByLink]))
    }

    /// The same of a member that its chain has cut off.
    fileprivate var notingLink: CompletionEntry {
        CompletionEntry(result: result, flags: flags.union(.cancelledByLink))
    }

    /// The same of an operation whose time was up: it had begun, so that no link has kept it from that.
    fileprivate var notingTimeout: CompletionEntry {
        CompletionEntry(result: result, flags: flags.subtracting(.cancelledByLink).union(.timedOut))
    }
}
