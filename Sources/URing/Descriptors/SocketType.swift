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
