// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// How many threads the kernel starts at most for operations that block.
public struct WorkerLimits: Sendable, Hashable {
    /// For those that end by themselves, such as reads of files.
    public var bounded: Int
    /// For those that may wait as long as they like, such as reads of terminals.
    public var unbounded: Int

    /// Describes limits.
    public init(bounded: Int, unbounded: Int) {
        self.bounded = bounded
        self.unbounded = unbounded
    }
}

extension Ring {
    /// How many worker threads the kernel starts at most for this thread's operations; up to Linux 6.3 on each NUMA node.
    ///
    /// For a thread that has not entered a ring yet, both are 0.
    ///
    /// The liburing function is `io_uring_register_iowq_max_workers`; see `io_uring_register_iowq_max_workers(3)`. Linux 5.15.
    public mutating func workerLimits() throws(Errno) -> WorkerLimits {
        try core.exchangeWorkerLimits(0, 0)
    }

    /// Sets how many worker threads the kernel starts at most; up to Linux 6.3 on each NUMA node.
    ///
    /// It does so for all that this thread does with rings, and for every other thread that has entered this ring, whatever ring it uses.
    /// With a polling thread it is that thread's operations.
    ///
    /// - Returns: The limits until now.
    /// - Precondition: Both limits are positive, and less than 2^31.
    ///
    /// The liburing function is `io_uring_register_iowq_max_workers`; see `io_uring_register_iowq_max_workers(3)`. Linux 5.15.
    @discardableResult
    public mutating func setWorkerLimits(_ limits: WorkerLimits) throws(Errno) -> WorkerLimits {
        // The kernel takes zero for a question.
        let allowed = 1...Int(Int32.max)
        require(
            allowed.contains(limits.bounded) && allowed.contains(limits.unbounded),
            "A ring needs at least one worker of each kind; ask for the limits with workerLimits().")
        return try core.exchangeWorkerLimits(UInt32(limits.bounded), UInt32(limits.unbounded))
    }

    /// Binds the worker threads to processors.
    ///
    /// - Parameter processors: Their numbers; nil for all that the process may use.
    /// - Throws: `EINVAL` if one is not there, or not for this process to use, or if this thread has not entered a ring yet.
    /// - Precondition: There is at least one, and the numbers are not negative.
    ///
    /// The liburing functions are `io_uring_register_iowq_aff` and `io_uring_unregister_iowq_aff`; see `io_uring_register_iowq_aff(3)`. Linux
    /// 5.14.
    public mutating func setWorkerProcessors(_ processors: Set<Int>?) throws(Errno) {
        guard let processors else { return try core.register(CURING_UNREGISTER_IOWQ_AFF) }
        require(!processors.isEmpty, "Workers have to run somewhere; name a processor, or nil for all.")
        require(processors.allSatisfy { $0 >= 0 }, "Processors have numbers from 0 on.")
        // The kernel looks at no more bits than it has processors, and takes an empty mask.
        let count = sysconf(Int32(_SC_NPROCESSORS_CONF))
        guard processors.allSatisfy({ $0 < count }) else { throw .invalidArgument }
        var mask = [UInt64](repeating: 0, count: count / 64 + 1)
        for processor in processors { mask[processor / 64] |= 1 << UInt64(processor % 64) }
        let byteCount = mask.count * 8
        let status = unsafe mask.withUnsafeMutableBytes { mask in
            // SAFETY: the kernel reads so many bytes before the call returns.
            unsafe curing_register(core.descriptor, CURING_REGISTER_IOWQ_AFF, mask.baseAddress, UInt32(byteCount))
        }
        if status < 0 { throw Errno(rawValue: -status) }
    }
}

extension RingCore {
    /// Sets those limits that are not zero; the result is what was before.
    fileprivate func exchangeWorkerLimits(_ bounded: UInt32, _ unbounded: UInt32) throws(Errno) -> WorkerLimits {
        var limits: InlineArray<2, UInt32> = [bounded, unbounded]
        var span = limits.mutableSpan
        let status = unsafe span.withUnsafeMutableBytes { limits in
            // SAFETY: the kernel reads and writes two numbers before the call returns.
            unsafe curing_register(descriptor, CURING_REGISTER_IOWQ_MAX_WORKERS, limits.baseAddress, 2)
        }
        if status < 0 { throw Errno(rawValue: -status) }
        return WorkerLimits(bounded: Int(limits[Int(CURING_WQ_BOUND)]), unbounded: Int(limits[Int(CURING_WQ_UNBOUND)]))
    }
}
