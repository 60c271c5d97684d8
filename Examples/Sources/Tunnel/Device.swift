// SPDX-License-Identifier: Apache-2.0

import CTunnel
import Support
import SystemPackage
import URing

/// A TUN device: what the system routes to it is read, and what is written comes out of it, one IP packet at a time.
struct Device: ~Copyable {
    let file: Descriptor
    let name: String

    /// Makes a device, gives it its addresses, and brings it up; it ends with its file.
    init(own: SocketAddress, peer: SocketAddress, packetByteCount: Int, isBlocking: Bool) throws {
        let file = try attempt("Cannot open /dev/net/tun") { () throws(Errno) in
            try Descriptor(opening: "/dev/net/tun", .readWrite, options: isBlocking ? [] : .nonBlocking)
        }
        let number = try Device.check(
            tunnel_make_device(file.unowned.fileDescriptor.rawValue), "Cannot make a TUN device, which needs CAP_NET_ADMIN")
        _ = try Device.check(
            tunnel_configure_device(number, Device.number(of: own), Device.number(of: peer), Int32(packetByteCount)),
            "Cannot give tun\(number) the addresses \(own.ipText ?? "-") and \(peer.ipText ?? "-")")
        self.file = file
        name = "tun\(number)"
    }

    /// Moves the process into a network namespace of its own, in which devices are made from now on.
    static func enterNewNetwork() throws {
        _ = try check(tunnel_enter_new_network(), "Cannot make a network namespace, which needs CAP_SYS_ADMIN")
    }

    private static func check(_ status: Int32, _ what: String) throws(Failure) -> Int32 {
        if status < 0 { throw Failure("\(what): \(Errno(rawValue: -status))") }
        return status
    }

    private static func number(of address: SocketAddress) -> UInt32 {
        guard let bytes = address.ipv4Bytes else { return 0 }
        return bytes.span.indices.reduce(0) { $0 << 8 | UInt32(bytes[$1]) }
    }
}
