// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What a socket carries, `SOCK_*`.
@frozen
public struct SocketType: RawRepresentable, Sendable, Hashable {
    /// The number socket(2) takes.
    public let rawValue: Int32

    /// Takes the number socket(2) takes.
    @inlinable
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// A reliable stream of bytes.
    public static var stream: SocketType { SocketType(rawValue: Int32(SOCK_STREAM.rawValue)) }
    /// Datagrams that may be lost.
    public static var datagram: SocketType { SocketType(rawValue: Int32(SOCK_DGRAM.rawValue)) }
    /// Reliable datagrams in order.
    public static var sequencedPacket: SocketType { SocketType(rawValue: Int32(SOCK_SEQPACKET.rawValue)) }
    /// Network packets as they are.
    public static var raw: SocketType { SocketType(rawValue: Int32(SOCK_RAW.rawValue)) }
}

/// What addresses a socket has, `AF_*`.
@frozen
public struct SocketDomain: RawRepresentable, Sendable, Hashable {
    /// The number socket(2) takes.
    public let rawValue: Int32

    /// Takes the number socket(2) takes.
    @inlinable
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// No addresses; connecting a datagram socket to such an address ends its connection.
    public static var unspecified: SocketDomain { SocketDomain(rawValue: AF_UNSPEC) }
    /// Names of this machine.
    public static var unix: SocketDomain { SocketDomain(rawValue: AF_UNIX) }
    /// The Internet, version 4.
    public static var ipv4: SocketDomain { SocketDomain(rawValue: AF_INET) }
    /// The Internet, version 6.
    public static var ipv6: SocketDomain { SocketDomain(rawValue: AF_INET6) }
    /// Virtual machines and their host.
    public static var virtualMachine: SocketDomain { SocketDomain(rawValue: AF_VSOCK) }
    /// Network devices.
    ///
    /// The kernel answers `EINVAL` to a ``ReceiveMessage`` with room for control data: descriptors that come with it are to be closed on exec,
    /// and these sockets do not take the flag for that.
    public static var packet: SocketDomain { SocketDomain(rawValue: AF_PACKET) }
    /// The kernel's own services.
    public static var netlink: SocketDomain { SocketDomain(rawValue: AF_NETLINK) }
}

/// Which protocol a socket speaks, `IPPROTO_*`, when its domain and type leave a choice.
@frozen
public struct SocketProtocol: RawRepresentable, Sendable, Hashable {
    /// The number socket(2) takes.
    public let rawValue: Int32

    /// Takes the number socket(2) takes.
    @inlinable
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// The usual one for the domain and type.
    @inlinable public static var standard: SocketProtocol { SocketProtocol(rawValue: 0) }
    /// The Transmission Control Protocol.
    public static var tcp: SocketProtocol { SocketProtocol(rawValue: Int32(IPPROTO_TCP)) }
    /// The User Datagram Protocol.
    public static var udp: SocketProtocol { SocketProtocol(rawValue: Int32(IPPROTO_UDP)) }
    /// The Stream Control Transmission Protocol.
    public static var sctp: SocketProtocol { SocketProtocol(rawValue: Int32(IPPROTO_SCTP)) }
}

/// How a new socket's descriptor behaves; close-on-exec unless told otherwise.
@frozen
public struct SocketFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits, `SOCK_*`, with the one for close-on-exec inverted.
    public let rawValue: UInt32

    /// Takes the kernel's bits with the one for close-on-exec inverted.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Calls of the process that would wait fail with `EAGAIN`.
    ///
    /// A ring's operations wait all the same, except splices: ``SendFlags/doNotWait``, ``ReceiveFlags/doNotWait``, ``AcceptMode/doNotWait`` and
    /// ``TransferFlags/noWait`` have them fail with `EAGAIN` instead. So do more than a hundred events that somebody else was faster at, but for a
    /// ``Receive``: prepare the operation again.
    @inlinable public static var nonBlocking: SocketFlags { SocketFlags(rawValue: 0o4000) }
    /// The descriptor stays open in a program that the process executes, as a ``DirectDescriptor`` never does.
    @inlinable public static var inheritable: SocketFlags { SocketFlags(rawValue: 0o2000000) }

    /// The kernel's bits.
    @inlinable
    var kernelBits: UInt32 { rawValue ^ SocketFlags.inheritable.rawValue }

    /// The kernel's bits, without close-on-exec where the kernel refuses it.
    @inlinable
    func kernelBits<File: OwnedFile & ~Copyable>(for _: File.Type) -> UInt32 {
        File.isDirect ? rawValue & ~SocketFlags.inheritable.rawValue : kernelBits
    }
}

/// Which half of a connection to end, `SHUT_*`.
@frozen
public enum SocketDirection: UInt32, Sendable, Hashable {
    /// Receiving: it answers with the end of the stream.
    case receiving = 0
    /// Sending: the peer sees the end of the stream.
    case sending = 1
    /// Both.
    case both = 2
}
