// SPDX-License-Identifier: Apache-2.0

/// What came of a submission.
///
/// The kernel reports the count alone once anything was submitted, so whether the wait ended early is told apart here.
@frozen
public struct SubmitResult: Sendable, Hashable {
    /// How many entries the kernel took; with a polling thread (SQPOLL), how many it was shown.
    public var submitted: Int
    /// Whether the wait ended because the time was up before enough completions were there.
    public var timedOut: Bool
    /// Whether the wait ended before enough completions were there, and before the time was up: by a signal, since a ``Timeout`` of the ring
    /// expired, which ends every wait, or since only a part of what was prepared was taken: the next submission says why, if it still holds.
    ///
    /// Without ``RingOptions/Flags/deferredTaskRun`` a timeout that has reached its count ends it, too. On a ring with
    /// ``RingOptions/Flags/ioPolling`` that polls for nothing, as when workers have everything, every wait ends at once.
    public var interrupted: Bool

    @inlinable @inline(__always)
    init(submitted: Int, timedOut: Bool = false, interrupted: Bool = false) {
        self.submitted = submitted
        self.timedOut = timedOut
        self.interrupted = interrupted
    }
}
