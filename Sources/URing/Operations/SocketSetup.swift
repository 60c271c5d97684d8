// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Makes a socket.
///
/// The result is its descriptor. When a ring's file table has no free slot for it, the error is ``SystemPackage/Errno/fileTableFull``.
///
/// - Requires: Linux 5.19, `IORING_OP_SOCKET`.
/// - Important: The kernel touches no memory.
///
/// The liburing functions are `io_uring_prep_socket` and `io_uring_prep_socket_direct`; see `io_uring_prep_socket(3)`, `socket(2)`.
@frozen
public struct Socket<File: OwnedFile & ~Copyable>: SingleShotOperation, ~Copyable {
    /// What addresses it has.
    public var domain: SocketDomain
    /// What it carries.
    public var type: SocketType
    /// Which protocol it speaks.
    public var protocolNumber: SocketProtocol
    /// How its descriptor behaves.
    public var flags: SocketFlags
    /// Where the socket goes.
    public var place: File.Place

    @inlinable @inline(__always)
    init(
        domain: SocketDomain, type: SocketType, protocolNumber: SocketProtocol, flags: SocketFlags, place: consuming File.Place
    ) {
        self.domain = domain
        self.type = type
        self.protocolNumber = protocolNumber
        self.flags = flags
        self.place = place
    }

    @inlinable public static var opcode: Opcode { .socket }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .socket
        entry.fileDescriptor = domain.rawValue
        unsafe entry.offset = UInt64(UInt32(bitPattern: type.rawValue) | flags.kernelBits(for: File.self))
        entry.length = UInt32(bitPattern: protocolNumber.rawValue)
        entry.setPlace(place, of: File.self)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<File, Errno> {
        unsafe completion.deliver(to: &place)
    }
}

extension Socket where File == Descriptor {
    /// Makes an operation that makes a socket.
    ///
    /// - Parameters:
    ///   - domain: What addresses the socket has.
    ///   - type: What it carries.
    ///   - protocolNumber: Which protocol it speaks, when domain and type leave a choice.
    ///   - flags: How its descriptor behaves; it is close-on-exec unless they say otherwise.
    @inlinable @inline(__always)
    public init(
        _ domain: SocketDomain, _ type: SocketType, protocol protocolNumber: SocketProtocol = .standard, flags: SocketFlags = []
    ) {
        self.init(domain: domain, type: type, protocolNumber: protocolNumber, flags: flags, place: Descriptor.Place())
    }
}

extension Socket where File == DirectDescriptor {
    /// Makes an operation that makes a socket in a ring's file table.
    ///
    /// - Parameters:
    ///   - domain: What addresses the socket has.
    ///   - type: What it carries.
    ///   - protocolNumber: Which protocol it speaks, when domain and type leave a choice.
    ///   - slot: Where the socket goes.
    ///   - flags: How the socket behaves.
    @inlinable @inline(__always)
    public init(
        _ domain: SocketDomain, _ type: SocketType, protocol protocolNumber: SocketProtocol = .standard, into slot: consuming FileSlot,
        flags: SocketFlags = []
    ) {
        self.init(domain: domain, type: type, protocolNumber: protocolNumber, flags: flags, place: slot)
    }
}

/// Gives a socket its own address.
///
/// - Requires: Linux 6.11, `IORING_OP_BIND`; on older kernels use ``Descriptor/bind(to:)``.
/// - Important: The kernel reads the address until it has consumed the entry.
///
/// The liburing function is `io_uring_prep_bind`; see `io_uring_prep_bind(3)`, `bind(2)`.
@frozen
public struct Bind: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// The address.
    public var address: SocketAddress

    /// Makes the operation; port 0 takes a free port.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, to address: SocketAddress) {
        self.file = file.hold()
        self.address = address
    }

    @inlinable public static var opcode: Opcode { .bind }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 11) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<SocketAddress>) {
        entry.opcode = .bind
        entry.setFile(file)
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe entry.setAddress(address, at: kernelData)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing SocketAddress) -> Result<Void, Errno> {
        completion.status
    }
}

/// Lets a socket take connections.
///
/// - Requires: Linux 6.11, `IORING_OP_LISTEN`; on older kernels use ``Descriptor/listen(backlog:)``.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_listen`; see `io_uring_prep_listen(3)`, `listen(2)`.
@frozen
public struct Listen: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// How many connections may wait to be accepted.
    public var backlog: Int32

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The socket, with an address.
    ///   - backlog: How many connections may wait to be accepted; no more than the system's limit, 4096 unless it was changed.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, backlog: Int32 = 4096) {
        self.file = file.hold()
        self.backlog = backlog
    }

    @inlinable public static var opcode: Opcode { .listen }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 11) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .listen
        entry.setFile(file)
        entry.length = UInt32(bitPattern: backlog)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}

/// Connects a socket to an address.
///
/// It succeeds when the connection is made, also on a blocking socket: nothing blocks. A stream socket whose connecting was cancelled or has
/// failed is best dropped.
///
/// - Requires: Linux 5.5, `IORING_OP_CONNECT`.
/// - Important: The kernel reads the address until it has consumed the entry.
///
/// The liburing function is `io_uring_prep_connect`; see `io_uring_prep_connect(3)`, `connect(2)`.
@frozen
public struct Connect: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// The address.
    public var address: SocketAddress

    /// Makes the operation.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, to address: SocketAddress) {
        self.file = file.hold()
        self.address = address
    }

    @inlinable public static var opcode: Opcode { .connect }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 5) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<SocketAddress>) {
        entry.opcode = .connect
        entry.setFile(file)
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe entry.setAddress(address, at: kernelData)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing SocketAddress) -> Result<Void, Errno> {
        completion.status
    }
}

/// Ends a connection, or one half of it.
///
/// Receives that wait on the socket end with 0, and accepts with `EINVAL`; this is one way to end them. An ``AcceptMultishot`` on a Unix socket
/// and a ``ReceiveMultishot`` of datagrams go on (6.18): these are cancelled.
///
/// - Requires: Linux 5.11, `IORING_OP_SHUTDOWN`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_shutdown`; see `io_uring_prep_shutdown(3)`, `shutdown(2)`.
@frozen
public struct Shutdown: SingleShotOperation, ~Copyable {
    /// The socket, kept open until the operation is done.
    public var file: FileHold
    /// Which half to end.
    public var direction: SocketDirection

    /// Makes the operation.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, _ direction: SocketDirection) {
        self.file = file.hold()
        self.direction = direction
    }

    @inlinable public static var opcode: Opcode { .shutdown }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 11) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .shutdown
        entry.setFile(file)
        entry.length = direction.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}

extension SubmissionEntry {
    /// Points the entry at an address that is put beside the operation.
    @inlinable @inline(__always)
    @unsafe func setAddress(_ address: SocketAddress, at kernelData: UnsafeMutablePointer<SocketAddress>) {
        unsafe kernelData.initialize(to: address)
        unsafe self.address = UInt64(UInt(bitPattern: kernelData))
        unsafe offset = UInt64(address.storedByteCount)
    }
}
