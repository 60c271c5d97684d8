// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Does nothing, and completes with 0.
///
/// Good for measuring and for waking a loop.
///
/// - Requires: Linux 5.1, `IORING_OP_NOP`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_nop`; see `io_uring_prep_nop(3)`.
@frozen
public struct Nop: SingleShotOperation, ~Copyable {
    /// Makes an operation that does nothing.
    @inlinable @inline(__always)
    public init() {}

    @inlinable public static var opcode: Opcode { .nop }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .nop
        entry.fileDescriptor = -1
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.count
    }
}

/// Does nothing, and completes with a result of the caller's choice, for testing what handles results.
///
/// - Requires: Linux 6.10, `IORING_OP_NOP` with `IORING_NOP_INJECT_RESULT`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_nop`; see `io_uring_prep_nop(3)`.
@frozen
public struct InjectedNop: SingleShotOperation, ~Copyable {
    /// The result to complete with; a negative one is an error number.
    public var injectedResult: Int32

    /// Makes an operation with a known end.
    @inlinable @inline(__always)
    public init(result: Int32) {
        injectedResult = result
    }

    @inlinable public static var opcode: Opcode { .nop }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 10) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .nop
        entry.fileDescriptor = -1
        entry.length = UInt32(bitPattern: injectedResult)
        entry.operationFlags = CURING_NOP_INJECT_RESULT
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.count
    }
}
