// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Why a ring's file table could not be made.
public struct FileTableError: Error, CustomStringConvertible, Sendable, Hashable {
    /// The likely reason.
    public enum Cause: Sendable, Hashable {
        /// A table has no more slots than the process may have open files, which is the limit; it was asked for so many.
        case openFilesLimit(count: Int, limit: Int)
        /// The ring has a table; it keeps one that was dropped until its last file is gone.
        case alreadyRegistered
        /// The call came from another thread than the ring's.
        case otherThread
        /// The kernel is too old: tables that are empty at first need Linux 5.19, and a range to choose slots from 6.0.
        case unsupported
        /// There is no memory for it.
        case memory
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
            case .openFilesLimit(let count, let limit):
                "it cannot have \(count) slots, because the process may have \(limit) open files; raise the limit (ulimit -n, LimitNOFILE), or "
                    + "ask for fewer"
            case .alreadyRegistered: "the ring has one; drop that table and all that is in it first"
            case .otherThread: "a ring's file table is made on the ring's own thread"
            case .unsupported: "this kernel is too old for it (tables need Linux 5.19, and a range for the kernel to choose from 6.0)"
            case .memory: "there is no memory for it"
            case .other: "io_uring_register failed"
            }
        return "No file table: \(reason) (\(errno))."
    }
}

extension FileTableError {
    init(_ errno: Errno, count: Int) {
        self.errno = errno
        cause =
            switch errno {
            case .tooManyOpenFiles: .openFilesLimit(count: count, limit: FileTableError.openFilesLimit)
            case .resourceBusy: .alreadyRegistered
            case .fileExists: .otherThread
            case .invalidArgument: .unsupported
            case .noMemory: .memory
            default: .other
            }
    }

    private static var openFilesLimit: Int {
        var limits = rlimit()
        // SAFETY: the call writes to the structure before it returns.
        _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
        return Int(clamping: limits.rlim_cur)
    }
}
