// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Changes the time of a timeout in flight.
///
/// The result says whether the timeout was found; one that has expired is not. The timeout stays on its clock. Only the time in the kernel
/// changes: the operation that comes back has the one it was prepared with, and goes by that when it is prepared again.
///
/// The kernel forgets what a timeout counts: an updated one ends after no number of completions, and ticks go on without end (measured
/// on 6.18). To keep the count, cancel the timeout and prepare it again with the new time.
///
/// - Requires: Linux 5.11, `IORING_OP_TIMEOUT_REMOVE` with `IORING_TIMEOUT_UPDATE`; for a linked timeout Linux 5.15.
/// - Important: The kernel reads the time when it consumes the entry; it lies with the operation.
///
/// The liburing function is `io_uring_prep_timeout_update`; see `io_uring_prep_timeout_update(3)`.
@frozen
public struct TimeoutUpdate: SingleShotOperation, ~Copyable {
    /// The timeout to change, or the operation to which the timeout to change is linked.
    public var target: AnyToken
    /// The new time.
    public var time: Duration
    /// Whether the time is one of the timeout's clock, not one from now.
    public var isAbsolute: Bool
    /// Whether the timeout is linked to the target.
    @usableFromInline let isLinked: Bool

    @inlinable
    init(_ target: AnyToken, _ time: Duration, isAbsolute: Bool, isLinked: Bool) {
        self.target = target
        self.time = time
        self.isAbsolute = isAbsolute
        self.isLinked = isLinked
    }

    /// Makes an update that has a timeout expire some time from now, and not after a number of completions any more.
    ///
    /// - Parameters:
    ///   - target: The timeout, which the same ring prepared.
    ///   - time: How long from when the kernel sees the update; a negative time is over at once.
    @inlinable
    public init(_ target: Token<Timeout>, after time: Duration) {
        self.init(AnyToken(target), time, isAbsolute: false, isLinked: false)
    }

    /// Makes an update that has a timeout expire at a time of its clock, and not after a number of completions any more.
    ///
    /// - Parameters:
    ///   - target: The timeout, which the same ring prepared.
    ///   - deadline: The time, counted as ``TimeoutClock/now`` counts it; if it is past, the timeout is over at once.
    @inlinable
    public init(_ target: Token<Timeout>, at deadline: Duration) {
        self.init(AnyToken(target), deadline, isAbsolute: true, isLinked: false)
    }

    /// Makes an update of the time between ticks, the next of which comes that time from now, and which go on until they are cancelled.
    ///
    /// - Parameters:
    ///   - target: The timeout, which the same ring prepared.
    ///   - interval: The new time from tick to tick.
    @inlinable
    public init(_ target: Token<TimeoutMultishot>, every interval: Duration) {
        self.init(AnyToken(target), interval, isAbsolute: false, isLinked: false)
    }

    /// Makes an update of the time that an operation may take.
    ///
    /// The operation is found when it has started, and was prepared with a timeout.
    ///
    /// - Parameters:
    ///   - target: The operation, which the same ring prepared.
    ///   - time: How long from when the kernel sees the update; a negative time is over at once.
    @inlinable
    public init<Op: Operation & ~Copyable>(linkedTo target: Token<Op>, after time: Duration) {
        self.init(AnyToken(target), time, isAbsolute: false, isLinked: true)
    }

    /// Makes an update of the time until which an operation may take.
    ///
    /// The operation is found when it has started, and was prepared with a timeout.
    ///
    /// - Parameters:
    ///   - target: The operation, which the same ring prepared.
    ///   - deadline: The time, counted as ``TimeoutClock/now`` of the timeout's clock counts it.
    @inlinable
    public init<Op: Operation & ~Copyable>(linkedTo target: Token<Op>, at deadline: Duration) {
        self.init(AnyToken(target), deadline, isAbsolute: true, isLinked: true)
    }

    @inlinable public static var opcode: Opcode { .timeoutRemove }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 11) }

    @inlinable
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<KernelTime>) {
        // SAFETY: the kernel data lies beside the operation until the completion.
        unsafe kernelData.initialize(to: KernelTime(time))
        entry.opcode = .timeoutRemove
        entry.fileDescriptor = -1
        let userData = entry.target(target)
        unsafe entry.address = isLinked ? UserData.sameSlot(as: userData, kind: .linkedTimeout) : userData
        unsafe entry.offset = UInt64(UInt(bitPattern: kernelData))
        entry.operationFlags =
            CURING_TIMEOUT_UPDATE | (isLinked ? CURING_LINK_TIMEOUT_UPDATE : 0) | (isAbsolute ? CURING_TIMEOUT_ABS : 0)
    }

    @inlinable
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing KernelTime) -> Result<TargetOutcome, Errno> {
        completion.targetOutcome
    }
}
