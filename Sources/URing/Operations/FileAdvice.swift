// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How a file is going to be used, `POSIX_FADV_*`.
@frozen
public struct FileAdvice: RawRepresentable, Sendable, Hashable {
    /// The kernel's number.
    public let rawValue: UInt32

    /// Takes the kernel's number.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Nothing special; this takes back ``random`` and ``sequential``, for the whole file.
    @inlinable public static var normal: FileAdvice { FileAdvice(rawValue: CURING_FADV_NORMAL) }
    /// In no order, so that reading ahead does not pay; for the whole file, whatever the range is.
    @inlinable public static var random: FileAdvice { FileAdvice(rawValue: CURING_FADV_RANDOM) }
    /// From lower offsets to higher ones, so that more is read ahead; for the whole file, whatever the range is.
    @inlinable public static var sequential: FileAdvice { FileAdvice(rawValue: CURING_FADV_SEQUENTIAL) }
    /// Soon: the kernel begins to read the range into the page cache.
    @inlinable public static var willNeed: FileAdvice { FileAdvice(rawValue: CURING_FADV_WILLNEED) }
    /// Not soon: the kernel lets go of the range's whole pages, as far as they are written through.
    @inlinable public static var doNotNeed: FileAdvice { FileAdvice(rawValue: CURING_FADV_DONTNEED) }
    /// Once; the range's pages do not count as used again (Linux 6.3).
    @inlinable public static var noReuse: FileAdvice { FileAdvice(rawValue: CURING_FADV_NOREUSE) }
}

/// Says how a range of a file is going to be used.
///
/// The result is empty. No advice changes what is in the file. A pipe is `ESPIPE` in the result, and advice that the kernel does not know `EINVAL`.
///
/// - Requires: Linux 5.6, `IORING_OP_FADVISE`; for 4 GiB and more, Linux 6.11.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_fadvise`, or `io_uring_prep_fadvise64`; see `io_uring_prep_fadvise(3)`, `posix_fadvise(2)`.
@frozen
public struct Fadvise: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// How it is going to be used.
    public var advice: FileAdvice
    /// Where the range begins.
    public var offset: UInt64
    /// How many bytes it has, 0 for all up to the end of the file.
    public var byteCount: UInt64

    /// Makes an operation that advises the kernel.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - advice: How it is going to be used.
    ///   - offset: Where the range begins.
    ///   - byteCount: How many bytes it has, 0 for all up to the end of the file. 4 GiB or more are `EINVAL` in the result before Linux 6.11.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, _ advice: FileAdvice, at offset: UInt64 = 0, byteCount: UInt64 = 0) {
        self.file = file.hold()
        self.advice = advice
        self.offset = offset
        self.byteCount = byteCount
    }

    @inlinable public static var opcode: Opcode { .fadvise }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .fadvise
        entry.setFile(file)
        unsafe entry.offset = offset
        // Kernels look at the longer field only since 6.11, so it has the counts alone that the other cannot say.
        if let count = UInt32(exactly: byteCount) { entry.length = count } else { unsafe entry.address = byteCount }
        entry.operationFlags = advice.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}
