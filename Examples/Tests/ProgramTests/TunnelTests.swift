// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import SystemPackage
import Testing
import URing

@Suite(.serialized) struct TunnelTests {
    /// A tunnel between two network namespaces, which end with its programs.
    private struct Tunnel {
        /// The end that is called, 10.9.0.1, and the one that calls, 10.9.0.2.
        let called: Program
        let caller: Program
        let port: String

        init(_ options: [String]) throws {
            try requireRoot()
            called = try Program("tunnel", ["run", "--isolate", "--inside", "10.9.0.1", "--inside-peer", "10.9.0.2"] + options)
            port = try portNumber(in: called.firstLine())
            caller = try Program(
                "tunnel",
                ["run", "--isolate", "--peer-port", port, "--inside", "10.9.0.2", "--inside-peer", "10.9.0.1"] + options)
            _ = try caller.firstLine()
        }

        /// Asks for so many echoes through it, and expects all of them.
        func expectEchoes(_ count: Int) throws {
            let ping = try Program("tunnel", ["ping", "10.9.0.1", "--count", String(count), "--patience", "10000"], inNetworkOf: caller)
            let outcome = try ping.outcome()
            #expect(String(decoding: outcome.output, as: UTF8.self).contains("Sent: \(count). Lost: 0."))
            #expect(outcome.status == 0 && outcome.errors == "")
        }

        /// Sends records over TCP through it, in three ways, and expects that each byte arrives.
        func expectStream(records: Int, connections: Int = 2) throws {
            let receiver = try Program("transmit", ["receive", "--address", "10.9.0.1"], inNetworkOf: called)
            let arguments = ["send", "--address", "10.9.0.1", "--port", try portNumber(in: receiver.firstLine())]
            let counts = ["--records", String(records), "--rounds", "1", "--connections", String(connections)]
            let sender = try Program("transmit", arguments + counts, inNetworkOf: caller)
            #expect(try sender.outcome().status == 0)
            receiver.terminate()
            let output = String(decoding: try receiver.outcome().output, as: UTF8.self)
            #expect(output.contains("Verified: all \(3 * records * 1400) bytes of \(3 * records) records."))
        }

        /// Ends both programs, and gives what they say they have done.
        func end() throws -> [String] {
            try [called, caller].map { program in
                program.terminate()
                let outcome = try program.outcome()
                #expect(outcome.status == 0 && outcome.errors == "")
                return String(decoding: outcome.output, as: UTF8.self)
            }
        }
    }

    private static func requireRoot() throws {
        if geteuid() != 0 { try Test.cancel("A tunnel makes TUN devices and network namespaces, which takes root.") }
    }

    private static func number(_ pattern: Regex<(Substring, Substring)>, in text: String) throws -> Int {
        try #require(text.firstMatch(of: pattern).flatMap { Int($0.output.1) })
    }

    private static func workerCount(_ program: Program) throws -> Int {
        try program.threads().count { $0.name.hasPrefix("iou-wrk") }
    }

    @Test(arguments: [[], ["--blocking"], ["--zero-copy"], ["--transport", "tcp"]])
    func repeatedReadsLoseNothingAndNeverComeForNothing(options: [String]) throws {
        let tunnel = try Tunnel(options)
        try tunnel.expectEchoes(1)
        let open = try [tunnel.called, tunnel.caller].map { try $0.openFiles().count }
        try tunnel.expectEchoes(100)
        try tunnel.expectStream(records: 300)
        #expect(try [tunnel.called, tunnel.caller].map { try $0.openFiles().count } == open)
        // Threads of the kernel would still be there: they wait for some seconds for more to do.
        #expect(try Self.workerCount(tunnel.called) == 0)
        #expect(try Self.workerCount(tunnel.caller) == 0)
        for report in try tunnel.end() {
            #expect(report.contains("Found nothing: 0 times."))
            #expect(report.contains("Not given back: 0 buffers.") || options.contains("tcp"))
            let (sent, received) = (
                try Self.number(/To the peer: (\d+) packets/, in: report), try Self.number(/From the peer: (\d+) packets/, in: report)
            )
            #expect(sent >= 100 && received >= 100)
            if options.contains("--zero-copy") { #expect(try Self.number(/Zero copy: (\d+) packets/, in: report) >= sent) }
            // An echo has 56 bytes besides its two headers.
            #expect(try Self.number(/To the peer: \d+ packets, (\d+) bytes/, in: report) >= 100 * 84)
            #expect(try Self.number(/From the peer: \d+ packets, (\d+) bytes/, in: report) >= 100 * 84)
        }
    }

    @Test(arguments: [
        ["--tun-slots", "1", "--udp-slots", "1", "--tx", "0"], ["--tun-slots", "256", "--udp-slots", "256"],
        ["--tun-slots", "64", "--udp-slots", "1", "--blocking", "--workers", "2", "--entries", "8"],
    ])
    func slotsLoseNothing(options: [String]) throws {
        let tunnel = try Tunnel(["--engine", "slots"] + options)
        try tunnel.expectEchoes(100)
        try tunnel.expectStream(records: 200)
        // Two that end by themselves and two that may wait for ever.
        if options.contains("--workers") { #expect(try Self.workerCount(tunnel.called) <= 4) }
        let reports = try tunnel.end()
        for report in reports { #expect(try Self.number(/From the peer: (\d+) packets/, in: report) >= 100) }
        // A packet wakes all reads, and only one of them has it; that is counted, and the others read again.
        if options.contains("256") { #expect(try reports.map { try Self.number(/Found nothing: (\d+) times/, in: $0) }.reduce(0, +) > 0) }
        // A read that blocks does so in a thread of its own until there is something.
        if options.contains("--blocking") { #expect(reports.allSatisfy { $0.contains("Found nothing: 0 times.") }) }
    }

    @Test(arguments: ["epoll", "liburing"]) func theLoopsToCompareWithLoseNothing(engine: String) throws {
        let tunnel = try Tunnel(["--engine", engine])
        try tunnel.expectEchoes(100)
        try tunnel.expectStream(records: 200)
        for report in try tunnel.end() { #expect(try Self.number(/From the peer: (\d+) packets/, in: report) >= 100) }
    }

    @Test func aPoolThatIsTooSmallSlowsDownAndLosesNoBuffer() throws {
        let tunnel = try Tunnel(["--buffers", "2"])
        try tunnel.expectEchoes(50)
        try tunnel.expectStream(records: 200)
        let reports = try tunnel.end()
        for report in reports { #expect(report.contains("Not given back: 0 buffers.")) }
        #expect(try reports.map { try Self.number(/No buffer: (\d+) times/, in: $0) }.reduce(0, +) > 0)
    }

    @Test func sixtyFourMebibytesTakeOneSystemCallForFivePackets() throws {
        let tunnel = try Tunnel([])
        try tunnel.expectStream(records: 16_000, connections: 16)
        for report in try tunnel.end() {
            let calls = try Self.number(/System calls: (\d+),/, in: report)
            let packets =
                try Self.number(/To the peer: (\d+) packets/, in: report) + Self.number(/From the peer: (\d+) packets/, in: report)
            #expect(packets > 48_000)
            #expect(5 * calls <= packets)
            #expect(report.contains("Found nothing: 0 times."))
        }
    }

    @Test(arguments: [[], ["--zero-copy"], ["--engine", "slots"], ["--engine", "epoll"], ["--engine", "liburing"]])
    func aSlowWayOutDoesNotHoldUpTheOtherWay(options: [String]) throws {
        try Self.requireRoot()
        // Two networks with a link between them, on which one end has 2 Mbit/s to send.
        let (far, near) = (try Self.network(), try Self.network())
        try runTool("/usr/sbin/ip", "link add far type veth peer name near netns \(near.identifier)", inNetworkOf: far)
        for (program, name, number) in [(far, "far", 1), (near, "near", 2)] {
            try runTool("/usr/sbin/ip", "address add 192.0.2.\(number)/24 dev \(name)", inNetworkOf: program)
            try runTool("/usr/sbin/ip", "link set \(name) up", inNetworkOf: program)
        }
        try runTool("/usr/sbin/tc", "qdisc add dev near root tbf rate 2mbit burst 10kb latency 10s", inNetworkOf: near)
        let peer = try UDPSocket(at: SocketAddress(ip: "192.0.2.1", port: 0), inNetworkOf: far)
        let arguments = [
            "run", "--isolate", "--address", "192.0.2.2", "--peer", "192.0.2.1", "--inside", "10.9.0.2",
            "--inside-peer", "10.9.0.1", "--peer-port", "\(peer.address.port ?? 0)",
        ]
        let end = try Program("tunnel", arguments + options, inNetworkOf: near)
        let line = try end.firstLine()
        let endAddress = try SocketAddress(ip: "192.0.2.2", port: try #require(UInt16(try portNumber(in: line))))
        let inside = try UDPSocket(at: SocketAddress(ip: "10.9.0.2", port: 0), inNetworkOf: end)
        let outside = try SocketAddress(ip: "10.9.0.1", port: 9)
        // Each packet inward waits until 14,000 bytes more are to go outward: all together are 11 seconds' worth.
        for number in UInt8(0)..<200 {
            for _ in 0..<10 { try? inside.send([UInt8](repeating: 0, count: 1372), to: outside) }
            try peer.send(packet(to: try #require(inside.address.port), number), to: endAddress)
            while try inside.receive().bytes != [number] {}
        }
        let start = ContinuousClock.now
        end.terminate()
        let outcome = try end.outcome()
        #expect(.now - start < .milliseconds(500))
        #expect(outcome.status == 0 && outcome.errors == "")
        let report = String(decoding: outcome.output, as: UTF8.self)
        #expect(report.contains("From the peer: 200 packets"))
        #expect(try Self.number(/Not passed on: (\d+) packets/, in: report) > 1000)
        // A zero-copy send whose packet waits for the link has not ended, and its buffer is not missing.
        if options.first != "--engine" {
            #expect(report.contains("Not given back: 0 buffers.") || report.contains("Still on their way: "))
        }
    }

    /// A network namespace of its own, which ends with the program.
    private static func network() throws -> Program {
        let program = try Program("tunnel", ["run", "--isolate", "--inside", "10.8.0.1", "--inside-peer", "10.8.0.2"])
        _ = try program.firstLine()
        return program
    }

    /// A datagram of one byte from 10.9.0.1 to 10.9.0.2, without a sum.
    private func packet(to port: UInt16, _ byte: UInt8) -> [UInt8] {
        withSum([0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2], at: 10)
            + [0, 9, UInt8(port >> 8), UInt8(port & 255), 0, 9, 0, 0, byte]
    }

    @Test func anEndWhosePeerIsGoneGoesOnAndCountsWhatItCannotPassOn() throws {
        let tunnel = try Tunnel([])
        try tunnel.expectEchoes(1)
        tunnel.called.terminate()
        #expect(try tunnel.called.outcome().status == 0)
        let ping = try Program("tunnel", ["ping", "10.9.0.1", "--count", "100", "--patience", "200"], inNetworkOf: tunnel.caller).outcome()
        #expect(ping.status == 1)
        #expect(String(decoding: ping.output, as: UTF8.self).contains("Sent: 3. Lost: 3."))
        tunnel.caller.terminate()
        let outcome = try tunnel.caller.outcome()
        #expect(outcome.status == 0 && outcome.errors == "")
    }

    /// What an end that is called has to say after datagrams of which only the last is answered; that is an echo request, and maybe more.
    private func reportOfCalledEnd(_ options: [String], after datagrams: [[UInt8]]) throws -> String {
        try Self.requireRoot()
        let called = try Program("tunnel", ["run", "--isolate"] + options)
        let address = SocketAddress.ipv4Loopback(port: try #require(UInt16(try portNumber(in: called.firstLine()))))
        let socket = try UDPSocket()
        for datagram in datagrams { try socket.send(datagram, to: address) }
        // With the answer all before it was dealt with. A new device has something to say itself, which is longer.
        while try socket.receive().bytes.count != echoRequest.count {}
        called.terminate()
        let outcome = try called.outcome()
        #expect(outcome.status == 0 && outcome.errors == "")
        return String(decoding: outcome.output, as: UTF8.self)
    }

    @Test(arguments: ["multishot", "slots", "epoll", "liburing"]) func whatTheDeviceRefusesIsCounted(engine: String) throws {
        // The greeting, and then what is no IP packet.
        let datagrams = [[]] + Array(repeating: [UInt8](repeating: 0, count: 100), count: 5) + [echoRequest]
        let report = try reportOfCalledEnd(["--engine", engine], after: datagrams)
        #expect(report.contains("Not passed on: 5 packets."))
        #expect(report.contains("From the peer: 1 packets, 28 bytes.\n"))
    }

    @Test(arguments: ["multishot", "slots", "liburing"]) func whatIsLargerThanAPacketMayBeIsNotPassedOn(engine: String) throws {
        // What follows the packet itself is left out of the answer.
        let padded = echoRequest + Array(repeating: 0, count: 101 - echoRequest.count)
        let report = try reportOfCalledEnd(["--mtu", "100", "--engine", engine], after: [[], padded, padded.dropLast()])
        #expect(report.contains("Not passed on: 1 packets."))
        #expect(report.contains("From the peer: 1 packets, 100 bytes.\n"))
    }

    // Each message comes from a router, of a packet that the end has sent: nobody speaks UDP there, the network is unknown, the host is
    // unknown, it is isolated, the host is forbidden.
    @Test(arguments: ["multishot", "slots", "epoll", "liburing"]) func whatTheNetworkReportsDoesNotEndIt(engine: String) throws {
        try Self.requireRoot()
        let called = try Program("tunnel", ["run", "--isolate", "--engine", engine])
        let port = try #require(UInt16(try portNumber(in: called.firstLine())))
        let address = SocketAddress.ipv4Loopback(port: port)
        let socket = try UDPSocket()
        try socket.send([], to: address)
        let request = echoRequest
        let router = try UDPSocket(protocol: 1)
        for code: UInt8 in [2, 6, 7, 8, 10] {
            try socket.send(request, to: address)
            while try socket.receive().bytes.count != request.count {}
            let loopback: [UInt8] = [127, 0, 0, 1]
            let header: [UInt8] = withSum([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0] + loopback + loopback, at: 10)
            let ports = [port, try #require(socket.address.port)].flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
            try router.send(withSum([3, code, 0, 0, 0, 0, 0, 0] + header + ports + [0, 8, 0, 0], at: 2), to: .ipv4Loopback(port: 0))
        }
        try socket.send(request, to: address)
        while try socket.receive().bytes.count != request.count {}
        called.terminate()
        let outcome = try called.outcome()
        #expect(outcome.status == 0 && outcome.errors == "")
        let report = String(decoding: outcome.output, as: UTF8.self)
        #expect(report.contains("From the peer: 6 packets"))
        // What the system says by itself over a new device may be what has failed for one of them.
        let failed = try Self.number(/Not passed on: (\d+) packets/, in: report)
        #expect(try Self.number(/Errors from the network: (\d+)/, in: report) + failed == 5)
    }

    /// An echo request of 10.9.0.2 to 10.9.0.1.
    private var echoRequest: [UInt8] {
        withSum([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1], at: 10) + withSum([8, 0, 0, 0, 0, 1, 0, 1], at: 2)
    }

    /// A header with the Internet's checksum of it at a place.
    private func withSum(_ header: [UInt8], at place: Int) -> [UInt8] {
        var sum = stride(from: 0, to: header.count, by: 2).reduce(0) { $0 + Int(header[$1]) << 8 + Int(header[$1 + 1]) }
        while sum > 0xffff { sum = sum >> 16 + sum & 0xffff }
        var header = header
        (header[place], header[place + 1]) = (UInt8(~sum >> 8 & 0xff), UInt8(~sum & 0xff))
        return header
    }

    @Test func thePollingThreadSleepsWhenNothingIsToDo() throws {
        let tunnel = try Tunnel(["--sqpoll-idle", "5"])
        try tunnel.expectEchoes(10)
        for program in [tunnel.called, tunnel.caller] {
            let deadline = ContinuousClock.now + .seconds(60)
            while try !program.threads().contains(where: { $0.name.hasPrefix("iou-sqp") && $0.state == "S" }) {
                try #require(.now < deadline)
            }
        }
        // It is woken again.
        try tunnel.expectEchoes(10)
        _ = try tunnel.end()
    }

    @Test func strangersAreNotHeard() throws {
        let tunnel = try Tunnel([])
        try tunnel.expectEchoes(1)
        let stranger = try UDPSocket()
        let address = SocketAddress.ipv4Loopback(port: try #require(UInt16(tunnel.port)))
        for _ in 0..<500 { try? stranger.send([UInt8](repeating: 0x45, count: 100), to: address) }
        try tunnel.expectEchoes(1)
        let reports = try tunnel.end()
        #expect(try Self.number(/From the peer: (\d+) packets/, in: reports[0]) < 100)
        #expect(reports[0].contains("Not passed on: 0 packets."))
    }

    @Test func anEndOfAConnectionEndsWithTheOther() throws {
        let tunnel = try Tunnel(["--transport", "tcp"])
        try tunnel.expectEchoes(1)
        tunnel.caller.terminate()
        #expect(try tunnel.caller.outcome().status == 0)
        let outcome = try tunnel.called.outcome()
        #expect(outcome.status == 0)
        #expect(String(decoding: outcome.output, as: UTF8.self).contains("From the peer"))
    }

    @Test func anEndOfAConnectionEndsWithTheOtherWhoLeavesBytesUnread() throws {
        try Self.requireRoot()
        let called = try Program("tunnel", ["run", "--isolate", "--transport", "tcp"])
        let port = try #require(UInt16(try portNumber(in: called.firstLine())))
        var ring = try Ring<UInt8>(entries: 2)
        do {
            let socket = try Descriptor.socket(.ipv4, .stream)
            try ring.run(Connect(socket, to: .ipv4Loopback(port: port))).result.get()
            // The answer is there and nobody has received it when the connection is closed: the other end gets a reset.
            let request =
                withSum([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1], at: 10)
                + withSum([8, 0, 0, 0, 0, 1, 0, 1], at: 2)
            _ = try ring.run(Send(socket, from: Buffer(copying: request))).result.get()
            // What comes first may be the system's own, which looks for routers where a device is new.
            var waiting = Buffer(byteCapacity: 1024)
            for _ in 0..<1000 {
                let peeked = try ring.run(Receive(socket, into: waiting, flags: .peek))
                waiting = peeked.operation.memory
                if waiting.copyBytes().contains([10, 9, 0, 1, 10, 9, 0, 2]) { break }
                usleep(5000)
            }
        }
        let outcome = try called.outcome()
        #expect(outcome.status == 0 && outcome.errors == "")
        #expect(String(decoding: outcome.output, as: UTF8.self).contains("From the peer: 1 packets"))
    }

    @Test(arguments: ["multishot", "slots", "epoll"]) func thePortIsFreeWhenTheEndHasEnded(engine: String) throws {
        let tunnel = try Tunnel(["--engine", engine])
        try tunnel.expectEchoes(1)
        _ = try tunnel.end()
        _ = try UDPSocket(at: .ipv4Loopback(port: try #require(UInt16(tunnel.port))))
    }

    @Test(arguments: ["udp", "tcp"]) func anEndThatNobodyCallsCanBeStopped(transport: String) throws {
        try Self.requireRoot()
        let called = try Program("tunnel", ["run", "--isolate", "--transport", transport])
        _ = try called.firstLine()
        called.terminate()
        let outcome = try called.outcome()
        #expect(outcome.status == 0 && outcome.errors == "")
    }

    @Test func whoDoesNotSendPacketsIsTold() throws {
        try Self.requireRoot()
        let called = try Program("tunnel", ["run", "--isolate", "--transport", "tcp"])
        let port = try portNumber(in: called.firstLine())
        // The load of the echo example is no IP.
        _ = try run("transmit", "send", "--port", port, "--records", "10", "--rounds", "1", "--connections", "1")
        let outcome = try called.outcome()
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("The peer does not send IP packets"))
    }

    @Test(arguments: [
        (["--transport", "tcp", "--engine", "slots"], "--transport tcp is for"),
        (["--zero-copy", "--engine", "slots"], "--zero-copy is for"),
        (["--inside", "::1"], "--inside must be an IPv4 address"), (["--buffers", "3"], "power of two"), (["--mtu", "1"], "--mtu must be"),
    ]) func whatCannotBeIsSaid(options: [String], sentence: String) throws {
        try Self.requireRoot()
        let called = try Program("tunnel", ["run", "--isolate"] + options)
        let outcome = try called.outcome()
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains(sentence))
    }
}
