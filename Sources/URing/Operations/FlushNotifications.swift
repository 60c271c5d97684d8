// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Ends a group of zero-copy sends: completes when all of them are over.
///
/// ``Ring/flush(_:tag:)`` makes and prepares it. The completion gives the ``group`` back, with the last completions of its sends.
///
/// - Requires: Linux 5.1, `IORING_OP_NOP`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_nop`.
@frozen
public struct FlushNotifications<Tag: BitwiseCopyable>: SingleShotOperation, ~Copyable {
    /// The group.
    public var group: NotificationGroup<Tag>

    @inlinable @inline(__always)
    init(_ group: consuming NotificationGroup<Tag>) {
        self.group = group
    }

    @inlinable public static var opcode: Opcode { .nop }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    /// Tracked: its completion may have to wait for the group's sends.
    @inlinable public static var routing: CompletionRouting { .tracked }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        require(group.state.isFlushing, "A notification group is flushed with flush(_:tag:), each time.")
        entry.opcode = .nop
        entry.fileDescriptor = -1
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}
