// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// Why a ring of buffers could not be made.
public struct BufferRingError: Error, CustomStringConvertible, Sendable, Hashable {
    /// The likely reason.
    public enum Cause: Sendable, Hashable {
        /// The number of buffers is not a power of two from 1 to 32768.
        case count(Int)
        /// The buffers have not from 1 byte to 2 GiB less 1 each.
        case byteCount(Int)
        /// The bytes that have to be left are negative, or more than a buffer has.
        case minimumLeft(Int)
        /// Another ring of buffers has the group's number.
        case groupInUse(UInt16)
        /// The call came from another thread than the ring's.
        case otherThread
        /// The kernel gives out its own entries only for groups below 2048.
        case groupNotMappable(UInt16)
        /// The kernel does not know what was asked for: rings of buffers (Linux 5.19), entries in its own memory (6.4), incremental use
        /// (6.12) or a minimum to be left.
        case unsupported
        /// There is not so much memory, or the limit on locked memory is too low.
        case memory
        /// Something else.
        case other
    }

    /// What the kernel returned, or `EINVAL` for what it was not asked.
    public let errno: Errno
    /// The likely reason.
    public let cause: Cause

    /// The reason as a sentence.
    public var description: String {
        let reason =
            switch cause {
            case .count(let count): "it cannot have \(count) buffers; the kernel takes a power of two from 1 to 32768"
            case .byteCount(let byteCount): "its buffers cannot have \(byteCount) bytes; they have from 1 to 2147483647"
            case .minimumLeft(let byteCount): "\(byteCount) bytes cannot be what has to be left of a buffer"
            case .groupInUse(let group): "the group \(group) is in use; give each ring of buffers a number of its own"
            case .otherThread: "a ring of buffers is made on the thread of its ring"
            case .groupNotMappable(let group): "the kernel's own entries are to be had only for groups below 2048, not for \(group)"
            case .unsupported: "this kernel is too old for it"
            case .memory: "there is not so much memory, or the limit on locked memory (ulimit -l) is too low"
            case .other: "io_uring_register failed"
            }
        return "No ring of buffers: \(reason) (\(errno))."
    }
}

extension BufferRingError {
    init(_ cause: Cause) {
        errno = .invalidArgument
        self.cause = cause
    }

    /// Finds the reason for what the kernel returned, when the numbers are those it takes.
    init(_ errno: Errno, group: UInt16, of anchor: RingAnchor) {
        self.errno = errno
        cause =
            switch errno {
            case .fileExists: anchor.refusesThisThread ? .otherThread : .groupInUse(group)
            case .invalidArgument: .unsupported
            case .noMemory: .memory
            default: .other
            }
    }

    /// Checks how many buffers there are to be.
    static func check(count: Int) throws(BufferRingError) {
        guard count >= 1, count <= 32768, count & (count - 1) == 0 else { throw BufferRingError(.count(count)) }
    }
}
