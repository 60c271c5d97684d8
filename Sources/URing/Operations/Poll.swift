// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// What a file is ready for, `POLL*` and `EPOLL*`.
///
/// There is no level-triggered flag: no kernel from 6.0 on takes it. A ``Poll`` that is prepared again does the same.
@frozen
public struct PollEvents: OptionSet, BitwiseCopyable, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// There is something to read, or to accept.
    @inlinable public static var input: PollEvents { PollEvents(rawValue: 0x0001) }
    /// There is something urgent, such as out-of-band data.
    ///
    /// Asked for alone, the kernel (6.18) tells it only if it is there when the poll begins: what tells the ring that it has come is not
    /// looked at. With ``bandInput`` or ``input`` besides, a TCP socket's urgent byte ends the poll whenever it comes.
    @inlinable public static var priority: PollEvents { PollEvents(rawValue: 0x0002) }
    /// There is room to write.
    @inlinable public static var output: PollEvents { PollEvents(rawValue: 0x0004) }
    /// An error is pending, or the reader of a pipe is gone; always reported.
    @inlinable public static var error: PollEvents { PollEvents(rawValue: 0x0008) }
    /// The other side has hung up; always reported.
    @inlinable public static var hangUp: PollEvents { PollEvents(rawValue: 0x0010) }
    /// The descriptor is not one that can be polled; always reported.
    @inlinable public static var invalid: PollEvents { PollEvents(rawValue: 0x0020) }
    /// There is normal data to read.
    @inlinable public static var normalInput: PollEvents { PollEvents(rawValue: 0x0040) }
    /// There is data of a priority band to read.
    @inlinable public static var bandInput: PollEvents { PollEvents(rawValue: 0x0080) }
    /// Normal data can be written.
    @inlinable public static var normalOutput: PollEvents { PollEvents(rawValue: 0x0100) }
    /// Data of a priority band can be written.
    @inlinable public static var bandOutput: PollEvents { PollEvents(rawValue: 0x0200) }
    /// A message is there; Linux never says so.
    @inlinable public static var message: PollEvents { PollEvents(rawValue: 0x0400) }
    /// The peer of a stream socket has shut down its writing half; always reported by a ring's polls, and by ``EpollWait`` when asked for.
    @inlinable public static var readHangUp: PollEvents { PollEvents(rawValue: 0x2000) }
    /// Wakes one of several that wait for the same file instead of all; only to ask for, never reported.
    @inlinable public static var exclusive: PollEvents { PollEvents(rawValue: 0x1000_0000) }
}

extension SubmissionEntry {
    /// Writes poll events: the kernel takes the halves of the word in the order of little-endian machines.
    @inlinable @inline(__always)
    func setPollEvents(_ events: PollEvents) {
        #if _endian(little)
            operationFlags = events.rawValue
        #else
            operationFlags = events.rawValue << 16 | events.rawValue >> 16
        #endif
    }
}

/// Waits once until a file is ready.
///
/// The result is what it is ready for: some of the events asked for, or an error or hang-up, which are always reported. Errors of
/// the file are not errors of the poll.
///
/// - Requires: Linux 5.1, `IORING_OP_POLL_ADD`; ``PollEvents/exclusive`` Linux 5.9.
/// - Important: The kernel touches no memory. It keeps the file open, so closing the descriptor elsewhere does not end this; a
///   ``Cancel`` does.
///
/// The liburing function is `io_uring_prep_poll_add`; see `io_uring_prep_poll_add(3)`, `poll(2)`.
@frozen
public struct Poll: SingleShotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// What to wait for.
    public var events: PollEvents

    /// Makes a poll.
    ///
    /// - Parameters:
    ///   - file: The file to wait for.
    ///   - events: What to wait for; none at all waits for an error or hang-up.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, for events: PollEvents) {
        self.file = file.hold()
        self.events = events
    }

    @inlinable public static var opcode: Opcode { .pollAdd }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .pollAdd
        entry.setFile(file)
        entry.setPollEvents(events)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<PollEvents, Errno> {
        completion.pollEvents
    }
}

/// Tells again and again when a file becomes ready.
///
/// Each event says what the file has become ready for. It is edge-triggered: an event comes when something happens, at once if the file
/// is ready already, and not again for what was left unread. A poll that ends with ``MultishotEnding/rearm`` has reported a last
/// event, because the completion queue was full, or because the file cannot be waited for, such as a regular file: that is always ready, and
/// prepared again it ends at once again. Events that such a file does not report are `EINVAL`.
///
/// - Requires: Linux 5.13, `IORING_OP_POLL_ADD` with `IORING_POLL_ADD_MULTI`.
/// - Important: The kernel touches no memory. It keeps the file open, so closing the descriptor elsewhere does not end this; a
///   ``Cancel`` does.
///
/// The liburing function is `io_uring_prep_poll_multishot`; see `io_uring_prep_poll_multishot(3)`, `poll(2)`.
@frozen
public struct PollMultishot: MultishotOperation, ~Copyable {
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// What to report.
    public var events: PollEvents

    /// Makes a multishot poll.
    ///
    /// - Parameters:
    ///   - file: The file to watch.
    ///   - events: What to report; errors and hang-ups are reported in any case.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, for events: PollEvents) {
        self.file = file.hold()
        self.events = events
    }

    @inlinable public static var opcode: Opcode { .pollAdd }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 13) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .pollAdd
        entry.setFile(file)
        entry.length = CURING_POLL_ADD_MULTI
        entry.setPollEvents(events)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<PollEvents, Errno> {
        completion.pollEvents
    }
}

/// Changes what a poll in flight waits for.
///
/// The result says whether the poll was found. If it was and the file is ready for a new event already, the poll reports that at once. Only
/// the kernel's poll changes: the operation that comes back has the events it was prepared with, and asks for those when it is prepared again.
///
/// - Requires: Linux 5.13, `IORING_OP_POLL_REMOVE` with `IORING_POLL_UPDATE_EVENTS`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_poll_update`; see `io_uring_prep_poll_update(3)`.
@frozen
public struct PollUpdate: SingleShotOperation, ~Copyable {
    /// The poll to change.
    public var target: AnyToken
    /// What it is to wait for instead.
    public var events: PollEvents
    /// The kernel's flags of the update.
    @usableFromInline let flags: UInt32

    /// Makes an update of a poll.
    ///
    /// - Parameters:
    ///   - target: The poll, which the same ring prepared.
    ///   - events: What to wait for instead; ``PollEvents/exclusive`` stays as it was.
    @inlinable @inline(__always)
    public init(_ target: Token<Poll>, events: PollEvents) {
        self.target = AnyToken(target)
        self.events = events
        flags = CURING_POLL_UPDATE_EVENTS
    }

    /// Makes an update of a multishot poll.
    ///
    /// - Parameters:
    ///   - target: The poll, which the same ring prepared.
    ///   - events: What to report instead; ``PollEvents/exclusive`` stays as it was.
    @inlinable @inline(__always)
    public init(_ target: Token<PollMultishot>, events: PollEvents) {
        self.target = AnyToken(target)
        self.events = events
        flags = CURING_POLL_UPDATE_EVENTS | CURING_POLL_ADD_MULTI
    }

    @inlinable public static var opcode: Opcode { .pollRemove }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 13) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .pollRemove
        entry.fileDescriptor = -1
        unsafe entry.address = entry.target(target)
        entry.length = flags
        entry.setPollEvents(events)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<TargetOutcome, Errno>
    {
        completion.targetOutcome
    }
}

extension CompletionEntry {
    /// The result as what a file is ready for, or the error.
    @inlinable
    var pollEvents: Result<PollEvents, Errno> {
        @inline(__always) get {
            result < 0 ? .failure(Errno(rawValue: 0 &- result)) : .success(PollEvents(rawValue: UInt32(bitPattern: result)))
        }
    }
}
