// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// What an epoll set says of one of its files, `struct epoll_event`.
@frozen
public struct EpollEvent: BitwiseCopyable, Sendable, Hashable {
    @usableFromInline let event: curing_epoll_event

    @inlinable @inline(__always)
    init(events: PollEvents, data: UInt64) {
        event = curing_epoll_event(events: events.rawValue, data: data)
    }

    /// What the file is ready for.
    @inlinable
    public var events: PollEvents { PollEvents(rawValue: event.events) }

    /// What the file was put into the set with, `epoll_data_t`.
    @inlinable
    public var data: UInt64 { event.data }

    /// Compares what the files are ready for, and what they were put in with.
    @inlinable
    public static func == (left: EpollEvent, right: EpollEvent) -> Bool { left.events == right.events && left.data == right.data }

    /// Hashes what the file is ready for, and what it was put in with.
    @inlinable
    public func hash(into hasher: inout Hasher) {
        hasher.combine(events)
        hasher.combine(data)
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
        // SAFETY: the index was checked, and any bytes are numbers.
        return unsafe memory.kernelBytes.loadUnaligned(fromByteOffset: index &* EpollEvents.stride, as: EpollEvent.self)
    }

    /// How many bytes events are apart: the kernel packs them on x86-64.
    @inlinable static var stride: Int { MemoryLayout<EpollEvent>.stride }
}

/// How an epoll set tells of a file, `EPOLLET` and `EPOLLONESHOT`; nothing set tells of it for as long as it is ready.
@frozen
public struct EpollFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Tells of what happens, and not again of what was left unread.
    @inlinable public static var edgeTriggered: EpollFlags { EpollFlags(rawValue: CURING_EPOLLET) }
    /// Tells once, and then no more until the file is modified.
    @inlinable public static var oneShot: EpollFlags { EpollFlags(rawValue: CURING_EPOLLONESHOT) }
}

/// Puts a file into an epoll set, changes what it is there for, or takes it out.
///
/// The result is empty. A file that is to be added and is there already is `EEXIST`, one that is to be modified or removed and is not there
/// `ENOENT`, and one that cannot be waited for, such as a regular file, `EPERM`.
///
/// ``Descriptor/epollSet()`` makes a set. The operation keeps the set and the file open until it is done. Afterwards nobody owns the file for the set: it goes from there with the last
/// of its descriptors, whoever has that. The set knows a file by its number too, so remove it before you close one of several descriptors
/// of it; the set would else go on telling of a file that can no longer be removed.
///
/// - Requires: Linux 5.6, `IORING_OP_EPOLL_CTL`.
/// - Important: The kernel has its own copy of what is to be told once it has consumed the entry.
///
/// The liburing function is `io_uring_prep_epoll_ctl`; see `io_uring_prep_epoll_ctl(3)`, `epoll_ctl(2)`.
@frozen
public struct EpollControl: SingleShotOperation, ~Copyable {
    /// The epoll set, kept open until the operation is done.
    public var set: FileHold
    /// The file, kept open until the operation is done.
    public var file: FileHold
    /// What the file is to be waited for; nothing when it is removed.
    public var events: PollEvents
    /// How it is told of.
    public var flags: EpollFlags
    /// What its events carry.
    public var data: UInt64
    /// What is done, for the kernel.
    @usableFromInline let change: UInt32

    @inlinable @inline(__always)
    init(
        _ change: UInt32, _ file: consuming FileHold, of set: consuming FileHold, for events: PollEvents, flags: EpollFlags, data: UInt64
    ) {
        self.change = change
        self.set = set
        self.file = file
        self.events = events
        self.flags = flags
        self.data = data
    }

    /// Makes an operation that puts a file into an epoll set.
    ///
    /// - Parameters:
    ///   - set: The epoll set; another file is `EINVAL` in the result.
    ///   - file: The file. The kernel does not take a direct descriptor.
    ///   - events: What to wait for; errors and hang-ups are told of in any case.
    ///   - flags: How it is told of.
    ///   - data: What the file's events carry, such as a number that the caller knows the file by.
    @inlinable @inline(__always)
    public init(
        _ set: borrowing some NumberedFileResource & ~Copyable, adding file: borrowing some NumberedFileResource & ~Copyable,
        for events: PollEvents, flags: EpollFlags = [], data: UInt64
    ) {
        self.init(CURING_EPOLL_CTL_ADD, file.hold(), of: set.hold(), for: events, flags: flags, data: data)
    }

    /// Makes an operation that changes what a file is in an epoll set for.
    ///
    /// - Parameters:
    ///   - set: The epoll set; another file is `EINVAL` in the result.
    ///   - file: The file, by the number that it was added with.
    ///   - events: What to wait for instead; with ``PollEvents/exclusive`` it is `EINVAL` in the result.
    ///   - flags: How it is told of.
    ///   - data: What the file's events carry.
    @inlinable @inline(__always)
    public init(
        _ set: borrowing some NumberedFileResource & ~Copyable, modifying file: borrowing some NumberedFileResource & ~Copyable,
        for events: PollEvents, flags: EpollFlags = [], data: UInt64
    ) {
        self.init(CURING_EPOLL_CTL_MOD, file.hold(), of: set.hold(), for: events, flags: flags, data: data)
    }

    /// Makes an operation that takes a file out of an epoll set.
    ///
    /// - Parameters:
    ///   - set: The epoll set; another file is `EINVAL` in the result.
    ///   - file: The file, by the number that it was added with.
    @inlinable @inline(__always)
    public init(
        _ set: borrowing some NumberedFileResource & ~Copyable, removing file: borrowing some NumberedFileResource & ~Copyable
    ) {
        self.init(CURING_EPOLL_CTL_DEL, file.hold(), of: set.hold(), for: [], flags: [], data: 0)
    }

    @inlinable public static var opcode: Opcode { .epollCtl }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<EpollEvent>) {
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe kernelData.initialize(to: EpollEvent(events: PollEvents(rawValue: events.rawValue | flags.rawValue), data: data))
        entry.opcode = .epollCtl
        entry.fileDescriptor = set.processNumber
        unsafe entry.address = UInt64(UInt(bitPattern: kernelData))
        entry.length = change
        unsafe entry.offset = UInt64(UInt32(bitPattern: file.processNumber))
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing EpollEvent) -> Result<Void, Errno> {
        completion.status
    }
}

/// Waits for an epoll set to have events, and takes them.
///
/// The result is how many there are in ``events``, one at least; `EAGAIN` after more than a hundred events that somebody else was faster to
/// take, so have one operation wait for a set. A level-triggered file is told of again by the next operation for as long
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
