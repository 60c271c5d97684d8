// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// Reads from a file into several buffers it owns, from the first to the last.
///
/// The result is how many bytes were read, 0 at the end of the file. The buffers before the last byte read are then full, those behind
/// it empty.
///
/// - Requires: Linux 5.1, `IORING_OP_READV`; ``FilePosition/current`` Linux 5.6. Into slices of a registered buffer, Linux 6.15,
///   `IORING_OP_READV_FIXED`.
/// - Important: The kernel writes to the buffers until the completion; it has its own copy of their list once the entry is consumed.
///
/// The liburing function is `io_uring_prep_readv2`, or `io_uring_prep_readv_fixed`; see `io_uring_prep_readv2(3)`, `preadv2(2)`.
@frozen
public struct ReadVectored<Element: ByteDestination & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// Where the bytes go.
    public var buffers: MemoryVector<Element>
    /// Where in the buffers they begin, counted from the start of the first.
    public var start: Int
    /// Where in the file they begin.
    public var position: FilePosition
    /// How the read is done.
    public var flags: TransferFlags

    /// Makes a read.
    ///
    /// - Parameters:
    ///   - file: The file to read from.
    ///   - buffers: Where the bytes go; as many are asked for as there is room behind `start`, but no more than 0x7ffff000.
    ///   - position: Where in the file they begin.
    ///   - start: How many bytes of the buffers to leave as they are.
    ///   - flags: How the read is done.
    /// - Precondition: When it is prepared, `start` bytes are initialised without a gap, and there is room behind them: a read of nothing
    ///   could not be told from the end of the file.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, into buffers: consuming MemoryVector<Element>,
        at position: FilePosition = .current, startingAt start: Int = 0, flags: TransferFlags = []
    ) {
        self.file = file.hold()
        self.buffers = buffers
        self.start = start
        self.position = position
        self.flags = flags
    }

    @inlinable public static var opcode: Opcode { Element.isRegistered ? .readVectoredFixed : .readVectored }

    @inlinable public static var minimumKernel: KernelVersion { Element.isRegistered ? KernelVersion(6, 15) : KernelVersion(5, 1) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = ReadVectored.opcode
        entry.setFile(file)
        unsafe entry.offset = position.rawValue
        require(
            start >= 0 && start <= buffers.initializedByteCount, "A read must start within the initialised bytes, or right behind them.")
        require(start < buffers.byteCapacity, "A read needs room: there is no buffer, or all are empty or full.")
        // SAFETY: the buffers and their list are the operation's own, and `start` is inside.
        unsafe entry.setList(buffers.kernelRoomList(startingAt: start))
        entry.setRegistration(of: buffers)
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        // SAFETY: the kernel says that it has written so many bytes from `start` on, and those before were initialised.
        if completion.result >= 0 { unsafe buffers.didInitialize(byteCount: start + Int(completion.result)) }
        return completion.count
    }
}

/// Writes the bytes of several buffers it owns to a file, from the first to the last.
///
/// The result is how many bytes were written, possibly fewer than given. As with ``Write``, the process may get `SIGPIPE`.
///
/// - Requires: Linux 5.1, `IORING_OP_WRITEV`; ``FilePosition/current`` Linux 5.6. From slices of a registered buffer, Linux 6.15,
///   `IORING_OP_WRITEV_FIXED`.
/// - Important: The kernel reads the buffers until the completion; it has its own copy of their list once the entry is consumed.
///
/// The liburing function is `io_uring_prep_writev2`, or `io_uring_prep_writev_fixed`; see `io_uring_prep_writev2(3)`, `pwritev2(2)`.
@frozen
public struct WriteVectored<Element: ByteSource & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// Where the bytes come from.
    public var buffers: MemoryVector<Element>
    /// Where in the buffers' bytes they begin.
    public var start: Int
    /// Where in the file they go.
    public var position: FilePosition
    /// How the write is done.
    public var flags: TransferFlags

    /// Makes a write.
    ///
    /// - Parameters:
    ///   - file: The file to write to.
    ///   - buffers: Where the bytes come from; all initialised ones from `start` on are written, but no more than 0x7ffff000.
    ///   - position: Where in the file they go.
    ///   - start: How many of the bytes to leave out, for what an earlier write has written.
    ///   - flags: How the write is done.
    /// - Precondition: When it is prepared, there is a buffer, and `start` is within the bytes.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, from buffers: consuming MemoryVector<Element>,
        at position: FilePosition = .current, startingAt start: Int = 0, flags: TransferFlags = []
    ) {
        self.file = file.hold()
        self.buffers = buffers
        self.start = start
        self.position = position
        self.flags = flags
    }

    @inlinable public static var opcode: Opcode { Element.isRegistered ? .writeVectoredFixed : .writeVectored }

    @inlinable public static var minimumKernel: KernelVersion { Element.isRegistered ? KernelVersion(6, 15) : KernelVersion(5, 1) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = WriteVectored.opcode
        entry.setFile(file)
        unsafe entry.offset = position.rawValue
        // SAFETY: the buffers and their list are the operation's own.
        unsafe entry.setList(
            buffers.kernelBytesList(
                behind: start, "A write must start within the initialised bytes.", "A write needs at least one buffer."))
        entry.setRegistration(of: buffers)
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.count
    }
}

extension SubmissionEntry {
    /// Points the entry at a list of memory that the operation owns, with the list's count.
    @inlinable @inline(__always)
    @unsafe public func setList(_ list: UnsafeBufferPointer<iovec>) {
        unsafe address = UInt64(UInt(bitPattern: list.baseAddress))
        length = UInt32(truncatingIfNeeded: list.count)
    }
}
