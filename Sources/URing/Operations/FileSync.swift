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
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
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
        requireSyncRange(range)
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
        entry.setSyncRange(range)
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}

/// Which steps writing a range out has, `SYNC_FILE_RANGE_*`; they are taken in this order.
@frozen
public struct SyncFileRangeFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Waits for pages of the range that are being written already.
    @inlinable public static var waitBefore: SyncFileRangeFlags { SyncFileRangeFlags(rawValue: CURING_SYNC_FILE_RANGE_WAIT_BEFORE) }
    /// Begins to write those that were changed and are not being written.
    @inlinable public static var write: SyncFileRangeFlags { SyncFileRangeFlags(rawValue: CURING_SYNC_FILE_RANGE_WRITE) }
    /// Waits until the pages of the range are written.
    @inlinable public static var waitAfter: SyncFileRangeFlags { SyncFileRangeFlags(rawValue: CURING_SYNC_FILE_RANGE_WAIT_AFTER) }
}

/// Writes pages of a file out, without what makes them durable.
///
/// The result is empty. Neither metadata nor the device's own cache is written, so that after a crash nothing is certain: this is for
/// spreading the work of a later ``Fsync``, which alone makes data durable. Pipes, sockets and the like are `ESPIPE` in the result.
///
/// - Requires: Linux 5.2, `IORING_OP_SYNC_FILE_RANGE`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_sync_file_range`; see `io_uring_prep_sync_file_range(3)`, `sync_file_range(2)`.
@frozen
public struct SyncFileRange: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// Which bytes are written out, or nil for all.
    public var range: Range<UInt64>?
    /// Which steps are taken.
    public var flags: SyncFileRangeFlags

    /// Makes an operation that writes pages out.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - range: Which bytes are written out; nil for all. Pages that they lie in are written as a whole.
    ///   - flags: Which steps are taken; without any, nothing is done.
    /// - Precondition: The range is not empty and of less than 4 GiB, which is what the entry can say.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, range: Range<UInt64>? = nil, flags: SyncFileRangeFlags) {
        requireSyncRange(range)
        self.file = file.hold()
        self.range = range
        self.flags = flags
    }

    @inlinable public static var opcode: Opcode { .syncFileRange }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 2) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .syncFileRange
        entry.setFile(file)
        entry.setSyncRange(range)
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}

/// Sees to it that an entry can say which bytes are meant: its length is 32 bits, and 0 there means all.
@inlinable @inline(__always)
func requireSyncRange(_ range: Range<UInt64>?) {
    guard let range else { return }
    require(!range.isEmpty, "A sync needs a range with bytes in it, or none for the whole file.")
    require(range.upperBound - range.lowerBound <= UInt32.max, "A sync takes a range of less than 4 GiB, or the whole file.")
}

extension SubmissionEntry {
    /// Says which bytes are meant, nothing for all.
    @inlinable @inline(__always)
    func setSyncRange(_ range: Range<UInt64>?) {
        requireSyncRange(range)
        guard let range else { return }
        unsafe offset = range.lowerBound
        length = UInt32(truncatingIfNeeded: range.upperBound - range.lowerBound)
    }
}
