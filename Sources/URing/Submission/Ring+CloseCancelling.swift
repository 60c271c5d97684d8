// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

extension Ring where Tag: BitwiseCopyable {
    /// Prepares to cancel every operation on a descriptor's file, and then to close the descriptor.
    ///
    /// Closing a descriptor ends no operation: the kernel keeps the file open under what is pending, and the other side of a
    /// connection notices nothing. So the cancellation comes first, hard-linked to the closing. What is cancelled completes by itself, with
    /// `ECANCELED`. Operations that hold the descriptor keep their promise that its number means this file: then the
    /// result is ``CloseOutcome/deferred``, and it is closed as soon as the completions of all of them, and of this, have been taken or
    /// dropped. On a ring that cannot close, dropping the operation that comes back closes the descriptor; ``Close`` says which
    /// rings these are, and when it stays open. What a ``CancelAll`` does not find is not cancelled, and holds the descriptor.
    ///
    /// - Parameters:
    ///   - descriptor: The descriptor.
    ///   - tag: The tag of the closing's completion; take it as a ``Close``.
    /// - Returns: The closing's name.
    /// - Throws: As ``prepare(_:tag:)``; the descriptor is then dropped, and nothing is cancelled.
    /// - Precondition: The ring was made with two entries at least, and a direct descriptor is of its own table.
    /// - Requires: Linux 5.19, `IORING_OP_ASYNC_CANCEL` with `IORING_ASYNC_CANCEL_FD`; for a direct descriptor Linux 6.0.
    @inlinable @discardableResult
    public mutating func close<File: OwnedFile & ~Copyable>(
        cancelling descriptor: consuming File, tag: Tag
    ) throws(Errno) -> Token<Close<File>> {
        try core.reservePair()
        try core.table.expectSlot()
        core.addCancelAll(on: descriptor.hold())
        core.submissions.expectRoom()
        let prepared = try core.write(Close(descriptor), tag: tag)
        return Token(any: core.add(prepared, options: .none))
    }
}

extension RingCore {
    /// Queues a cancellation of the ring's own, hard-linked to what is queued next.
    ///
    /// The file needs no hold for it, because the next entry's operation owns the descriptor.
    @usableFromInline
    mutating func addCancelAll(on file: consuming FileHold) {
        let match = CancelMatch(consume file, nil, ringIdentity: table.identity)
        submissions.addCancelAll(match, flags: CURING_SQE_IO_HARDLINK, of: table)
        companions.surplusCount += 1
    }
}

extension SubmissionQueue {
    /// Writes an entry of the ring's own that cancels all operations of a kind or on a file.
    ///
    /// - Precondition: Room was made for it.
    mutating func addCancelAll(_ match: CancelMatch, flags: UInt8 = 0, of table: InFlightTable) {
        // SAFETY: the entry is behind the published tail.
        let entry = unsafe nextReservedEntry()
        let submission = unsafe SubmissionEntry(entry, of: table)
        submission.opcode = .asyncCancel
        submission.setMatch(match, flags: CURING_ASYNC_CANCEL_ALL)
        submission.flags = flags
        unsafe entry.pointee.user_data = UserData.Kind.ringInternal.rawValue
        advance()
    }
}
