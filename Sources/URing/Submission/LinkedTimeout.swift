// SPDX-License-Identifier: Apache-2.0

import CURing

/// How long an operation may take.
///
/// When the time is up, the kernel cancels the operation as a ``Cancel`` would: it ends with `ECANCELED`, or with what it had done by
/// then, and ``Completed/timedOut`` says why. The time counts from when the operation starts, in a chain from when its turn comes.
///
/// It has no power over an operation that blocks a worker thread from the start, such as a splice from an empty pipe, or anything
/// prepared with ``PrepareOptions/isAsynchronous``, or behind what drains, on a file that cannot be polled: the kernel starts the clock when the
/// operation has been tried once.
public struct LinkedTimeout: Sendable, Hashable {
    /// How long, or with ``isAbsolute`` until when.
    public var time: Duration
    /// The clock.
    public var clock: TimeoutClock
    /// Whether the time is one of the clock's, not one from the operation's start.
    public var isAbsolute: Bool

    /// Some time from the operation's start; a negative one is over at once.
    public static func after(_ time: Duration, on clock: TimeoutClock = .monotonic) -> LinkedTimeout {
        LinkedTimeout(time: time, clock: clock, isAbsolute: false)
    }

    /// A time of a clock, as ``TimeoutClock/now`` counts it; one that is past is over at once.
    public static func at(_ deadline: Duration, on clock: TimeoutClock = .monotonic) -> LinkedTimeout {
        LinkedTimeout(time: deadline, clock: clock, isAbsolute: true)
    }
}

extension SubmissionEntry {
    /// Makes the entry one of a timeout for the operation before it.
    ///
    /// The liburing function is `io_uring_prep_link_timeout`.
    @unsafe func setLinkedTimeout(_ timeout: LinkedTimeout, time: UnsafeMutablePointer<KernelTime>) {
        opcode = .linkTimeout
        fileDescriptor = -1
        unsafe setTime(time)
        operationFlags = timeout.clock.timeoutFlags(isAbsolute: timeout.isAbsolute)
    }
}
