// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A send whose memory the network reads directly, and which says twice what came of it.
///
/// The first completion has the result: so many bytes are on their way, or the send failed. The kernel may still read the memory,
/// so the operation stays where it is. The second one, the notification, gives it back. It comes when nothing refers to the memory any
/// more, for TCP not before the peer has acknowledged all of it or the connection is reset; cancelling does not bring it earlier. A send that
/// fails has both completions too, unless the kernel refused it before it looked at the socket: then there is only the last one.
///
/// The operation holds its socket until the result was taken or dropped, so that a connection can be closed whose peer does not read any more.
/// Prepared again, it goes on with the same socket if anything has that open still, and otherwise fails with `EBADF`.
///
/// ``Completion/event(_:)`` gives the result as ``Event/more(_:)`` and the operation as ``Event/finished(_:)``, with its ``usage`` and the
/// result once more. ``MergedNotification`` makes one completion of the two, and a ``NotificationGroup`` one of the notifications of many.
public protocol ZeroCopyOperation: RepeatingOperation, LinkableOperation, ~Copyable where Success == Int {
    /// What the completions have said so far.
    var record: ZeroCopyRecord { get }
}

extension ZeroCopyOperation where Self: ~Copyable {
    /// Whether the bytes were copied after all, once the operation is back.
    ///
    /// Nothing when it was not asked to report that, or when it failed before the kernel had taken the memory.
    @inlinable
    public var usage: ZeroCopyUsage? { record.usage }

    /// The ring counts results and notifications, and a group may keep the notification.
    @inlinable public static var routing: CompletionRouting { .tracked }
}

/// What became of the memory of a zero-copy send, as far as the kernel knows.
@frozen
public enum ZeroCopyUsage: BitwiseCopyable, Sendable, Hashable {
    /// The network read it directly.
    case zeroCopied
    /// The kernel copied at least a part of it, as it does when the bytes go to the same machine, or the device cannot gather them.
    case copied
}

/// What the completions of a zero-copy send have said; each operation keeps one, which makes its results.
@frozen
public struct ZeroCopyRecord: BitwiseCopyable, Sendable {
    /// The send's result, as the kernel said it.
    @usableFromInline var sent: Int32
    /// What the notification said.
    @usableFromInline var reported: ZeroCopyUsage?

    /// Makes the record of an operation that has not begun.
    @inlinable @inline(__always)
    public init() {
        sent = 0
        reported = nil
    }

    /// What became of the memory, if that was reported.
    @inlinable
    public var usage: ZeroCopyUsage? { reported }

    /// Makes the result of a completion: the send's own, and of the notification the same once more.
    ///
    /// - Parameters:
    ///   - completion: What the kernel said.
    ///   - reportsUsage: Whether the kernel was asked to say what became of the memory.
    ///   - file: The operation's hold of its socket. It lets go with the result, because the notification may not come before the socket is
    ///     closed, and takes hold again with the notification.
    /// - Returns: How many bytes were sent, or the error.
    @inlinable @inline(__always)
    public mutating func result(of completion: CompletionEntry, reportsUsage: Bool, on file: inout FileHold) -> Result<Int, Errno> {
        if completion.flags.contains(.more) { file.letGo() } else { file.takeAgain() }
        if completion.flags.contains(.notification) {
            if reportsUsage {
                let isCopied = UInt32(bitPattern: completion.result) & CURING_NOTIF_USAGE_ZC_COPIED != 0
                reported = isCopied ? .copied : .zeroCopied
            }
        } else {
            sent = completion.result
        }
        return CompletionEntry(result: sent).count
    }
}

extension SubmissionEntry {
    /// Fills in what all zero-copy sends have, and begins their record.
    @inlinable @inline(__always)
    func setZeroCopySend(
        _ file: borrowing FileHold, flags: SendFlags, pollFirst: Bool, reportsUsage: Bool, _ record: inout ZeroCopyRecord
    ) {
        record = ZeroCopyRecord()
        setFile(file)
        operationFlags = flags.kernelBits
        ioPriority = (pollFirst ? CURING_RECVSEND_POLL_FIRST : 0) | (reportsUsage ? CURING_SEND_ZC_REPORT_USAGE : 0)
    }

    /// Says that the memory of a zero-copy send is part of a registered buffer, if its type is of such memory.
    @inlinable @inline(__always)
    func setZeroCopyRegistration<Memory: OperationMemory & ~Copyable>(of memory: borrowing Memory) {
        if Memory.isRegistered {
            ioPriority |= CURING_RECVSEND_FIXED_BUF
            setRegistration(of: memory)
        }
    }
}
