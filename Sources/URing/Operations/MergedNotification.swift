// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A zero-copy send with one completion: the result comes with the notification, and the memory with it.
///
/// It is for callers who have nothing to do between the two. The kernel still posts both, and the ring keeps the first from the caller, so
/// a wait for one completion may end with none to be had.
///
/// ```swift
/// try ring.prepare(MergedNotification(SendZeroCopy(socket, from: buffer)), tag: .sent)
/// …
/// case .sent:
///     let completed = completion.take(MergedNotification<SendZeroCopy<Buffer>>.self)
///     // completed.result is the send's, and completed.operation.base.memory the buffer.
/// ```
///
/// - Requires: What the send requires.
/// - Important: The kernel touches what the send says.
@frozen
public struct MergedNotification<Base: ZeroCopyOperation & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The send.
    public var base: Base

    /// Makes one completion of a send's two.
    @inlinable @inline(__always)
    public init(_ base: consuming Base) {
        self.base = base
    }

    /// Whether the bytes were copied after all, if the send was asked to report that.
    @inlinable
    public var usage: ZeroCopyUsage? { base.usage }

    @inlinable public static var opcode: Opcode { Base.opcode }

    @inlinable public static var minimumKernel: KernelVersion { Base.minimumKernel }

    /// Merged: the ring keeps the result to itself until the notification comes.
    @inlinable public static var routing: CompletionRouting { .merged }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<Base.KernelData>) {
        unsafe base.encode(into: entry, kernelData: kernelData)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing Base.KernelData) -> Result<Int, Errno> {
        unsafe base.complete(completion, kernelData: kernelData)
    }
}
