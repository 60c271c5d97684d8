// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How data goes from file to file inside the kernel, `SPLICE_F_*`.
@frozen
public struct SpliceFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits, without the one that says that the source is a slot: the operation sets it.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue & ~CURING_SPLICE_F_FD_IN_FIXED
    }

    /// Asks for pages to be moved rather than copied; a hint, which Linux ignores since 2.6.21.
    @inlinable public static var move: SpliceFlags { SpliceFlags(rawValue: CURING_SPLICE_F_MOVE) }
    /// Fails with `EAGAIN` rather than wait for a pipe; a file that itself blocks may still be waited for.
    @inlinable public static var nonBlocking: SpliceFlags { SpliceFlags(rawValue: CURING_SPLICE_F_NONBLOCK) }
    /// Says that more is to follow, so that a socket may wait for it before it sends.
    @inlinable public static var more: SpliceFlags { SpliceFlags(rawValue: CURING_SPLICE_F_MORE) }
}

/// Moves data from one file to another inside the kernel; one of the two is a pipe.
///
/// The result is how many bytes were moved, 0 at the end of the source; it may be less than was asked for. Two files of which none is a
/// pipe, or both ends of the same pipe, are `EINVAL` in the result.
///
/// The kernel has a worker thread do it, which waits there for data and room. A cancel ends such a wait with `EINTR` in the result; by file,
/// it finds the operation by its destination, once the worker has begun, and does not count it.
///
/// - Requires: Linux 5.7, `IORING_OP_SPLICE`.
/// - Important: The kernel touches no memory of the program.
///
/// The liburing function is `io_uring_prep_splice`; see `io_uring_prep_splice(3)`, `splice(2)`.
@frozen
public struct Splice: SingleShotOperation, ~Copyable {
    /// Where the data comes from, kept open until the operation is done.
    public var source: FileHold
    /// Where in the source it begins.
    public var sourceOffset: FilePosition
    /// Where the data goes to, kept open until the operation is done.
    public var destination: FileHold
    /// Where in the destination it begins.
    public var destinationOffset: FilePosition
    /// How many bytes are moved at most.
    public var byteCount: UInt64
    /// How it is done.
    public var flags: SpliceFlags

    /// Makes an operation that moves data from file to file.
    ///
    /// - Parameters:
    ///   - source: Where the data comes from.
    ///   - sourceOffset: Where in the source it begins; a pipe has only its current position, and anything else is `ESPIPE` in the result.
    ///   - destination: Where the data goes to.
    ///   - destinationOffset: Where in the destination it begins, as above.
    ///   - byteCount: How many bytes are moved at most. Counts above 0x7ffff000 are cut to that.
    ///   - flags: How it is done.
    @inlinable @inline(__always)
    public init(
        from source: borrowing some FileResource & ~Copyable, sourceOffset: FilePosition = .current,
        to destination: borrowing some FileResource & ~Copyable, destinationOffset: FilePosition = .current,
        byteCount: UInt64, flags: SpliceFlags = []
    ) {
        self.source = source.hold()
        self.sourceOffset = sourceOffset
        self.destination = destination.hold()
        self.destinationOffset = destinationOffset
        self.byteCount = byteCount
        self.flags = flags
    }

    @inlinable public static var opcode: Opcode { .splice }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 7) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .splice
        entry.setFile(destination)
        unsafe entry.offset = destinationOffset.rawValue
        // The address carries the source's offset.
        unsafe entry.address = sourceOffset.rawValue
        entry.setTransfer(of: byteCount, from: source, flags: flags)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.splicedCount
    }
}

/// Doubles data of a pipe into another, without taking it out of the first.
///
/// The result is how many bytes were doubled, 0 at the end of the source; it may be less than was asked for. Anything but two different
/// pipes is `EINVAL` in the result.
///
/// The kernel has a worker thread do it, as a ``Splice``.
///
/// - Requires: Linux 5.8, `IORING_OP_TEE`.
/// - Important: The kernel touches no memory of the program.
///
/// The liburing function is `io_uring_prep_tee`; see `io_uring_prep_tee(3)`, `tee(2)`.
@frozen
public struct Tee: SingleShotOperation, ~Copyable {
    /// The pipe that the data stays in, kept open until the operation is done.
    public var source: FileHold
    /// The pipe that gets the data as well, kept open until the operation is done.
    public var destination: FileHold
    /// How many bytes are doubled at most.
    public var byteCount: UInt64
    /// How it is done.
    public var flags: SpliceFlags

    /// Makes an operation that doubles data of a pipe.
    ///
    /// - Parameters:
    ///   - source: The end for reading of the pipe that the data stays in.
    ///   - destination: The end for writing of the pipe that gets the data as well.
    ///   - byteCount: How many bytes are doubled at most. Counts above 0x7ffff000 are cut to that.
    ///   - flags: How it is done.
    @inlinable @inline(__always)
    public init(
        from source: borrowing some FileResource & ~Copyable, to destination: borrowing some FileResource & ~Copyable, byteCount: UInt64,
        flags: SpliceFlags = []
    ) {
        self.source = source.hold()
        self.destination = destination.hold()
        self.byteCount = byteCount
        self.flags = flags
    }

    @inlinable public static var opcode: Opcode { .tee }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 8) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .tee
        entry.setFile(destination)
        entry.setTransfer(of: byteCount, from: source, flags: flags)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.splicedCount
    }
}

extension SubmissionEntry {
    /// Has data come from a second file: its descriptor, or its slot with the flag for that.
    ///
    /// - Precondition: A slot is of the same ring's file table.
    @inlinable @inline(__always)
    func setTransfer(of byteCount: UInt64, from source: borrowing FileHold, flags: SpliceFlags) {
        length = UInt32(truncatingIfNeeded: min(byteCount, UInt64(SubmissionEntry.maximumTransfer)))
        fileIndex = UInt32(bitPattern: source.number)
        operationFlags = flags.rawValue
        if source.entryFlags != 0 {
            source.requireSlot(ofRing: ringIdentity)
            operationFlags |= CURING_SPLICE_F_FD_IN_FIXED
        }
    }
}

extension CompletionEntry {
    /// How many bytes went from file to file.
    @inlinable
    var splicedCount: Result<Int, Errno> {
        @inline(__always) get { isInterrupted ? .failure(.interrupted) : count }
    }
}
