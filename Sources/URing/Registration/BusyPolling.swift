// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How a ring looks for packets itself while it waits, instead of waiting for the network device to interrupt (NAPI).
public struct BusyPolling: Sendable, Hashable {
    /// How the ring knows which devices' queues to poll.
    public enum Tracking: Sendable, Hashable {
        /// Those of the sockets it has operations on.
        case dynamic
        /// Those that ``Ring/addPolledQueue(_:)`` named (Linux 6.13).
        case named
    }

    /// How long to poll before each wait; the kernel counts microseconds, and takes 10 milliseconds at most.
    public var time: Duration
    /// Whether the devices are to leave their interrupts off as long as there is polling.
    public var isPreferred: Bool
    /// How the ring knows which queues to poll.
    public var tracking: Tracking

    /// Describes polling.
    public init(time: Duration, isPreferred: Bool = false, tracking: Tracking = .dynamic) {
        self.time = time
        self.isPreferred = isPreferred
        self.tracking = tracking
    }
}

extension Ring {
    /// Has the ring poll network devices before it waits, or not any more.
    ///
    /// - Parameter polling: How; nil ends it.
    /// - Returns: How it was until now; nil if there was none. When polling ends, the kernel does not tell how the queues were known: the
    ///   tracking is then given as ``BusyPolling/Tracking/dynamic``, also after ``BusyPolling/Tracking/named``.
    /// - Throws: `EINVAL` if the ring polls its files (``RingOptions/Flags/ioPolling``), or before Linux 6.9.
    ///
    /// The liburing functions are `io_uring_register_napi` and `io_uring_unregister_napi`; see `io_uring_register_napi(3)`.
    @discardableResult
    public mutating func setBusyPolling(_ polling: BusyPolling?) throws(Errno) -> BusyPolling? {
        var settings = curing_napi()
        if let polling {
            settings.busy_poll_to = polling.time.microsecondsInWord
            settings.prefer_busy_poll = polling.isPreferred ? 1 : 0
            settings.op_param = polling.tracking == .named ? CURING_NAPI_TRACKING_STATIC : CURING_NAPI_TRACKING_DYNAMIC
        }
        // SAFETY: the kernel reads the structure, and writes the former settings to it, before the call returns.
        try unsafe core.register(polling == nil ? CURING_UNREGISTER_NAPI : CURING_REGISTER_NAPI, &settings, count: 1)
        // Ending it does not tell how the queues were known, so without a time there was none.
        let wasInactive = polling == nil ? settings.busy_poll_to == 0 : settings.op_param == CURING_NAPI_TRACKING_INACTIVE
        if wasInactive { return nil }
        return BusyPolling(
            time: .microseconds(settings.busy_poll_to), isPreferred: settings.prefer_busy_poll != 0,
            tracking: settings.op_param == CURING_NAPI_TRACKING_STATIC ? .named : .dynamic)
    }

    /// Adds a queue to those that a ring with ``BusyPolling/Tracking/named`` tracking polls.
    ///
    /// - Parameter identifier: The queue's number, which the socket option `SO_INCOMING_NAPI_ID` gives.
    /// - Throws: `EINVAL` if there is no such number or tracking is dynamic, `EEXIST` if the queue is polled already.
    /// - Requires: Linux 6.13, `IO_URING_NAPI_STATIC_ADD_ID`; liburing has no function for it.
    ///
    /// See `io_uring_register_napi(3)`.
    public mutating func addPolledQueue(_ identifier: UInt32) throws(Errno) {
        try core.changePolledQueues(CURING_NAPI_STATIC_ADD_ID, identifier)
    }

    /// Takes a queue out again.
    ///
    /// - Throws: `ENOENT` if it was not polled, `EINVAL` if tracking is dynamic.
    /// - Requires: Linux 6.13, `IO_URING_NAPI_STATIC_DEL_ID`; liburing has no function for it.
    ///
    /// See `io_uring_register_napi(3)`.
    public mutating func removePolledQueue(_ identifier: UInt32) throws(Errno) {
        try core.changePolledQueues(CURING_NAPI_STATIC_DEL_ID, identifier)
    }
}

extension RingCore {
    fileprivate func changePolledQueues(_ operation: UInt8, _ identifier: UInt32) throws(Errno) {
        var change = curing_napi()
        change.opcode = operation
        change.op_param = identifier
        // SAFETY: the kernel reads and writes the structure before the call returns.
        try unsafe register(CURING_REGISTER_NAPI, &change, count: 1)
    }
}
