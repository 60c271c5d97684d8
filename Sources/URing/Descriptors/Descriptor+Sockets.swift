// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

// What a program does with sockets while it starts, by plain system calls: none of them waits.

extension Descriptor {
    /// Makes a socket as socket(2) does, with close-on-exec.
    ///
    /// For making one through a ring there is ``Socket``.
    public static func socket(
        _ domain: SocketDomain, _ type: SocketType, protocol number: SocketProtocol = .standard, flags: SocketFlags = []
    ) throws(Errno) -> Descriptor {
        let number = Glibc.socket(domain.rawValue, type.rawValue | Int32(bitPattern: flags.kernelBits), number.rawValue)
        guard number >= 0 else { throw Errno(rawValue: Glibc.errno) }
        return Descriptor(received: number)
    }

    /// Makes a stream socket that listens at an address.
    ///
    /// The address can be bound again at once after the program has ended (`SO_REUSEADDR`). For doing it through a ring there are ``Bind``
    /// and ``Listen``, from Linux 6.11 on.
    ///
    /// - Parameters:
    ///   - address: Where to listen; port 0 takes a free one, see ``localAddress()``.
    ///   - backlog: How many connections may wait to be accepted; no more than the system's limit.
    ///   - sharesPort: Whether other sockets may listen at the address too and get their share of the connections (`SO_REUSEPORT`).
    /// - Returns: The listening socket.
    /// - Throws: What socket(2), setsockopt(2), bind(2) or listen(2) says.
    public static func listening(at address: SocketAddress, backlog: Int = 4096, sharesPort: Bool = false) throws(Errno) -> Descriptor {
        let listener = try socket(address.domain, .stream)
        if address.domain != .unix { try listener.setOption(.reuseAddress, to: true) }
        if sharesPort { try listener.setOption(.reusePort, to: true) }
        try listener.bind(to: address)
        try listener.listen(backlog: backlog)
        return listener
    }

    /// Gives the socket its own address, as bind(2) does.
    public borrowing func bind(to address: SocketAddress) throws(Errno) {
        let number = socketNumber
        let status = unsafe address.withSockaddr { unsafe Glibc.bind(number, $0, $1) }
        if status != 0 { throw Errno(rawValue: Glibc.errno) }
    }

    /// Lets the socket take connections, as listen(2) does.
    public borrowing func listen(backlog: Int = 4096) throws(Errno) {
        if Glibc.listen(socketNumber, Int32(clamping: backlog)) != 0 { throw Errno(rawValue: Glibc.errno) }
    }

    /// The socket's own address, as getsockname(2) gives it.
    public borrowing func localAddress() throws(Errno) -> SocketAddress {
        let number = socketNumber
        return try unsafe SocketAddress.fromKernel { unsafe getsockname(number, $0, $1) }
    }

    /// The address the socket is connected to, as getpeername(2) gives it.
    public borrowing func peerAddress() throws(Errno) -> SocketAddress {
        let number = socketNumber
        return try unsafe SocketAddress.fromKernel { unsafe getpeername(number, $0, $1) }
    }

    /// Sets an option, as setsockopt(2) does.
    ///
    /// For doing it through a ring, also for a ``DirectDescriptor``, there is ``SetSocketOption``.
    public borrowing func setOption<Value>(_ option: SocketOption<Value>, to value: Value) throws(Errno) {
        var number = value.optionNumber
        // SAFETY: the kernel reads the number during the call.
        let status = unsafe setsockopt(socketNumber, option.level, option.name, &number, socklen_t(MemoryLayout<Int32>.size))
        if status != 0 { throw Errno(rawValue: Glibc.errno) }
    }

    /// Reads an option, as getsockopt(2) does.
    ///
    /// For doing it through a ring, also for a ``DirectDescriptor``, there is ``GetSocketOption``.
    public borrowing func option<Value>(_ option: SocketOption<Value>) throws(Errno) -> Value {
        var number: Int32 = 0
        var count = socklen_t(MemoryLayout<Int32>.size)
        // SAFETY: the kernel writes the number, and no more than `count` bytes, during the call.
        let status = unsafe getsockopt(socketNumber, option.level, option.name, &number, &count)
        if status != 0 { throw Errno(rawValue: Glibc.errno) }
        return Value(optionNumber: number)
    }

    /// Has the end of the socket reset its connection, instead of sending first what the peer has not taken: `SO_LINGER` with no time.
    ///
    /// Whoever is at the other end gets `ECONNRESET`. It is the way to be rid at once of a peer that does not read, and brings back the
    /// memory of zero-copy sends. The socket ends when nobody has it open any more: when the descriptor is closed or dropped, and no operation
    /// holds it.
    public borrowing func resetWhenClosed() throws(Errno) {
        var linger = linger(l_onoff: 1, l_linger: 0)
        // SAFETY: the kernel reads the structure during the call.
        let status = unsafe setsockopt(socketNumber, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        if status != 0 { throw Errno(rawValue: Glibc.errno) }
    }

    private var socketNumber: Int32 { unowned.fileDescriptor.rawValue }
}

/// An option of sockets, with the type of its value.
@frozen
public struct SocketOption<Value: SocketOptionValue>: Sendable, Hashable {
    /// The level, `SOL_*` or `IPPROTO_*`.
    public let level: Int32
    /// The name, `SO_*` and others.
    public let name: Int32

    /// Names an option by its numbers; its value must be an `int` for the kernel.
    ///
    /// - Precondition: It is not `SO_GET_FILTER` (nor `SO_ATTACH_FILTER`, which is the same number), whose size the kernel counts in
    ///   instructions: it would write eight times as much as there is room for.
    @inlinable
    public init(level: Int32, name: Int32) {
        require(
            level != SOL_SOCKET || name != SO_ATTACH_FILTER,
            "SO_GET_FILTER is no option with a number: the kernel counts instructions instead of bytes.")
        self.level = level
        self.name = name
    }
}

/// The value of a socket option that is an `int` for the kernel: `Bool` and `Int32`.
public protocol SocketOptionValue: Sendable, Hashable {
    /// Makes the value of the kernel's number.
    init(optionNumber: Int32)
    /// The kernel's number.
    var optionNumber: Int32 { get }
}

extension Bool: SocketOptionValue {
    /// Takes any number but 0 as true.
    @inlinable
    public init(optionNumber: Int32) { self = optionNumber != 0 }
    /// One for true.
    @inlinable
    public var optionNumber: Int32 { self ? 1 : 0 }
}

extension Int32: SocketOptionValue {
    /// Takes the number.
    @inlinable
    public init(optionNumber: Int32) { self = optionNumber }
    /// The number.
    @inlinable
    public var optionNumber: Int32 { self }
}

extension SocketOption where Value == Bool {
    /// Lets an address be bound while connections of an earlier program linger at it, `SO_REUSEADDR`.
    public static var reuseAddress: SocketOption { SocketOption(level: SOL_SOCKET, name: SO_REUSEADDR) }
    /// Lets several sockets bind the same address and share what arrives, `SO_REUSEPORT`.
    public static var reusePort: SocketOption { SocketOption(level: SOL_SOCKET, name: SO_REUSEPORT) }
    /// Probes idle connections, `SO_KEEPALIVE`.
    public static var keepAlive: SocketOption { SocketOption(level: SOL_SOCKET, name: SO_KEEPALIVE) }
    /// Allows sending to broadcast addresses, `SO_BROADCAST`.
    public static var broadcast: SocketOption { SocketOption(level: SOL_SOCKET, name: SO_BROADCAST) }
    /// Attaches the sender's process, user and group to messages of Unix sockets, `SO_PASSCRED`.
    public static var passCredentials: SocketOption { SocketOption(level: SOL_SOCKET, name: SO_PASSCRED) }
    /// Sends small amounts at once instead of gathering them, `TCP_NODELAY`.
    public static var noDelay: SocketOption { SocketOption(level: Int32(IPPROTO_TCP), name: TCP_NODELAY) }
    /// Keeps an IPv6 socket from taking IPv4 as well, `IPV6_V6ONLY`.
    public static var ipv6Only: SocketOption { SocketOption(level: Int32(IPPROTO_IPV6), name: IPV6_V6ONLY) }
}

extension SocketOption where Value == Int32 {
    /// Room for what was received and not read yet, in bytes, `SO_RCVBUF`; the kernel doubles what it is given.
    public static var receiveBufferSize: SocketOption { SocketOption(level: SOL_SOCKET, name: SO_RCVBUF) }
    /// Room for what was written and not sent yet, in bytes, `SO_SNDBUF`; the kernel doubles what it is given.
    public static var sendBufferSize: SocketOption { SocketOption(level: SOL_SOCKET, name: SO_SNDBUF) }
    /// The error that waits on the socket, which reading it clears, or 0: `SO_ERROR`.
    public static var pendingError: SocketOption { SocketOption(level: SOL_SOCKET, name: SO_ERROR) }
    /// The socket's type, read only, `SO_TYPE`.
    public static var type: SocketOption { SocketOption(level: SOL_SOCKET, name: SO_TYPE) }
}

extension SocketAddress {
    /// Lends the bytes to a system call.
    fileprivate func withSockaddr(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        // SAFETY: glibc and the kernel take the structure by its bytes and count; its alignment does not matter to them.
        unsafe withUnsafePointer(to: self) { unsafe body(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), storedByteCount) }
    }

    /// Has a system call fill in an address.
    fileprivate static func fromKernel(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) throws(Errno) -> SocketAddress {
        var address = SocketAddress.room
        // SAFETY: the bytes come first, 128 of them, and their count right behind them; see `byteCountOffset`.
        let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            let start = UnsafeMutableRawPointer(pointer)
            return unsafe body(
                start.assumingMemoryBound(to: sockaddr.self), (start + byteCountOffset).assumingMemoryBound(to: socklen_t.self))
        }
        if status != 0 { throw Errno(rawValue: Glibc.errno) }
        return address.received
    }
}
