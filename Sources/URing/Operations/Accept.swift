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
public struct AcceptedConnection: ~Copyable {
    /// The connection's socket.
    public var descriptor: Descriptor
    /// Where the other side is.
    public var peer: SocketAddress

    @inlinable @inline(__always)
    init(descriptor: consuming Descriptor, peer: SocketAddress) {
        self.descriptor = descriptor
        self.peer = peer
    }
}

/// Accepts one connection.
///
/// The result is the connection's socket and the peer's address. Whether more connections wait is
/// ``CompletionFlags/socketNotEmpty`` in the entry's flags (Linux 5.19).
///
/// - Requires: Linux 5.5, `IORING_OP_ACCEPT`.
/// - Important: The kernel writes the peer's address, which lies beside the operation, until the completion. The operation takes a
///   box of its own beside its slot, which is reused.
///
/// The liburing function is `io_uring_prep_accept`; see `io_uring_prep_accept(3)`, `accept(2)`.
@frozen
public struct Accept: SingleShotOperation, ~Copyable {
    /// The listening socket, kept open until the operation is done.
    public var file: FileHold
    /// How the connection's descriptor behaves.
    public var flags: SocketFlags
    /// How the accept waits.
    public var mode: AcceptMode

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The listening socket.
    ///   - flags: How the connection's descriptor behaves; it is close-on-exec unless they say otherwise.
    ///   - mode: How the accept waits.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, flags: SocketFlags = [], mode: AcceptMode = []) {
        self.file = file.hold()
        self.flags = flags
        self.mode = mode
    }

    @inlinable public static var opcode: Opcode { .accept }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 5) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<SocketAddress>) {
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe kernelData.initialize(to: .room)
        entry.opcode = .accept
        entry.setFile(file)
        entry.address = UInt64(UInt(bitPattern: kernelData))
        entry.offset = UInt64(UInt(bitPattern: kernelData) + UInt(SocketAddress.byteCountOffset))
        entry.operationFlags = flags.kernelBits
        entry.ioPriority = mode.kernelBits
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing SocketAddress
    ) -> Result<AcceptedConnection, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        return .success(AcceptedConnection(descriptor: Descriptor(received: completion.result), peer: kernelData.received))
    }
}

/// Accepts connections until it is ended.
///
/// Each result is one connection's socket; ask it for its ``Descriptor/peerAddress()``. Whether more connections wait is
/// ``CompletionFlags/socketNotEmpty`` in the completion's flags. When it ends with ``MultishotEnding/rearm``, prepare it again; `ECONNABORTED`,
/// `EMFILE` and their like are failures that end it too.
///
/// - Requires: Linux 5.19, `IORING_OP_ACCEPT` with `IORING_ACCEPT_MULTISHOT`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_multishot_accept`; see `io_uring_prep_multishot_accept(3)`, `accept(2)`.
@frozen
public struct AcceptMultishot: MultishotOperation, ~Copyable {
    /// The listening socket, kept open until the operation is done.
    public var file: FileHold
    /// How the connections' descriptors behave.
    public var flags: SocketFlags
    /// How the accept waits.
    public var mode: AcceptMode

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The listening socket.
    ///   - flags: How the connections' descriptors behave; they are close-on-exec unless they say otherwise.
    ///   - mode: How the accept waits; ``AcceptMode/pollFirst`` is of use here.
    @inlinable @inline(__always)
    public init(_ file: borrowing some FileResource & ~Copyable, flags: SocketFlags = [], mode: AcceptMode = []) {
        self.file = file.hold()
        self.flags = flags
        self.mode = mode
    }

    @inlinable public static var opcode: Opcode { .accept }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .accept
        entry.setFile(file)
        entry.operationFlags = flags.kernelBits
        entry.ioPriority = mode.kernelBits | CURING_ACCEPT_MULTISHOT
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Descriptor, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        return .success(Descriptor(received: completion.result))
    }
}
