// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How a file is written through to its device, `IORING_FSYNC_*`.
@frozen
public struct FsyncFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Leaves out metadata that reading the data back does not need, as fdatasync(2) does.
    @inlinable public static var dataSync: FsyncFlags { FsyncFlags(rawValue: CURING_FSYNC_DATASYNC) }
}

/// Writes what the kernel keeps of a file through to its device.
///
/// The result is empty. An error such as `EIO` speaks of a write that an earlier operation had already reported as done. The kernel
/// does not order this behind writes in flight: prepare it when they have completed, or behind them in a chain.
///
/// - Requires: Linux 5.1, `IORING_OP_FSYNC`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_fsync`; see `io_uring_prep_fsync(3)`, `fsync(2)`.
@frozen
public struct Fsync: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// Which bytes are written through, or nil for all.
    public var range: Range<UInt64>?
    /// How it is done.
    public var flags: FsyncFlags

    /// Makes a sync.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - range: Which bytes are written through; nil for all. File systems may do more.
    ///   - flags: How it is done.
    /// - Precondition: The range is not empty and of less than 4 GiB, which is what the entry can say.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, range: Range<UInt64>? = nil, flags: FsyncFlags = []) {
        if let range {
            require(!range.isEmpty, "A sync needs a range with bytes in it, or none for the whole file.")
            require(range.upperBound - range.lowerBound <= UInt32.max, "A sync takes a range of less than 4 GiB, or the whole file.")
        }
        self.file = file.hold()
        self.range = range
        self.flags = flags
    }

    @inlinable public static var opcode: Opcode { .fsync }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .fsync
        entry.setFile(file)
        if let range {
            entry.offset = range.lowerBound
            entry.length = UInt32(truncatingIfNeeded: range.upperBound - range.lowerBound)
        }
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}
