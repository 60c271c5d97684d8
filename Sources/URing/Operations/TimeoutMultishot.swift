// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Ticks: tells again and again that a time has passed.
///
/// Each event says that the time was up once more, and ends every wait on the ring. The kernel counts each time from when it has dealt with
/// the last tick, so ticks come a little late, and later and later. It ends with ``MultishotEnding/endOfStream`` after the last tick, if
/// there is one, and with ``MultishotEnding/completionQueueFull`` before: ``count`` says how many ticks are still to come, and preparing it
/// again goes on with them. It is removed with a ``Cancel``, and the time is changed with a ``TimeoutUpdate``.
///
/// Neither of them finds it while a tick is to be worked off, which with ``RingOptions/Flags/deferredTaskRun`` lasts from the tick until the
/// thread waits; ask again then. ``Ring/cancel(_:waitingAtMost:)-(Token<Op>,_)`` works off what there is beforehand.
///
/// An update has the kernel forget the count, and leaves ``interval`` as it was. Ticks then go on without end: ``count`` is nil from the one
/// on that was to be the last.
///
/// - Requires: Linux 6.4, `IORING_OP_TIMEOUT` with `IORING_TIMEOUT_MULTISHOT`.
/// - Important: The kernel reads the time when it consumes the entry; it lies with the operation.
///
/// The liburing function is `io_uring_prep_timeout`; see `io_uring_prep_timeout(3)`.
@frozen
public struct TimeoutMultishot: MultishotOperation, ~Copyable {
    /// The time from tick to tick.
    public var interval: Duration
    /// How many ticks are still to come, or nil if there is no end to them.
    public var count: UInt32?
    /// The clock.
    public var clock: TimeoutClock

    /// Makes a timeout that repeats.
    ///
    /// - Parameters:
    ///   - interval: The time from tick to tick. With one that is shorter than a tick takes to be dealt with, ``Ring/nextCompletion()`` is
    ///     never nil.
    ///   - clock: The clock to go by.
    ///   - count: How many ticks there are, or nil for no end.
    /// - Precondition: The count is positive, and less than 2^32.
    @inlinable
    public init(every interval: Duration, on clock: TimeoutClock = .monotonic, count: Int? = nil) {
        if let count { require(count > 0 && count <= UInt32.max, "A timeout ticks once at least, and fewer than 2^32 times.") }
        self.interval = interval
        self.clock = clock
        self.count = count.map { UInt32(truncatingIfNeeded: $0) }
    }

    @inlinable public static var opcode: Opcode { .timeout }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 4) }

    @inlinable
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<KernelTime>) {
        require(count != 0, "All the ticks of this timeout have come; set its count before it is prepared again.")
        // SAFETY: the kernel data lies beside the operation until the last completion.
        unsafe kernelData.initialize(to: KernelTime(interval))
        entry.opcode = .timeout
        entry.fileDescriptor = -1
        unsafe entry.setTime(kernelData)
        unsafe entry.offset = UInt64(count ?? 0)
        entry.operationFlags = clock.timeoutFlags(isAbsolute: false) | CURING_TIMEOUT_MULTISHOT
    }

    @inlinable
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing KernelTime) -> Result<TimeoutOutcome, Errno>
    {
        let outcome = completion.timeoutOutcome
        if case .success = outcome, let count, count > 0 {
            // That it goes on after the last tick says that an update has had the kernel forget how many there are.
            self.count = count == 1 && completion.flags.contains(.more) ? nil : count - 1
        }
        return outcome
    }

    /// Tells the last tick from one after which the completion queue was full.
    public borrowing func ending(_ completion: CompletionEntry) -> MultishotEnding {
        switch completion.errno {
        case nil, .timeout?: count == 0 ? .endOfStream : .completionQueueFull
        case .canceled?: .cancelled
        case let errno?: .failed(errno)
        }
    }
}
