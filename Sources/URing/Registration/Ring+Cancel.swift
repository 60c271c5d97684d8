// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

// Cancelling with a system call of its own, which does not wait its turn in the submission queue.

extension Ring where Tag: BitwiseCopyable {
    /// Cancels an operation now, and waits until it has ended.
    ///
    /// The operation's completion can be had when this returns, except with a polling thread, which posts it in its own time, and does not
    /// find what a worker thread is carrying out. (With ``RingOptions/Flags/deferredTaskRun`` and without
    /// ``RingOptions/Flags/showsPendingTaskRun``, after ``Ring/processPending()``, and not what is on its way from an event to another
    /// try.) Nothing is submitted by it, and an operation that was prepared and not submitted is not found. It gets through when a
    /// ``Cancel`` does not, as behind an operation that drains; what the drain holds up it does not find.
    ///
    /// - Parameters:
    ///   - target: The operation, which this ring prepared.
    ///   - timeout: How long to wait for an operation that is being carried out at this moment; as long as it takes, if nil.
    /// - Returns: Whether it was found, and for ``TargetOutcome/alreadyRunning`` that it has not ended in time. What a worker thread was carrying
    ///   out may not have been found although this has ended it, since the kernel looks for it once more then.
    /// - Throws: `EINTR` if a signal came while it waited, `EEXIST` from another thread than the ring's.
    /// - Requires: Linux 6.0, `IORING_REGISTER_SYNC_CANCEL`.
    ///
    /// The liburing function is `io_uring_register_sync_cancel`; see `io_uring_register_sync_cancel(3)`.
    public mutating func cancel<Op: Operation & ~Copyable>(
        _ target: Token<Op>, waitingAtMost timeout: Duration? = nil
    ) throws(Errno) -> TargetOutcome {
        try cancel(AnyToken(target), waitingAtMost: timeout)
    }

    /// Cancels an operation now, and waits until it has ended; see ``cancel(_:waitingAtMost:)-(Token<Op>,_)``.
    public mutating func cancel(_ target: AnyToken, waitingAtMost timeout: Duration? = nil) throws(Errno) -> TargetOutcome {
        try core.cancel(target.userData(on: core.table.identity), waitingAtMost: timeout)
    }

    /// Cancels every operation in flight on a file now, through whichever descriptor they reach it.
    ///
    /// Those that wait for an event have ended when this returns, and ``Ring/nextCompletion()`` gives their completions, except with a
    /// polling thread, which posts them in its own time. One that a worker thread is carrying out is interrupted, and completes when it has
    /// noticed; one that waits for a free worker is cancelled. Neither is counted, and with a polling thread neither is found; a
    /// ``CancelAll`` finds them. Nothing is submitted by it; what was prepared and not submitted, or waits for an earlier member of its
    /// chain, is not found.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - kind: The kind to cancel alone, if not all (Linux 6.6).
    /// - Returns: How many were found, at least.
    /// - Throws: `EBADF` if the descriptor is not open, `EEXIST` from another thread than the ring's.
    /// - Requires: Linux 6.0, `IORING_REGISTER_SYNC_CANCEL`.
    ///
    /// The liburing function is `io_uring_register_sync_cancel`; see `io_uring_register_sync_cancel(3)`.
    @discardableResult
    public mutating func cancelAll(on file: borrowing some FileResource & ~Copyable, of kind: Opcode? = nil) throws(Errno) -> Int {
        let hold: FileHold? = file.hold()
        return try core.cancelAll(CancelMatch(hold, kind, ringIdentity: core.table.identity))
    }

    /// Cancels every operation in flight on the ring now; see ``cancelAll(on:of:)``.
    ///
    /// - Parameter kind: The kind to cancel alone, if not all (Linux 6.6).
    /// - Returns: How many were found, at least.
    /// - Throws: `EEXIST` from another thread than the ring's.
    @discardableResult
    public mutating func cancelAll(of kind: Opcode? = nil) throws(Errno) -> Int {
        try core.cancelAll(CancelMatch(nil, kind, ringIdentity: core.table.identity))
    }
}

extension RingCore {
    /// Works off what the kernel has deferred to when it is entered: it does not find a timeout whose tick is among that.
    private mutating func workOffDeferred() {
        let isShown = setupFlags & CURING_SETUP_TASKRUN_FLAG != 0
        guard isShown || setupFlags & CURING_SETUP_DEFER_TASKRUN != 0 else { return }
        if !isShown || submissions.flags & CURING_SQ_TASKRUN != 0 { flush() }
    }

    /// Asks the kernel to cancel, and again as long as it says that it found nothing and has deferred more.
    ///
    /// An operation is in none of its lists on its way from an event that it waited for to the next try. Where the try is in vain, as with a
    /// datagram for a Unix socket whose queue is full, the kernel makes more than a hundred.
    private mutating func cancelOnItsWay(_ request: inout curing_sync_cancel_reg, nothing: Int32) -> Int32 {
        workOffDeferred()
        var status = cancel(&request)
        for _ in 0..<256 where status == nothing && submissions.flags & CURING_SQ_TASKRUN != 0 {
            flush()
            status = cancel(&request)
        }
        return status
    }

    /// Cancels the operation of this user data, if it is under way still, and does not wait for its end.
    mutating func cancelOnItsWay(_ userData: UInt64) {
        var request = curing_sync_cancel_reg()
        request.addr = userData
        request.fd = -1
        request.timeout = Duration.zero.timespec
        _ = cancelOnItsWay(&request, nothing: -Errno.noSuchFileOrDirectory.rawValue)
    }

    fileprivate mutating func cancel(_ userData: UInt64, waitingAtMost timeout: Duration?) throws(Errno) -> TargetOutcome {
        var request = curing_sync_cancel_reg()
        request.addr = userData
        request.fd = -1
        guard setupFlags & CURING_SETUP_DEFER_TASKRUN != 0 else {
            workOffDeferred()
            request.timeout = timeout?.timespec ?? curing_timespec(seconds: -1, nanoseconds: -1)
            return try outcome(of: cancel(&request))
        }
        // With deferred task run, the end of a running operation does not wake this call of the kernel's: it would wait for all the time it
        // is given, or for ever. So it is asked not to wait, and the waiting is done where the end is worked off.
        request.timeout = Duration.zero.timespec
        let end = timeout.map { monotonicTime().advanced(by: $0) }
        let notFound = -Errno.noSuchFileOrDirectory.rawValue
        var wasFound = false
        while true {
            let status = wasFound ? cancel(&request) : cancelOnItsWay(&request, nothing: notFound)
            if wasFound && status == notFound { return .found }
            guard status == -Errno.timeout.rawValue else { return try outcome(of: status) }
            wasFound = true
            let slice = min(end.map { $0 - monotonicTime() } ?? .milliseconds(10), .milliseconds(10))
            if slice <= .zero { return .alreadyRunning }
            try waitForAnother(timeout: slice)
        }
    }

    /// What a cancellation came to; `ETIME` says that the operation was still running when the time was up.
    private func outcome(of status: Int32) throws(Errno) -> TargetOutcome {
        if status == -Errno.timeout.rawValue { return .alreadyRunning }
        return try CompletionEntry(result: status).targetOutcome.get()
    }

    fileprivate mutating func cancelAll(_ match: CancelMatch) throws(Errno) -> Int {
        var request = curing_sync_cancel_reg()
        request.fd = match.number
        request.opcode = match.opcode
        request.flags = match.flags | CURING_ASYNC_CANCEL_ALL
        // With all of them the kernel does not wait for any.
        request.timeout = Duration.zero.timespec
        return try CompletionEntry(result: cancelOnItsWay(&request, nothing: 0)).count.get()
    }

    fileprivate func cancel(_ request: inout curing_sync_cancel_reg) -> Int32 {
        // SAFETY: the kernel reads the structure before the call returns.
        unsafe curing_register(ring.fd, CURING_REGISTER_SYNC_CANCEL, &request, 1)
    }
}
