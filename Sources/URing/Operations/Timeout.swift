// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// A clock that timeouts go by.
@frozen
public enum TimeoutClock: Sendable, Hashable, CaseIterable {
    /// Time since the machine started, without the time it slept: `CLOCK_MONOTONIC`.
    case monotonic
    /// Time since the machine started, with the time it slept: `CLOCK_BOOTTIME` (Linux 5.15).
    case bootTime
    /// Time since the beginning of 1970, which changes when somebody sets the clock: `CLOCK_REALTIME` (Linux 5.15).
    case realTime

    /// The clock's present time, counted from the clock's own zero, to make deadlines of.
    ///
    /// The C function is `clock_gettime`.
    public var now: Duration {
        let time = timespec
        return Duration(secondsComponent: Int64(time.tv_sec), attosecondsComponent: Int64(time.tv_nsec) * 1_000_000_000)
    }

    /// The same in nanoseconds, for three centuries.
    var nanoseconds: Int64 {
        let time = timespec
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private var timespec: Glibc.timespec {
        var time = Glibc.timespec()
        // SAFETY: the call fills in the structure.
        switch self {
        case .monotonic: unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        case .bootTime: unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        case .realTime: unsafe clock_gettime(CLOCK_REALTIME, &time)
        }
        return time
    }

    /// The kernel's flags of a time of the clock.
    @inlinable @inline(__always)
    func timeoutFlags(isAbsolute: Bool) -> UInt32 {
        let flag: UInt32 =
            switch self {
            case .monotonic: 0
            case .bootTime: CURING_TIMEOUT_BOOTTIME
            case .realTime: CURING_TIMEOUT_REALTIME
            }
        return isAbsolute ? flag | CURING_TIMEOUT_ABS : flag
    }
}

/// What ended a timeout.
@frozen
public enum TimeoutOutcome: Sendable, Hashable {
    /// The time was up; the kernel says `ETIME`, which here is no error.
    case expired
    /// So many other operations completed before.
    case completionsReached
}

/// A time as the kernel reads it, `struct __kernel_timespec`.
@frozen
public struct KernelTime: BitwiseCopyable, Sendable {
    @usableFromInline let timespec: curing_timespec

    /// Makes a time of nothing.
    init() {
        timespec = curing_timespec(seconds: 0, nanoseconds: 0)
    }

    /// Makes a time; a negative one counts as none, because the kernel takes no negative ones.
    @inlinable
    init(_ duration: Duration) {
        timespec = duration.timespec
    }
}

/// Waits for a time, or until so many other operations have completed.
///
/// The result says which of the two it was. When the time is up, that ends every wait on the ring, however many completions it is for. A
/// timeout is changed with a ``TimeoutUpdate``, which has the kernel forget the number of completions, and removed with a ``Cancel``: it then
/// fails with `ECANCELED`.
///
/// - Requires: Linux 5.4, `IORING_OP_TIMEOUT`; other clocks than ``TimeoutClock/monotonic`` Linux 5.15, ``keepsChain`` Linux 5.16.
/// - Important: The kernel reads the time when it consumes the entry; it lies with the operation.
///
/// The liburing function is `io_uring_prep_timeout`; see `io_uring_prep_timeout(3)`.
@frozen
public struct Timeout: SingleShotOperation, ~Copyable {
    /// How long to wait, or with ``isAbsolute`` the clock's time to wait for.
    public var time: Duration
    /// After how many completions of other operations to end before the time is up; 0 for no such number.
    public var completionCount: UInt32
    /// The clock.
    public var clock: TimeoutClock
    /// Whether the time is one of the clock's, not one from now.
    public var isAbsolute: Bool
    /// Whether a chain of linked operations goes on when the time is up, rather than end with `ECANCELED`.
    public var keepsChain: Bool

    /// Makes a timeout some time from when the kernel sees it.
    ///
    /// - Parameters:
    ///   - time: How long to wait; a negative time is over at once.
    ///   - clock: The clock to go by.
    ///   - completionCount: After how many completions of other operations to end before that, if any number is enough. The kernel counts one
    ///     with a limit of time twice, wake-ups too, and no timeouts that expire or tick.
    ///   - keepsChain: Whether a chain of linked operations goes on when the time is up.
    /// - Precondition: The count is positive, and less than 2^32.
    @inlinable @inline(__always)
    public init(
        after time: Duration, on clock: TimeoutClock = .monotonic, orCompletions completionCount: Int? = nil, keepsChain: Bool = false
    ) {
        self.init(time, isAbsolute: false, clock, completionCount, keepsChain)
    }

    /// Makes a timeout at a time of a clock.
    ///
    /// - Parameters:
    ///   - deadline: The time to wait for, counted as ``TimeoutClock/now`` counts it; if it is past, the timeout is over at once.
    ///   - clock: The clock to go by.
    ///   - completionCount: After how many completions of other operations to end before that, if any number is enough.
    ///   - keepsChain: Whether a chain of linked operations goes on when the time is up.
    /// - Precondition: The count is positive, and less than 2^32.
    @inlinable @inline(__always)
    public init(
        at deadline: Duration, on clock: TimeoutClock = .monotonic, orCompletions completionCount: Int? = nil, keepsChain: Bool = false
    ) {
        self.init(deadline, isAbsolute: true, clock, completionCount, keepsChain)
    }

    @inlinable @inline(__always)
    init(_ time: Duration, isAbsolute: Bool, _ clock: TimeoutClock, _ completionCount: Int?, _ keepsChain: Bool) {
        if let completionCount {
            require(
                completionCount > 0 && completionCount <= UInt32.max,
                "A timeout counts at least one completion, and fewer than 2^32; leave the count out to wait for the time alone.")
        }
        self.time = time
        self.completionCount = UInt32(truncatingIfNeeded: completionCount ?? 0)
        self.clock = clock
        self.isAbsolute = isAbsolute
        self.keepsChain = keepsChain
    }

    @inlinable public static var opcode: Opcode { .timeout }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 4) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<KernelTime>) {
        // SAFETY: the kernel data lies beside the operation until the completion.
        unsafe kernelData.initialize(to: KernelTime(time))
        entry.opcode = .timeout
        entry.fileDescriptor = -1
        unsafe entry.setTime(kernelData)
        unsafe entry.offset = UInt64(completionCount)
        entry.operationFlags = clock.timeoutFlags(isAbsolute: isAbsolute) | (keepsChain ? CURING_TIMEOUT_ETIME_SUCCESS : 0)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing KernelTime) -> Result<TimeoutOutcome, Errno>
    {
        completion.timeoutOutcome
    }
}

extension CompletionEntry {
    /// What ended a timeout, or why it ended early.
    @inlinable
    var timeoutOutcome: Result<TimeoutOutcome, Errno> {
        @inline(__always) get {
            switch errno {
            case nil: .success(.completionsReached)
            case .timeout?: .success(.expired)
            case let errno?: .failure(errno)
            }
        }
    }
}

extension SubmissionEntry {
    /// Points the entry at a time.
    @inlinable @inline(__always)
    @unsafe func setTime(_ time: UnsafeMutablePointer<KernelTime>) {
        unsafe address = UInt64(UInt(bitPattern: time))
        length = 1
    }
}
