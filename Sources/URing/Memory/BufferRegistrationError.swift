// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// Why buffers could not be registered.
public struct BufferRegistrationError: Error, CustomStringConvertible, Sendable, Hashable {
    /// The likely reason.
    public enum Cause: Sendable, Hashable {
        /// The kernel counts registered memory against the process's limit on locked memory, and this much more is too much.
        ///
        /// The limit is for all rings and all other locked memory of the user; nil is no limit, so that there is no memory.
        case lockedMemoryLimit(byteCount: Int, limit: Int?)
        /// The ring has registered buffers already; it keeps those of a table that was dropped until all slices are back.
        case alreadyRegistered
        /// The ring of the table, or that of the table to be cloned, is closed.
        case ringClosed
        /// The call came from another thread than the ring's.
        case otherThread
        /// The kernel is too old, or the rings to be cloned between were made by different users.
        case unsupported
        /// Something else.
        case other
    }

    /// What the kernel returned.
    public let errno: Errno
    /// The likely reason.
    public let cause: Cause

    /// The reason as a sentence.
    public var description: String {
        let reason =
            switch cause {
            case .lockedMemoryLimit(let byteCount, let limit?):
                "\(byteCount) bytes more would exceed the limit on locked memory, which is \(limit) bytes for all that the user has locked; "
                    + "raise it (ulimit -l, LimitMEMLOCK), register less, or give the process CAP_IPC_LOCK"
            case .lockedMemoryLimit(let byteCount, nil): "there is no memory for \(byteCount) bytes more"
            case .alreadyRegistered:
                "the ring has registered buffers; drop that table and all its slices first, or register in its free slots"
            case .ringClosed: "the ring is closed"
            case .otherThread: "a ring's buffers are registered on the ring's own thread"
            case .unsupported:
                "this kernel is too old (tables need Linux 5.13, empty ones 5.19, clones 6.12, and clones of some slots 6.13), or the "
                    + "rings to clone between belong to different users"
            case .other: "io_uring_register failed"
            }
        return "No registered buffers: \(reason) (\(errno))."
    }
}

extension BufferRegistrationError {
    init(_ errno: Errno, byteCount: Int) {
        self.errno = errno
        cause =
            switch errno {
            case .noMemory: .lockedMemoryLimit(byteCount: byteCount, limit: BufferRegistrationError.lockedMemoryLimit)
            case .resourceBusy: .alreadyRegistered
            case .badFileDescriptor, Errno(rawValue: ENXIO): .ringClosed
            case .fileExists: .otherThread
            case .invalidArgument: .unsupported
            default: .other
            }
    }

    private static var lockedMemoryLimit: Int? {
        let limit = curing_locked_memory_limit()
        return limit >= 0 ? Int(limit) : nil
    }
}
