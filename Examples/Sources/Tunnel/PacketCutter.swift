// SPDX-License-Identifier: Apache-2.0

import Support
import URing

/// An IP packet, in the part of a buffer that it came in, or in memory of its own if it came in pieces.
enum Packet: ~Copyable {
    case leased(BufferLease)
    case copied(Buffer)
}

/// Cuts a stream into IP packets, each of which says itself how long it is.
///
/// A packet that lies in one buffer is cut out of it without a copy.
struct PacketCutter: ~Copyable {
    private let packetByteCount: Int
    /// The beginning of a packet whose rest is still to come.
    private var beginning: Buffer?

    /// How many bytes of a packet tell how long it is.
    private static var lengthEnd: Int { 6 }

    init(packetByteCount: Int) {
        self.packetByteCount = packetByteCount
    }

    /// Takes the next packet out of received bytes; nil when all of them are used.
    mutating func next(from lease: inout BufferLease) throws(Failure) -> Packet? {
        if var packet = beginning.take() {
            // The length first, and then what it says.
            try fill(&packet, upTo: PacketCutter.lengthEnd, from: &lease)
            if packet.count >= PacketCutter.lengthEnd {
                let byteCount = try length(packet.span)
                try fill(&packet, upTo: byteCount, from: &lease)
                if packet.count == byteCount { return .copied(packet) }
            }
            beginning = consume packet
            return nil
        }
        if lease.isEmpty { return nil }
        if lease.count >= PacketCutter.lengthEnd {
            let byteCount = try length(lease.span)
            if lease.count >= byteCount { return .leased(lease.split(at: byteCount)) }
        }
        var packet = Buffer(byteCapacity: packetByteCount)
        try fill(&packet, upTo: packetByteCount, from: &lease)
        beginning = consume packet
        return nil
    }

    /// Moves bytes over until the packet has so many, or there are none left.
    private func fill(_ packet: inout Buffer, upTo byteCount: Int, from lease: inout BufferLease) throws(Failure) {
        let part = lease.split(at: max(0, min(byteCount - packet.count, lease.count)))
        packet.append(part.bytes)
    }

    /// How long a packet is, by its first bytes.
    private func length(_ bytes: borrowing Span<UInt8>) throws(Failure) -> Int {
        guard let byteCount = statedLength(bytes) else {
            throw Failure("The peer does not send IP packets of at most \(packetByteCount) bytes; give both ends the same --mtu.")
        }
        return byteCount
    }

    /// Whether what a buffer has is one packet that the other end can cut out of the stream again.
    func isPacket(_ lease: borrowing BufferLease) -> Bool {
        lease.count >= PacketCutter.lengthEnd && statedLength(lease.span) == lease.count
    }

    /// The length that an IP packet states itself; nil if it is none, or a larger one.
    private func statedLength(_ bytes: borrowing Span<UInt8>) -> Int? {
        let number = { (first: UInt8, second: UInt8) in Int(first) << 8 | Int(second) }
        let byteCount =
            switch bytes[0] >> 4 {
            case 4: number(bytes[2], bytes[3])
            case 6: number(bytes[4], bytes[5]) + 40
            default: 0
            }
        return (20...packetByteCount).contains(byteCount) ? byteCount : nil
    }
}
