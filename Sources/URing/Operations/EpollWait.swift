// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// What an epoll set says of one of its files, `struct epoll_event`.
@frozen
public struct EpollEvent: BitwiseCopyable, Sendable, Hashable {
    /// What the file is ready for.
    public let events: PollEvents
    /// What the file was put into the set with, `epoll_data_t`.
    public let data: UInt64

    @inlinable @inline(__always)
    init(events: PollEvents, data: UInt64) {
        self.events = events
        self.data = data
    }
}

/// Room for the events of an epoll set, with those that were there last.
@frozen
public struct EpollEvents: ~Copyable, Sendable {
    @usableFromInline var memory: Buffer
    /// How many events there is room for.
    public let capacity: Int

    /// Allocates room for so many events.
    ///
    /// - Precondition: It is one at least, and fewer than 2 GiB.
    public init(capacity: Int) {
        require(
            capacity >= 1 && capacity <= Int(Int32.max) / EpollEvents.stride,
            "There must be room for one event at least, and for no more than 2 GiB of them.")
        memory = Buffer(byteCapacity: capacity * EpollEvents.stride)
        self.capacity = capacity
    }

    /// How many events there were.
    @inlinable
    public var count: Int { memory.count / EpollEvents.stride }

    /// An event.
    ///
    /// - Precondition: There were so many.
    @inlinable
    public subscript(index: Int) -> EpollEvent {
        require(index >= 0 && index < count, "There is no such event.")
        let offset = index &* EpollEvents.stride
        // SAFETY: the index was checked, and any bytes are numbers.
        return unsafe EpollEvent(
            events: PollEvents(rawValue: memory.kernelBytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)),
            data: memory.kernelBytes.loadUnaligned(fromByteOffset: offset &+ Int(CURING_EPOLL_DATA_OFFSET), as: UInt64.self))
    }

    /// How many bytes events are apart: the kernel packs them on x86-64.
    @inlinable static var stride: Int { Int(CURING_EPOLL_EVENT_SIZE) }
}

/// Waits for an epoll set to have events, and takes them.
///
/// The result is how many there are in ``events``, one at least. A level-triggered file is told of again by the next operation for as long
/// as it is ready. A file goes from its set with its last descriptor, whoever closes that: this is the one way to wait in a ring
/// for files that others may close, because a poll of the ring keeps its file open.
///
/// - Requires: Linux 6.15, `IORING_OP_EPOLL_WAIT`.
/// - Important: The kernel writes to the events until the operation is done.
///
/// The liburing function is `io_uring_prep_epoll_wait`; see `epoll_wait(2)`.
@frozen
public struct EpollWait: SingleShotOperation, ~Copyable {
    /// The epoll set, kept open until the operation is done.
    public var set: FileHold
    /// Where the events go.
    public var events: EpollEvents

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - set: The epoll set; another file is `EINVAL` in the result.
    ///   - events: Where the events go; it waits for one of them, and takes no more than there is room for.
    @inlinable @inline(__always)
    public init(_ set: borrowing some FileResource & ~Copyable, into events: consuming EpollEvents) {
        self.set = set.hold()
        self.events = events
    }

    @inlinable public static var opcode: Opcode { .epollWait }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 15) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .epollWait
        entry.setFile(set)
        // SAFETY: the memory is the operation's own, and has room for so many events.
        unsafe entry.address = UInt64(UInt(bitPattern: events.memory.kernelRoom.baseAddress))
        entry.length = UInt32(truncatingIfNeeded: events.capacity)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        // SAFETY: the kernel has written so many events.
        unsafe events.memory.didInitialize(byteCount: Int(max(completion.result, 0)) * EpollEvents.stride)
        return completion.count
    }
}
