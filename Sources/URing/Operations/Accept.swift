// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// How an accept waits, `IORING_ACCEPT_*`.
@frozen
public struct AcceptMode: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt16

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// Fails with `EAGAIN` rather than wait (Linux 6.10).
    @inlinable public static var doNotWait: AcceptMode { AcceptMode(rawValue: CURING_ACCEPT_DONTWAIT) }
    /// Waits for a connection first instead of trying at once (Linux 6.10).
    @inlinable public static var pollFirst: AcceptMode { AcceptMode(rawValue: CURING_ACCEPT_POLL_FIRST) }

    /// The kernel's bits without `IORING_ACCEPT_MULTISHOT`, which is for the operation's type to say.
    @inlinable
    var kernelBits: UInt16 { rawValue & ~CURING_ACCEPT_MULTISHOT }
}

/// A connection that a listening socket has accepted.
@frozen
public struct AcceptedConnection<File: OwnedFile & ~Copyable>: ~Copyable {
    /// The connection's socket.
    public var descriptor: File
    /// Where the other side is.
    public var peer: SocketAddress

    @inlinable @inline(__always)
    init(descriptor: consuming File, peer: SocketAddress) {
        self.descriptor = descriptor
        self.peer = peer
    }
}

/// Accepts one connection.
///
/// The result is the connection's socket and the peer's address. Whether more connections wait is
/// ``CompletionFlags/socketNotEmpty`` in the entry's flags (Linux 6.10). When a ring's file table has no free slot, the connection is
/// accepted and dropped, and the error is ``SystemPackage/Errno/fileTableFull``.
///
/// - Requires: Linux 5.5, `IORING_OP_ACCEPT`; into a file table Linux 5.15, into any slot of it 5.19.
/// - Important: The kernel writes the peer's address, which lies beside the operation, until the completion. The operation takes a
///   box of its own beside its slot, which is reused.
///
/// The liburing functions are `io_uring_prep_accept` and `io_uring_prep_accept_direct`; see `io_uring_prep_accept(3)`, `accept(2)`.
@frozen
public struct Accept<File: OwnedFile & ~Copyable>: SingleShotOperation, ~Copyable {
    /// The listening socket, kept open until the operation is done.
    public var file: FileHold
    /// How the connection's descriptor behaves.
    public var flags: SocketFlags
    /// How the accept waits.
    public var mode: AcceptMode
    /// Where the connection goes.
    public var place: File.Place

    @inlinable @inline(__always)
    init(file: consuming FileHold, flags: SocketFlags, mode: AcceptMode, place: consuming File.Place) {
        self.file = file
        self.flags = flags
        self.mode = mode
        self.place = place
    }

    @inlinable public static var opcode: Opcode { .accept }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 5) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<SocketAddress>) {
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe kernelData.initialize(to: .room)
        entry.opcode = .accept
        entry.setFile(file)
        unsafe entry.address = UInt64(UInt(bitPattern: kernelData))
        unsafe entry.offset = UInt64(UInt(bitPattern: kernelData) + UInt(SocketAddress.byteCountOffset))
        entry.operationFlags = flags.kernelBits(for: File.self)
        entry.ioPriority = mode.kernelBits
        entry.setPlace(place, of: File.self)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing SocketAddress
    ) -> Result<AcceptedConnection<File>, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        let descriptor = unsafe File(delivered: completion.result, to: &place)
        return .success(AcceptedConnection(descriptor: descriptor, peer: kernelData.received))
    }
}

extension Accept where File == Descriptor {
    /// Makes an operation that accepts a connection.
    ///
    /// - Parameters:
    ///   - file: The listening socket.
    ///   - flags: How the connection's descriptor behaves; it is close-on-exec unless they say otherwise.
    ///   - mode: How the accept waits.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, flags: SocketFlags = [], mode: AcceptMode = []) {
        self.init(file: file.hold(), flags: flags, mode: mode, place: Descriptor.Place())
    }
}

extension Accept where File == DirectDescriptor {
    /// Makes an operation that accepts a connection into a ring's file table.
    ///
    /// - Parameters:
    ///   - file: The listening socket.
    ///   - slot: Where the connection goes.
    ///   - flags: How the socket behaves.
    ///   - mode: How the accept waits.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, into slot: consuming FileSlot, flags: SocketFlags = [], mode: AcceptMode = []
    ) {
        self.init(file: file.hold(), flags: flags, mode: mode, place: slot)
    }
}

/// Accepts connections until it is ended.
///
/// Each result is one connection's socket; ask it for its ``Descriptor/peerAddress()``. Whether more connections wait is
/// ``CompletionFlags/socketNotEmpty`` in the completion's flags (Linux 6.10). When it ends with ``MultishotEnding/completionQueueFull``, there is a
/// connection as well, and it can be prepared again; `ECONNABORTED`, `EMFILE` and their like are failures that end it too.
///
/// When a ring's file table is full, the kernel accepts one more connection, drops it, and ends this with ``MultishotEnding/tableFull``:
/// watch ``FileTable/usedCount``, which leaves out what was not taken yet, and prepare it again when a slot is free.
///
/// - Requires: Linux 5.19, `IORING_OP_ACCEPT` with `IORING_ACCEPT_MULTISHOT`.
/// - Important: The kernel touches no memory.
///
/// The liburing functions are `io_uring_prep_multishot_accept` and `io_uring_prep_multishot_accept_direct`; see
/// `io_uring_prep_multishot_accept(3)`, `accept(2)`.
@frozen
public struct AcceptMultishot<File: OwnedFile & ~Copyable>: MultishotOperation, ~Copyable {
    /// The listening socket, kept open until the operation is done.
    public var file: FileHold
    /// How the connections' descriptors behave.
    public var flags: SocketFlags
    /// How the accept waits.
    public var mode: AcceptMode
    /// Where the connections go.
    public var place: File.Place

    @inlinable @inline(__always)
    init(file: consuming FileHold, flags: SocketFlags, mode: AcceptMode, place: consuming File.Place) {
        self.file = file
        self.flags = flags
        self.mode = mode
        self.place = place
    }

    @inlinable public static var opcode: Opcode { .accept }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .accept
        entry.setFile(file)
        entry.operationFlags = flags.kernelBits(for: File.self)
        entry.ioPriority = mode.kernelBits | CURING_ACCEPT_MULTISHOT
        entry.setPlace(place, of: File.self)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<File, Errno> {
        unsafe completion.deliver(to: &place)
    }

    @inlinable
    public borrowing func ending(_ completion: CompletionEntry) -> MultishotEnding {
        switch completion.errno {
        case nil: .completionQueueFull
        case .canceled?: .cancelled
        // Without a table, it is the whole system that has too many open files.
        case Errno.fileTableFull? where File.isDirect: .tableFull
        case let errno?: .failed(errno)
        }
    }
}

extension AcceptMultishot where File == Descriptor {
    /// Makes an operation that accepts connections.
    ///
    /// - Parameters:
    ///   - file: The listening socket.
    ///   - flags: How the connections' descriptors behave; they are close-on-exec unless they say otherwise.
    ///   - mode: How the accept waits; ``AcceptMode/pollFirst`` is of use here.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, flags: SocketFlags = [], mode: AcceptMode = []) {
        self.init(file: file.hold(), flags: flags, mode: mode, place: Descriptor.Place())
    }
}

extension AcceptMultishot where File == DirectDescriptor {
    /// Makes an operation that accepts connections into a ring's file table, each into a slot that the kernel chooses.
    ///
    /// - Parameters:
    ///   - file: The listening socket.
    ///   - table: The table of the ring that the operation is prepared on.
    ///   - flags: How the sockets behave.
    ///   - mode: How the accept waits; ``AcceptMode/pollFirst`` is of use here.
    @inlinable @inline(__always)
    public init(
        _ file: borrowing some FileResource & ~Copyable, into table: borrowing FileTable, flags: SocketFlags = [], mode: AcceptMode = []
    ) {
        self.init(file: file.hold(), flags: flags, mode: mode, place: table.anySlot)
    }
}
