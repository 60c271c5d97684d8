// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

// The system calls that submit and wait.

extension RingCore {
    /// Publishes what is prepared, submits it, and waits for completions as long as it takes.
    ///
    /// The plain case in few instructions: one call, and the kernel does all of what it was asked. Everything else is dealt with below.
    @usableFromInline
    mutating func submit(waitingFor wanted: Int) throws(Errno) -> SubmitResult {
        let isPlain = setupFlags & (CURING_SETUP_SQPOLL | CURING_SETUP_IOPOLL) == 0
        guard isPlain, wanted >= 0, wanted <= completions.entryCount, submissions.flags == 0 else {
            return try submit(waitingFor: wanted, timeout: nil)
        }
        let minimum = UInt32(truncatingIfNeeded: wanted)
        let pending = submissions.publish()
        if pending == 0 { return try submit(waitingFor: wanted, timeout: nil) }
        let status = unsafe curing_enter(ring.fd, pending, minimum, minimum > 0 ? CURING_ENTER_GETEVENTS : 0, nil, 8)
        if status == pending {
            submissions.noteConsumed(pending)
            return finishWait(submitted: Int(status), minimum: minimum, started: nil, timeout: nil)
        }
        return try resolve(status, pending: pending, minimum: minimum, isFetching: false, timeout: nil)
    }

    /// Publishes what is prepared, submits it, and waits for completions.
    @usableFromInline
    mutating func submit(waitingFor wanted: Int, timeout: Duration?) throws(Errno) -> SubmitResult {
        require(wanted >= 0, "A ring cannot wait for a negative number of completions.")
        // The kernel counts completions that are ready, and never waits for more than the queue holds.
        let minimum = UInt32(min(wanted, Int(completions.entryCount)))
        let before = submissions.flags
        if before & CURING_SQ_CQ_OVERFLOW != 0 { overflowCount += 1 }
        if isPolledByKernel {
            let shown = submissions.unpublishedCount
            _ = submissions.publish()
            try wakePollingThread()
            return try wait(submitted: Int(shown), minimum: minimum, timeout: timeout)
        }
        let pending = submissions.publish()
        // A backlog is fetched with the submission, and a polled ring makes progress only when asked for events.
        let isFetching = before & (CURING_SQ_CQ_OVERFLOW | CURING_SQ_TASKRUN) != 0 || setupFlags & CURING_SETUP_IOPOLL != 0
        let isSatisfied = completions.readyCount >= minimum && !isFetching
        if pending == 0 && isSatisfied { return SubmitResult(submitted: 0) }
        return try resolve(nil, pending: pending, minimum: minimum, isFetching: isFetching, timeout: timeout)
    }

    /// Submits until the kernel has taken everything or refuses, starting from what it said the first time, if it was asked already.
    private mutating func resolve(
        _ firstStatus: Int32?, pending: UInt32, minimum: UInt32, isFetching: Bool, timeout: Duration?
    ) throws(Errno) -> SubmitResult {
        let started = timeout.map { _ in monotonicTime() }
        var remaining = pending
        var submitted = 0
        var isFetching = isFetching
        var hasFlushed = false
        var knownStatus = firstStatus
        while true {
            let flags = minimum > 0 || isFetching ? CURING_ENTER_GETEVENTS : 0
            let status = knownStatus ?? enter(submit: remaining, minimum: minimum, flags: flags, timeout: minimum > 0 ? timeout : nil)
            knownStatus = nil
            if status >= 0 {
                submitted += Int(status)
                submissions.noteConsumed(UInt32(bitPattern: status))
                remaining &-= UInt32(bitPattern: status)
                // The kernel stops at an entry that fails (unless told otherwise) and then does not wait: go on with the rest.
                if remaining > 0 && status > 0 { continue }
                return finishWait(submitted: submitted, minimum: minimum, started: started, timeout: timeout)
            }
            switch Errno(rawValue: -status) {
            case .interrupted: return SubmitResult(submitted: submitted, interrupted: true)
            case .timeout: return SubmitResult(submitted: submitted, timedOut: true)
            case .resourceBusy where !hasFlushed:
                // Older kernels refuse submissions while completions are kept aside: fetch what fits, once.
                hasFlushed = true
                isFetching = true
                flush()
            case _ where submitted > 0:
                // What was taken counts; the error comes again with the next call.
                return SubmitResult(submitted: submitted)
            case let errno: throw errno
            }
        }
    }

    /// Waits on a ring whose entries a kernel thread consumes.
    private mutating func wait(submitted: Int, minimum: UInt32, timeout: Duration?) throws(Errno) -> SubmitResult {
        if completions.readyCount >= minimum && submissions.flags & CURING_SQ_CQ_OVERFLOW == 0 {
            return SubmitResult(submitted: submitted)
        }
        let started = timeout.map { _ in monotonicTime() }
        let status = enter(submit: 0, minimum: minimum, flags: CURING_ENTER_GETEVENTS, timeout: timeout)
        if status >= 0 { return finishWait(submitted: submitted, minimum: minimum, started: started, timeout: timeout) }
        switch Errno(rawValue: -status) {
        case .interrupted: return SubmitResult(submitted: submitted, interrupted: true)
        case .timeout: return SubmitResult(submitted: submitted, timedOut: true)
        case let errno: throw errno
        }
    }

    /// Works off what is deferred, and waits for one completion more; submits nothing.
    func waitForAnother(timeout: Duration) throws(Errno) {
        let status = enter(submit: 0, minimum: completions.readyCount &+ 1, flags: CURING_ENTER_GETEVENTS, timeout: timeout)
        if status < 0 && Errno(rawValue: -status) != .timeout { throw Errno(rawValue: -status) }
    }

    /// Tells what ended a wait: the kernel does not say once something was submitted.
    private func finishWait(submitted: Int, minimum: UInt32, started: Duration?, timeout: Duration?) -> SubmitResult {
        var result = SubmitResult(submitted: submitted)
        if completions.readyCount < minimum {
            if let started, let timeout, monotonicTime() - started >= timeout {
                result.timedOut = true
            } else {
                result.interrupted = true
            }
        }
        return result
    }

    /// Wakes the kernel's polling thread if it sleeps.
    func wakePollingThread() throws(Errno) {
        // The thread sets the flag and then looks at the tail once more; we stored the tail and now look at the flag. Without a full
        // fence between a store and a load of another word, both could miss the other's store, and the thread would sleep for ever.
        curing_full_fence()
        guard submissions.flags & CURING_SQ_NEED_WAKEUP != 0 else { return }
        let status = enter(submit: 0, minimum: 0, flags: CURING_ENTER_SQ_WAKEUP, timeout: nil)
        if status < 0 && Errno(rawValue: -status) != .interrupted { throw Errno(rawValue: -status) }
    }

    private func enter(submit: UInt32, minimum: UInt32, flags: UInt32, timeout: Duration?) -> Int32 {
        guard let timeout else { return unsafe curing_enter(ring.fd, submit, minimum, flags, nil, 8) }
        var time = timeout.timespec
        return unsafe withUnsafePointer(to: &time) { time in
            // SAFETY: the kernel reads both structures before the call returns.
            var argument = curing_getevents_arg(sigmask: 0, sigmask_sz: 8, min_wait_usec: 0, ts: UInt64(UInt(bitPattern: time)))
            return unsafe curing_enter(
                ring.fd, submit, minimum, flags | CURING_ENTER_EXT_ARG, &argument, MemoryLayout<curing_getevents_arg>.size)
        }
    }

    /// Lets the kernel run deferred work and fetches completions it keeps aside.
    @usableFromInline @discardableResult
    mutating func flush() -> Int32 {
        if submissions.flags & CURING_SQ_CQ_OVERFLOW != 0 { overflowCount += 1 }
        return unsafe curing_enter(ring.fd, 0, 0, CURING_ENTER_GETEVENTS, nil, 8)
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
            _ = submissions.publish()
            try wakePollingThread()
            while submissions.room == 0 {
                let status = enter(submit: 0, minimum: 0, flags: CURING_ENTER_SQ_WAIT, timeout: nil)
                if status < 0 && Errno(rawValue: -status) != .interrupted { throw Errno(rawValue: -status) }
            }
            return
        }
        try submitAll()
    }

    /// Submits what is prepared until the kernel has taken all of it.
    ///
    /// - Precondition: The kernel takes entries only when asked to.
    mutating func submitAll() throws(Errno) {
        while submissions.pendingCount > 0 {
            let result = try submit(waitingFor: 0, timeout: nil)
            if result.submitted == 0 && !result.interrupted { throw .resourceTemporarilyUnavailable }
        }
    }
}
