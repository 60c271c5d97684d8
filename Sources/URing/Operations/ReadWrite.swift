// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How one read or write is to be done, `RWF_*`.
@frozen
public struct TransferFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Has a polled ring poll the device; `EINVAL` in the result on other rings.
    @inlinable public static var highPriority: TransferFlags { TransferFlags(rawValue: CURING_RWF_HIPRI) }
    /// Writes the data through to the device, as with `O_DSYNC`.
    @inlinable public static var dataSync: TransferFlags { TransferFlags(rawValue: CURING_RWF_DSYNC) }
    /// Writes data and metadata through to the device, as with `O_SYNC`.
    @inlinable public static var sync: TransferFlags { TransferFlags(rawValue: CURING_RWF_SYNC) }
    /// Fails with `EAGAIN` rather than wait.
    @inlinable public static var noWait: TransferFlags { TransferFlags(rawValue: CURING_RWF_NOWAIT) }
    /// Appends to the file, whatever the offset.
    @inlinable public static var append: TransferFlags { TransferFlags(rawValue: CURING_RWF_APPEND) }
    /// Writes at the offset although the file was opened for appending (Linux 6.9).
    @inlinable public static var noAppend: TransferFlags { TransferFlags(rawValue: CURING_RWF_NOAPPEND) }
    /// Writes all or nothing where a device supports it (Linux 6.11).
    @inlinable public static var atomic: TransferFlags { TransferFlags(rawValue: CURING_RWF_ATOMIC) }
    /// Does not keep the data in the page cache afterwards (Linux 6.14).
    @inlinable public static var doNotCache: TransferFlags { TransferFlags(rawValue: CURING_RWF_DONTCACHE) }
    /// Does not raise `SIGPIPE` when a pipe or socket has no reader (Linux 6.18).
    @inlinable public static var noSignal: TransferFlags { TransferFlags(rawValue: CURING_RWF_NOSIGNAL) }
}

/// Where in a file a transfer begins.
@frozen
public struct FilePosition: RawRepresentable, Sendable, Hashable, ExpressibleByIntegerLiteral {
    /// The kernel's form: bytes from the beginning, or all ones for the file's own position.
    public let rawValue: UInt64

    /// Takes the kernel's form.
    @inlinable @inline(__always)
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Makes an offset of a number.
    @inlinable @inline(__always)
    public init(integerLiteral value: UInt64) {
        self = .offset(value)
    }

    /// The file's own position, which moves on; also for what has none, such as a pipe.
    @inlinable public static var current: FilePosition { FilePosition(rawValue: .max) }

    /// So many bytes from the beginning.
    ///
    /// - Precondition: It is not `UInt64.max`, which is how the kernel says ``current``.
    @inlinable @inline(__always)
    public static func offset(_ byteCount: UInt64) -> FilePosition {
        require(byteCount < .max, "No file is that long: to the kernel this number is the file's own position.")
        return FilePosition(rawValue: byteCount)
    }

    /// So many bytes from the beginning, as a program has counted them.
    ///
    /// - Precondition: It is not negative.
    @inlinable @inline(__always)
    public static func offset(_ byteCount: Int) -> FilePosition {
        require(byteCount >= 0, "A file has nothing before its beginning.")
        return FilePosition(rawValue: UInt64(truncatingIfNeeded: byteCount))
    }
}

/// Reads from a file into memory it owns.
///
/// The result is how many bytes were read, 0 at the end of the file; the memory's count is then where they end.
///
/// - Requires: Linux 5.6, `IORING_OP_READ`. Into a ``RegisteredSlice``, Linux 5.13, `IORING_OP_READ_FIXED`.
/// - Important: The kernel writes to the memory until the completion.
///
/// The liburing function is `io_uring_prep_read`, or `io_uring_prep_read_fixed`; see `io_uring_prep_read(3)`, `read(2)`.
@frozen
public struct Read<Memory: ByteDestination & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// Where the bytes go.
    public var memory: Memory
    /// Where in the memory they begin.
    public var start: Int
    /// Where in the file they begin.
    public var position: FilePosition
    /// How the read is done.
    public var flags: TransferFlags

    /// Makes a read.
    ///
    /// - Parameters:
    ///   - file: The file to read from.
    ///   - memory: Where the bytes go; as many are asked for as there is room behind `start`, but no more than 0x7ffff000.
    ///   - position: Where in the file they begin.
    ///   - start: How many bytes of the memory to leave as they are.
    ///   - flags: How the read is done.
    /// - Precondition: When it is prepared, `start` bytes are initialised, and there is room behind them: a read of nothing could not be
    ///   told from the end of the file.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, into memory: consuming Memory, at position: FilePosition = .current,
        startingAt start: Int = 0, flags: TransferFlags = []
    ) {
        self.file = file.hold()
        self.memory = memory
        self.start = start
        self.position = position
        self.flags = flags
    }

    @inlinable public static var opcode: Opcode { Memory.isRegistered ? .readFixed : .read }

    @inlinable public static var minimumKernel: KernelVersion { Memory.isRegistered ? KernelVersion(5, 13) : KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = Read.opcode
        entry.setFile(file)
        unsafe entry.offset = position.rawValue
        // SAFETY: the memory is the operation's own, and the operation has its final address.
        let room = unsafe memory.kernelRoom(
            behind: start, "A read must start within the initialised bytes, or right behind them.",
            "A read needs room: the memory is empty or full.")
        unsafe entry.setBytes(UnsafeRawBufferPointer(room))
        entry.setRegistration(of: memory)
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        // SAFETY: the kernel says that it has written so many bytes from `start` on, and those before were initialised. It was given no more
        // room than there is, so the sum is no larger than that.
        if completion.result >= 0 { unsafe memory.didInitialize(byteCount: start &+ Int(completion.result)) }
        return completion.count
    }
}

/// Writes bytes it owns to a file.
///
/// The result is how many bytes were written, possibly fewer than given.
///
/// As with write(2), the process gets `SIGPIPE`, which ends it by default, when the reader of a pipe or socket is gone: ignore the signal,
/// use ``Send`` for sockets, or set ``TransferFlags/noSignal``.
///
/// - Requires: Linux 5.6, `IORING_OP_WRITE`. From a ``RegisteredSlice``, Linux 5.13, `IORING_OP_WRITE_FIXED`.
/// - Important: The kernel reads the memory until the completion.
///
/// The liburing function is `io_uring_prep_write`, or `io_uring_prep_write_fixed`; see `io_uring_prep_write(3)`, `write(2)`.
@frozen
public struct Write<Memory: ByteSource & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// Where the bytes come from.
    public var memory: Memory
    /// Where in the memory they begin.
    public var start: Int
    /// Where in the file they go.
    public var position: FilePosition
    /// How the write is done.
    public var flags: TransferFlags

    /// Makes a write.
    ///
    /// - Parameters:
    ///   - file: The file to write to.
    ///   - memory: Where the bytes come from; all initialised ones from `start` on are written, but no more than 0x7ffff000.
    ///   - position: Where in the file they go.
    ///   - start: How many bytes of the memory to leave out.
    ///   - flags: How the write is done.
    /// - Precondition: When it is prepared, `start` is within the initialised bytes.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, from memory: consuming Memory, at position: FilePosition = .current,
        startingAt start: Int = 0, flags: TransferFlags = []
    ) {
        self.file = file.hold()
        self.memory = memory
        self.start = start
        self.position = position
        self.flags = flags
    }

    @inlinable public static var opcode: Opcode { Memory.isRegistered ? .writeFixed : .write }

    @inlinable public static var minimumKernel: KernelVersion { Memory.isRegistered ? KernelVersion(5, 13) : KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = Write.opcode
        entry.setFile(file)
        unsafe entry.offset = position.rawValue
        // SAFETY: as for a read.
        unsafe entry.setBytes(memory.kernelBytes, behind: start, "A write must start within the initialised bytes.")
        entry.setRegistration(of: memory)
        entry.operationFlags = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.count
    }
}
