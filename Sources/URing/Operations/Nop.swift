// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Does nothing, and completes.
///
/// Good for measuring and for waking a loop.
///
/// - Requires: Linux 5.1, `IORING_OP_NOP`; ``Options/injectsResult`` Linux 6.10.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_nop`; see `io_uring_prep_nop(3)`.
@frozen
public struct Nop: SingleShotOperation, ~Copyable {
    /// The result the kernel is to answer with, if it is told one.
    public var injectedResult: Int32?

    /// Makes an operation that does nothing.
    @inlinable @inline(__always)
    public init() {
        injectedResult = nil
    }

    /// Makes an operation that completes with a given result; a negative one is an error number.
    @inlinable @inline(__always)
    public init(injectingResult result: Int32) {
        injectedResult = result
    }

    @inlinable public static var opcode: Opcode { .nop }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .nop
        entry.fileDescriptor = -1
        if let injectedResult {
            entry.length = UInt32(bitPattern: injectedResult)
            entry.operationFlags = CURING_NOP_INJECT_RESULT
        }
    }

    @inlinable @inline(__always)
    public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.count
    }
}
