// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How a new pipe behaves; its descriptors are close-on-exec unless told otherwise.
@frozen
public struct PipeFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits, `O_*`, with the one for close-on-exec inverted.
    public let rawValue: UInt32

    /// Takes the kernel's bits with the one for close-on-exec inverted.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Calls of the process that would wait fail with `EAGAIN`.
    ///
    /// A ring's operations wait all the same, except splices: ``TransferFlags/noWait`` has them fail with `EAGAIN` instead.
    /// So do more than a hundred events that somebody else was faster at: prepare the operation again.
    @inlinable public static var nonBlocking: PipeFlags { PipeFlags(rawValue: CURING_O_NONBLOCK) }
    /// Each write is read by itself, and what of it the reader has no room for is lost (`O_DIRECT`).
    @inlinable public static var packets: PipeFlags { PipeFlags(rawValue: CURING_O_DIRECT) }
    /// The descriptors stay open in a program that the process executes, as a ``DirectDescriptor`` never does.
    @inlinable public static var inheritable: PipeFlags { PipeFlags(rawValue: CURING_O_CLOEXEC) }

    /// The kernel's bits, without close-on-exec where the kernel refuses it.
    @inlinable
    func kernelBits<File: OwnedFile & ~Copyable>(for _: File.Type) -> UInt32 {
        File.isDirect ? rawValue & ~CURING_O_CLOEXEC : rawValue ^ CURING_O_CLOEXEC
    }
}

/// Makes a pipe.
///
/// The result is its two ends: ``FilePair/first`` reads what is written to ``FilePair/second``. When a ring's file table has not two free
/// slots, the error is ``SystemPackage/Errno/fileTableFull``.
///
/// - Requires: Linux 6.16, `IORING_OP_PIPE`; on older kernels use ``FilePair/pipe(isNonBlocking:)``.
/// - Important: The kernel writes the descriptors' numbers beside the operation until the completion.
///
/// The liburing functions are `io_uring_prep_pipe` and `io_uring_prep_pipe_direct`; see `io_uring_prep_pipe(3)`, `pipe2(2)`.
@frozen
public struct Pipe<File: OwnedFile & ~Copyable>: SingleShotOperation, ~Copyable {
    /// How the pipe behaves.
    public var flags: PipeFlags
    /// Where the read end goes.
    public var firstPlace: File.Place
    /// Where the write end goes.
    public var secondPlace: File.Place

    @inlinable @inline(__always)
    init(flags: PipeFlags, firstPlace: consuming File.Place, secondPlace: consuming File.Place) {
        self.flags = flags
        self.firstPlace = firstPlace
        self.secondPlace = secondPlace
    }

    @inlinable public static var opcode: Opcode { .pipe }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 16) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<DescriptorNumbers>) {
        unsafe kernelData.initialize(to: DescriptorNumbers())
        entry.opcode = .pipe
        unsafe entry.address = UInt64(UInt(bitPattern: kernelData))
        entry.operationFlags = flags.kernelBits(for: File.self)
        entry.setPlace(secondPlace, of: File.self)
        let second = entry.fileIndex
        entry.setPlace(firstPlace, of: File.self)
        require(
            entry.fileIndex == second || entry.fileIndex &+ 1 == second,
            "A pipe goes to two slots that the kernel chooses, or to two chosen ones of which the second is right behind the first.")
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing DescriptorNumbers
    ) -> Result<FilePair<File>, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        let first = unsafe File(delivered: kernelData.first, to: &firstPlace)
        let second = unsafe File(delivered: kernelData.second, to: &secondPlace)
        return .success(FilePair(first, second))
    }
}

extension Pipe where File == Descriptor {
    /// Makes an operation that makes a pipe.
    @inlinable @inline(__always)
    public init(flags: PipeFlags = []) {
        self.init(flags: flags, firstPlace: Descriptor.Place(), secondPlace: Descriptor.Place())
    }
}

extension Pipe where File == DirectDescriptor {
    /// Makes an operation that makes a pipe in a ring's file table.
    ///
    /// - Parameters:
    ///   - first: Where the read end goes.
    ///   - second: Where the write end goes.
    ///   - flags: How the pipe behaves.
    /// - Precondition: When it is prepared, either the kernel chooses both slots, or the second is right behind the first.
    @inlinable @inline(__always)
    public init(into first: consuming FileSlot, _ second: consuming FileSlot, flags: PipeFlags = []) {
        self.init(flags: flags, firstPlace: first, secondPlace: second)
    }
}

/// What the kernel writes of a ``Pipe``, the numbers of its ends, or reads and writes of a ``RegisterDescriptor``.
@frozen
public struct DescriptorNumbers: BitwiseCopyable, Sendable {
    @usableFromInline let first: Int32
    @usableFromInline let second: Int32

    @inlinable @inline(__always)
    init(first: Int32 = -1, second: Int32 = -1) {
        self.first = first
        self.second = second
    }
}
