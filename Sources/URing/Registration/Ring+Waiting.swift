// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

extension Ring {
    /// Has the ring's waits go by another clock.
    ///
    /// It is ``TimeoutClock/monotonic`` otherwise. The clock of a ``Timeout`` is its own.
    ///
    /// - Throws: `EINVAL` for ``TimeoutClock/realTime``, which the kernel does not wait by, and before Linux 6.12.
    ///
    /// The liburing function is `io_uring_register_clock`; see `io_uring_register_clock(3)`.
    public mutating func useClock(_ clock: TimeoutClock) throws(Errno) {
        var registration = curing_clock_register()
        registration.clockid =
            switch clock {
            case .monotonic: UInt32(CLOCK_MONOTONIC)
            case .bootTime: UInt32(CLOCK_BOOTTIME)
            case .realTime: UInt32(CLOCK_REALTIME)
            }
        // SAFETY: the kernel reads the structure before the call returns. It wants no count here.
        try unsafe core.register(CURING_REGISTER_CLOCK, &registration, count: 0)
        core.clock = clock
    }

    /// Enters the ring into a table of the calling thread's, which saves the kernel a look-up in each call of this thread.
    ///
    /// Other threads go on by the descriptor. The table has 16 places. It holds the ring until ``unregisterDescriptor()``, or until the
    /// ring is closed or dropped on this thread; a ring that ends on another thread is not let go of by the kernel before this thread exits.
    ///
    /// - Throws: `EBUSY` if the table is full, `EEXIST` if the ring is in it, or if only another thread may use the ring.
    ///
    /// The liburing function is `io_uring_register_ring_fd`; see `io_uring_register_ring_fd(3)`. Linux 5.18.
    public mutating func registerDescriptor() throws(Errno) {
        guard !core.entrance.isRegisteredHere else { throw .fileExists }
        try core.entrance.register()
    }

    /// Ends what ``registerDescriptor()`` began; on another thread it does nothing.
    ///
    /// The liburing function is `io_uring_unregister_ring_fd`; see `io_uring_unregister_ring_fd(3)`.
    public mutating func unregisterDescriptor() {
        core.entrance.unregister()
    }
}
