// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

// The system calls that submit and wait.

extension RingCore {
    /// Publishes what is prepared, submits it, and waits for completions as long as it takes.
    ///
    /// The plain case in few instructions: one call, and the kernel does all of what it was asked. Everything else is dealt with below.
    @usableFromInline
    mutating func submit(waitingFor wanted: Int) throws(Errno) -> SubmitResult {
        let before = submissions.flags
        guard UInt(bitPattern: wanted) < plainWaitEnd, before & ~CURING_SQ_TASKRUN == 0 else {
            return try submit(waitingFor: wanted, Wait())
        }
        let minimum = UInt32(truncatingIfNeeded: wanted)
        let pending = submissions.publish()
        let isFetching = before != 0
        if pending == 0 && !isFetching && completions.readyCount >= minimum { return SubmitResult(submitted: 0) }
        let flags = minimum > 0 || isFetching ? CURING_ENTER_GETEVENTS : 0
        let status = unsafe entrance.enter(submit: pending, minimum: minimum, flags: flags)
        guard status == Int32(bitPattern: pending) else {
            return try resolve(status, pending: pending, minimum: minimum, isFetching: isFetching, Wait())
        }
        submissions.noteAllConsumed()
        return SubmitResult(submitted: Int(pending), interrupted: completions.readyCount < minimum)
    }

    /// Publishes what is prepared, submits it, and waits for completions.
    mutating func submit(waitingFor wanted: Int, _ wait: Wait) throws(Errno) -> SubmitResult {
        require(wanted >= 0, "A ring cannot wait for a negative number of completions.")
        // The kernel would look at this only when it has submitted, and then hide what it thinks of it.
        if wait.minimumMicroseconds > 0, unsafe ring.features & CURING_FEAT_MIN_TIMEOUT == 0 {
            throw .invalidArgument
        }
        // The kernel counts completions that are ready, and never waits for more than the queue holds.
        let minimum = UInt32(min(wanted, Int(completions.entryCount)))
        let before = submissions.flags
        if before & CURING_SQ_CQ_OVERFLOW != 0 { overflowCount += 1 }
        if isPolledByKernel {
            let shown = submissions.unpublishedCount
            _ = submissions.publish()
            try wakePollingThread()
            return try waitForPollingThread(submitted: Int(shown), minimum: minimum, wait)
        }
        let pending = submissions.publish()
        // A backlog is fetched with the submission, and a polled ring makes progress only when asked for events.
        let isFetching = before & (CURING_SQ_CQ_OVERFLOW | CURING_SQ_TASKRUN) != 0 || setupFlags & CURING_SETUP_IOPOLL != 0
        let isSatisfied = completions.readyCount >= minimum && !isFetching
        if pending == 0 && isSatisfied { return SubmitResult(submitted: 0) }
        return try resolve(nil, pending: pending, minimum: minimum, isFetching: isFetching, wait)
    }

    /// Submits until the kernel has taken everything or refuses, starting from what it said the first time, if it was asked already.
    @inline(never)
    private mutating func resolve(
        _ firstStatus: Int32?, pending: UInt32, minimum: UInt32, isFetching: Bool, _ wait: Wait
    ) throws(Errno) -> SubmitResult {
        let start = startOf(wait)
        var remaining = pending
        var submitted = 0
        var hasFlushed = false
        var knownStatus = firstStatus
        while true {
            let flags = minimum > 0 || isFetching ? CURING_ENTER_GETEVENTS : 0
            let status = knownStatus ?? enter(submit: remaining, minimum: minimum, flags: flags, wait)
            knownStatus = nil
            if status >= 0 {
                submitted += Int(status)
                remaining &-= UInt32(bitPattern: status)
                // The kernel stops at an entry that fails (unless told otherwise) and then does not wait: go on with the rest.
                if remaining > 0 && status > 0 { continue }
                return finishWait(submitted: submitted, minimum: minimum, since: start, wait)
            }
            switch Errno(rawValue: -status) {
            case .interrupted: return SubmitResult(submitted: submitted, interrupted: true)
            case .timeout: return SubmitResult(submitted: submitted, timedOut: true)
            case .resourceBusy where !hasFlushed:
                // Older kernels refuse submissions while completions are kept aside: fetch what fits, once.
                hasFlushed = true
                flush()
            case _ where submitted > 0:
                // What was taken counts; the error comes again with the next call.
                return SubmitResult(submitted: submitted, interrupted: completions.readyCount < minimum)
            case let errno: throw errno
            }
        }
    }

    /// Waits on a ring whose entries a kernel thread consumes.
    private mutating func waitForPollingThread(submitted: Int, minimum: UInt32, _ wait: Wait) throws(Errno) -> SubmitResult {
        if completions.readyCount >= minimum && submissions.flags & CURING_SQ_CQ_OVERFLOW == 0 {
            return SubmitResult(submitted: submitted)
        }
        let start = startOf(wait)
        let status = enter(submit: 0, minimum: minimum, flags: CURING_ENTER_GETEVENTS, wait)
        if status >= 0 { return finishWait(submitted: submitted, minimum: minimum, since: start, wait) }
        switch Errno(rawValue: -status) {
        case .interrupted: return SubmitResult(submitted: submitted, interrupted: true)
        case .timeout: return SubmitResult(submitted: submitted, timedOut: true)
        // What was shown counts; the error comes again.
        case _ where submitted > 0: return SubmitResult(submitted: submitted, interrupted: true)
        case let errno: throw errno
        }
    }

    /// Works off what is deferred, and waits for one completion more; submits nothing.
    mutating func waitForAnother(timeout: Duration) throws(Errno) {
        let wait = Wait(WaitOptions(until: .timeout(timeout)))
        let status = enter(submit: 0, minimum: completions.readyCount &+ 1, flags: CURING_ENTER_GETEVENTS, wait)
        if status < 0 && Errno(rawValue: -status) != .timeout { throw Errno(rawValue: -status) }
    }

    /// The time when a wait begins, in nanoseconds, if it matters for telling what ended it.
    private mutating func startOf(_ wait: Wait) -> Int64 {
        wait.isMeasured ? clock.nanoseconds : 0
    }

    /// Tells what ended a wait: the kernel does not say once something was submitted.
    private mutating func finishWait(submitted: Int, minimum: UInt32, since start: Int64, _ wait: Wait) -> SubmitResult {
        var result = SubmitResult(submitted: submitted)
        let ready = completions.readyCount
        if ready >= minimum { return result }
        if wait.isTimed {
            let now = clock.nanoseconds
            // Enough had completed when the minimum time was over.
            if ready > 0 && wait.minimumMicroseconds > 0 && now - start >= Int64(wait.minimumMicroseconds) * 1000 { return result }
            if let limit = wait.limit { result.timedOut = (wait.isAbsolute ? now : now - start) >= limit }
        }
        result.interrupted = !result.timedOut
        return result
    }

    /// Wakes the kernel's polling thread if it sleeps.
    mutating func wakePollingThread() throws(Errno) {
        // The thread sets the flag and then looks at the tail once more; we stored the tail and now look at the flag. Without a full
        // fence between a store and a load of another word, both could miss the other's store, and the thread would sleep for ever.
        curing_full_fence()
        guard submissions.flags & CURING_SQ_NEED_WAKEUP != 0 else { return }
        let status = unsafe entrance.enter(submit: 0, minimum: 0, flags: CURING_ENTER_SQ_WAKEUP)
        if status < 0 && Errno(rawValue: -status) != .interrupted { throw Errno(rawValue: -status) }
    }

    private mutating func enter(submit: UInt32, minimum: UInt32, flags: UInt32, _ wait: Wait) -> Int32 {
        if minimum == 0 || wait.isPlain { return unsafe entrance.enter(submit: submit, minimum: minimum, flags: flags) }
        let extended = flags | CURING_ENTER_EXT_ARG | (wait.isAbsolute ? CURING_ENTER_ABS_TIMER : 0)
        if let index = wait.registeredIndex {
            // The argument is the offset into the region, and not looked at unless both flags are set.
            return unsafe entrance.enter(
                submit: submit, minimum: minimum, flags: extended | CURING_ENTER_EXT_ARG_REG,
                argument: UnsafeRawPointer(bitPattern: index * MemoryLayout<curing_reg_wait>.size),
                byteCount: MemoryLayout<curing_reg_wait>.size)
        }
        var time = wait.time
        var signals = wait.blockedSignals?.rawValue ?? 0
        return unsafe withUnsafePointer(to: &time) { time in
            unsafe withUnsafePointer(to: &signals) { signals in
                // SAFETY: the kernel reads all three structures before the call returns.
                var argument = curing_getevents_arg(
                    sigmask: wait.blockedSignals == nil ? 0 : UInt64(UInt(bitPattern: signals)),
                    sigmask_sz: UInt32(SignalSet.kernelByteCount), min_wait_usec: wait.minimumMicroseconds,
                    ts: wait.limit == nil ? 0 : UInt64(UInt(bitPattern: time)))
                return unsafe entrance.enter(
                    submit: submit, minimum: minimum, flags: extended, argument: &argument,
                    byteCount: MemoryLayout<curing_getevents_arg>.size)
            }
        }
    }

    /// Lets the kernel run deferred work and fetches completions it keeps aside.
    @usableFromInline @discardableResult
    mutating func flush() -> Int32 {
        if submissions.flags & CURING_SQ_CQ_OVERFLOW != 0 { overflowCount += 1 }
        return unsafe entrance.enter(submit: 0, minimum: 0, flags: CURING_ENTER_GETEVENTS)
    }

    /// Looks for completions beyond an empty queue; whether there are any now.
    @usableFromInline @inline(never)
    mutating func fetchCompletions() -> Bool {
        guard submissions.flags & (CURING_SQ_CQ_OVERFLOW | CURING_SQ_TASKRUN) != 0 else { return false }
        flush()
        return completions.readyCount > 0
    }

    /// Makes room in a full submission queue by submitting it.
    @usableFromInline @inline(never)
    mutating func makeRoom() throws(Errno) {
        guard submitsWhenFull else { throw .resourceTemporarilyUnavailable }
        if isPolledByKernel {
            try letPollingThreadTake { $0.room > 0 }
        } else {
            try submitAll()
        }
        submissions.expectRoom()
    }

    /// Shows the polling thread what is prepared, and waits until it has taken so much of it.
    mutating func letPollingThreadTake(until isEnough: (SubmissionQueue) -> Bool) throws(Errno) {
        _ = submissions.publish()
        try wakePollingThread()
        var backOff = BackOff()
        while !isEnough(submissions) {
            // The call says what keeps the thread from it, such as a ring that is not enabled; the flags may not.
            let status = unsafe entrance.enter(submit: 0, minimum: 0, flags: CURING_ENTER_SQ_WAKEUP | CURING_ENTER_SQ_WAIT)
            if status < 0 && Errno(rawValue: -status) != .interrupted { throw Errno(rawValue: -status) }
            backOff.wait()
        }
    }

    /// Submits what is prepared until the kernel has taken all of it.
    ///
    /// - Precondition: The kernel takes entries only when asked to.
    mutating func submitAll() throws(Errno) {
        while submissions.pendingCount > 0 {
            let result = try submit(waitingFor: 0, Wait())
            if result.submitted == 0 && !result.interrupted { throw .resourceTemporarilyUnavailable }
        }
    }
}
