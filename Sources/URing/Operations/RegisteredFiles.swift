// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Puts a normal descriptor's file into a ring's file table as well.
///
/// The result is the file in its slot; the file is then open twice, and closing the normal descriptor leaves it there. When the table has no
/// free slot, the error is ``SystemPackage/Errno/fileTableFull``.
///
/// - Requires: Linux 5.6, `IORING_OP_FILES_UPDATE`; into any slot Linux 6.0.
/// - Important: The kernel reads the descriptor's number, and writes that of the slot, beside the operation until the completion.
///
/// The liburing function is `io_uring_prep_files_update`; see `io_uring_prep_files_update(3)`.
@frozen
public struct RegisterDescriptor: SingleShotOperation, ~Copyable {
    /// The descriptor, kept open until the operation is done.
    public var file: FileHold
    /// Where its file goes.
    public var place: FileSlot

    /// Makes an operation that puts a file into a ring's file table.
    ///
    /// - Parameters:
    ///   - file: The descriptor.
    ///   - slot: Where its file goes.
    @inlinable @inline(__always)
    public init(_ file: borrowing some NumberedFileResource & ~Copyable, into slot: consuming FileSlot) {
        self.file = file.hold()
        place = slot
    }

    @inlinable public static var opcode: Opcode { .filesUpdate }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<DescriptorNumbers>) {
        // -1 and -2 have meanings of their own here; no file has the largest number.
        let number = file.processNumber
        unsafe kernelData.initialize(to: DescriptorNumbers(first: number < 0 ? Int32.max : number))
        entry.opcode = .filesUpdate
        entry.fileDescriptor = -1
        unsafe entry.address = UInt64(UInt(bitPattern: kernelData))
        entry.length = 1
        let index = place.fileIndex(ringIdentity: entry.ringIdentity)
        // Slots count from zero here, and "any" is a signed number for liburing.
        unsafe entry.offset = index == CURING_FILE_INDEX_ALLOC ? UInt64.max : UInt64(index - 1)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing DescriptorNumbers
    ) -> Result<DirectDescriptor, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        return .success(unsafe DirectDescriptor(delivered: kernelData.first, to: &place))
    }
}

/// Installs a direct descriptor as a normal one, beside its slot.
///
/// The result is the new descriptor, close-on-exec; the slot keeps the file as well. With ``PrepareOptions/personality`` it is `EPERM`.
///
/// - Requires: Linux 6.8, `IORING_OP_FIXED_FD_INSTALL`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_fixed_fd_install`; see `io_uring_prep_fixed_fd_install(3)`.
@frozen
public struct InstallDescriptor: SingleShotOperation, ~Copyable {
    /// The slot, kept until the operation is done.
    public var file: FileHold
    /// Whether programs that are started inherit the new descriptor.
    public var isInherited: Bool

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The direct descriptor.
    ///   - isInherited: Whether programs that are started inherit the new descriptor.
    @inlinable @inline(__always)
    public init(_ file: borrowing DirectDescriptor, isInherited: Bool = false) {
        self.file = file.hold()
        self.isInherited = isInherited
    }

    @inlinable public static var opcode: Opcode { .fixedFdInstall }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 8) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .fixedFdInstall
        entry.setFile(file)
        entry.operationFlags = isInherited ? CURING_FIXED_FD_NO_CLOEXEC : 0
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Descriptor, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        return .success(Descriptor(received: completion.result))
    }
}
