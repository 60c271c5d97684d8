// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// The command that relays datagrams.
@main
struct UDPRelay: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "udp-relay",
        abstract: "Forward datagrams to a peer, and what it answers back, until Ctrl-C.",
        discussion: """
            Clients send to the address that is listened at, and the peer gets what they sent from a second socket, whose port is chosen \
            by the system. What the peer sends there goes to the client that was heard last. A datagram that is larger than \
            --datagram is not forwarded, and counted.
            """)

    @Option(help: ArgumentHelp("The IPv4 or IPv6 address to listen at.", valueName: "ip"))
    var address = "127.0.0.1"

    @Option(help: ArgumentHelp("The port to listen at; with 0 the system chooses one, which is printed.", valueName: "number"))
    var port: UInt16 = 0

    @Option(name: .customLong("peer"), help: ArgumentHelp("The IPv4 or IPv6 address of the peer.", valueName: "ip"))
    var peerAddress = "127.0.0.1"

    @Option(help: ArgumentHelp("The port of the peer.", valueName: "number"))
    var peerPort: UInt16

    @Option(name: .customLong("datagram"), help: ArgumentHelp("How large a datagram may be.", valueName: "bytes"))
    var datagramByteCount = 2048

    @Option(name: .customLong("buffers"), help: ArgumentHelp("How many datagrams there is room for: a power of two.", valueName: "count"))
    var bufferCount = 256

    func validate() throws {
        try ValidationError.check(peerPort, in: 1...UInt16.max, "--peer-port")
        try ValidationError.check(datagramByteCount, in: 1...65_535, "--datagram")
        try ValidationError.checkBufferCount(bufferCount, "--buffers")
    }

    func run() throws {
        let stop = try stopDescriptor()
        let peer = try Support.address(ip: peerAddress, port: peerPort, "--peer")
        let clientSide = try datagramSocket(at: Support.address(ip: address, port: port, "--address"))
        let peerSide = try datagramSocket(at: peer.isIPv4 ? .ipv4Any(port: 0) : .ipv6Any(port: 0))
        let listening = try attempt("Cannot ask for the address") { () throws(Errno) in try clientSide.localAddress() }
        let sending = try attempt("Cannot ask for the address") { () throws(Errno) in try peerSide.localAddress() }
        let relay = try Relay(
            clientSide: clientSide, peerSide: peerSide, peer: peer, stop: stop, bufferCount: bufferCount,
            datagramByteCount: datagramByteCount)
        say("Listening at \(listening) for \(peer), which hears from \(sending); Ctrl-C ends.\n")
        let report = try relay.run()
        say("\(report)\n")
    }
}
