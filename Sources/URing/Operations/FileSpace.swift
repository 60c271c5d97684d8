// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Makes a file so many bytes long, cutting it off or adding zeros.
///
/// The result is empty.
///
/// - Requires: Linux 6.9, `IORING_OP_FTRUNCATE`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_ftruncate`; see `io_uring_prep_ftruncate(3)`, `ftruncate(2)`.
@frozen
public struct FTruncate: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// How long it is to be.
    public var byteCount: UInt64

    /// Makes an operation that sets a file's length.
    ///
    /// - Parameters:
    ///   - file: The file, open for writing.
    ///   - byteCount: How many bytes long it is to be. More than a file can have is `EINVAL` or `EFBIG` in the result.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, to byteCount: UInt64) {
        self.file = file.hold()
        self.byteCount = byteCount
    }

    @inlinable public static var opcode: Opcode { .ftruncate }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 9) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .ftruncate
        entry.setFile(file)
        unsafe entry.offset = byteCount
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}

/// What is done with a file's space, `FALLOC_FL_*`; nothing set allocates.
///
/// Which of them a file system knows differs; the others are `EOPNOTSUPP` in the result.
@frozen
public struct FallocateFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Leaves the file's length as it is, even if the range ends behind it.
    @inlinable public static var keepSize: FallocateFlags { FallocateFlags(rawValue: CURING_FALLOC_FL_KEEP_SIZE) }
    /// Gives the range's space back, so that it reads as zeros; needs ``keepSize``.
    @inlinable public static var punchHole: FallocateFlags { FallocateFlags(rawValue: CURING_FALLOC_FL_PUNCH_HOLE) }
    /// Takes the range out of the file, moving up what is behind it.
    @inlinable public static var collapseRange: FallocateFlags { FallocateFlags(rawValue: CURING_FALLOC_FL_COLLAPSE_RANGE) }
    /// Makes the range read as zeros, with space allocated.
    @inlinable public static var zeroRange: FallocateFlags { FallocateFlags(rawValue: CURING_FALLOC_FL_ZERO_RANGE) }
    /// Moves back what is at and behind the offset, leaving a hole.
    @inlinable public static var insertRange: FallocateFlags { FallocateFlags(rawValue: CURING_FALLOC_FL_INSERT_RANGE) }
    /// Gives the file its own copy of what it shares with others.
    @inlinable public static var unshareRange: FallocateFlags { FallocateFlags(rawValue: CURING_FALLOC_FL_UNSHARE_RANGE) }
    /// Writes zeros to the device, so that writing to the range later needs no metadata (Linux 6.17).
    @inlinable public static var writeZeroes: FallocateFlags { FallocateFlags(rawValue: CURING_FALLOC_FL_WRITE_ZEROES) }
}

/// Allocates a file's space, gives it back, or moves it.
///
/// The result is empty. After an allocation, writing to the range does not fail for lack of space.
///
/// - Requires: Linux 5.6, `IORING_OP_FALLOCATE`.
/// - Note: In a chain, what is behind it starts although it has failed; see <doc:LinkedRequests>.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_fallocate`; see `io_uring_prep_fallocate(3)`, `fallocate(2)`.
@frozen
public struct Fallocate: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// Where the range begins.
    public var offset: UInt64
    /// How many bytes it has.
    public var byteCount: UInt64
    /// What is done with it.
    public var flags: FallocateFlags

    /// Makes an operation on a range of a file's space.
    ///
    /// - Parameters:
    ///   - file: The file, open for writing.
    ///   - offset: Where the range begins.
    ///   - byteCount: How many bytes it has; none is `EINVAL` in the result.
    ///   - flags: What is done with it.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, at offset: UInt64, byteCount: UInt64, flags: FallocateFlags = []
    ) {
        self.file = file.hold()
        self.offset = offset
        self.byteCount = byteCount
        self.flags = flags
    }

    @inlinable public static var opcode: Opcode { .fallocate }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .fallocate
        entry.setFile(file)
        unsafe entry.offset = offset
        // The address carries the count, and the length the mode.
        unsafe entry.address = byteCount
        entry.length = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}
