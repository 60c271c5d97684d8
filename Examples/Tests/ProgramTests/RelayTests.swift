// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import URing

@Suite struct RelayTests {
    /// A relay that was started, with the addresses it has said.
    private struct Relay {
        let program: Program
        let clientSide: SocketAddress
        let peerSide: SocketAddress

        init(peer: SocketAddress, _ arguments: String...) throws {
            let program = try Program("udp-relay", ["--peer-port", String(try #require(peer.port))] + arguments)
            let ports = try program.firstLine().matches(of: /:(\d+)\b/).compactMap { UInt16($0.output.1) }
            try #require(ports.count == 3)
            self.program = program
            clientSide = .ipv4Loopback(port: ports[0])
            peerSide = .ipv4Loopback(port: ports[2])
        }

        /// Asks it to end, and checks what it has done.
        func expectReport(_ lines: String...) throws {
            program.terminate()
            let outcome = try program.outcome()
            #expect(outcome.status == 0)
            #expect(outcome.errors == "")
            let output = String(decoding: outcome.output, as: UTF8.self)
            for line in lines { #expect(output.contains(line)) }
        }
    }

    @Test func datagramsGoToThePeerAndItsAnswersToTheClientThatWasHeardLast() throws {
        let peer = try UDPSocket()
        let clients = [try UDPSocket(), try UDPSocket()]
        let relay = try Relay(peer: peer.address)
        for (round, byteCount) in [1, 0, 100, 2048, 7, 0, 0, 1471].enumerated() {
            let (question, answer) = ([UInt8](pattern(byteCount)), [UInt8](pattern(byteCount + 1).dropFirst()))
            let client = clients[round % 2]
            try client.send(question, to: relay.clientSide)
            let atPeer = try peer.receive()
            #expect(atPeer.bytes == question)
            #expect(atPeer.sender == relay.peerSide)
            // Whoever is not the peer is not heard.
            try client.send([9], to: relay.peerSide)
            try peer.send(answer, to: relay.peerSide)
            let atClient = try client.receive()
            #expect(atClient.bytes == answer)
            #expect(atClient.sender == relay.clientSide)
        }
        try relay.expectReport(
            "Forwarded 8 datagrams to the peer and 8 to clients", "8 nobody had asked for", "Without a buffer: 0 receives")
    }

    @Test func aBurstLargerThanThePoolArrivesWhole() throws {
        let peer = try UDPSocket()
        let client = try UDPSocket()
        let relay = try Relay(peer: peer.address, "--buffers", "2", "--datagram", "300")
        // What is sent while the relay stands still waits in its socket, and is more than its buffers can take at once.
        for round in 0..<5 {
            try relay.program.suspend()
            for index in 0..<50 { try client.send([UInt8(round), UInt8(index)] + pattern(100 + index), to: relay.clientSide) }
            relay.program.resume()
            for index in 0..<50 {
                let datagram = try peer.receive()
                #expect(datagram.bytes == [UInt8(round), UInt8(index)] + pattern(100 + index))
            }
        }
        try peer.send([1, 2, 3], to: relay.peerSide)
        #expect(try client.receive().bytes == [1, 2, 3])

        relay.program.terminate()
        let output = String(decoding: try relay.program.outcome().output, as: UTF8.self)
        #expect(output.contains("Forwarded 250 datagrams to the peer and 1 to clients"))
        let exhaustions = output.firstMatch(of: /Without a buffer: (\d+) receives/).flatMap { Int($0.output.1) }
        #expect(try #require(exhaustions) >= 5)
    }

    @Test func aDatagramThatIsTooLargeIsCountedAndNotForwarded() throws {
        let peer = try UDPSocket()
        let client = try UDPSocket()
        let relay = try Relay(peer: peer.address, "--datagram", "100")
        for byteCount in [100, 101, 3000, 5] { try client.send([UInt8](pattern(byteCount)), to: relay.clientSide) }
        for byteCount in [100, 5] {
            let datagram = try peer.receive()
            #expect(datagram.bytes == [UInt8](pattern(byteCount)))
        }
        try relay.expectReport("Forwarded 2 datagrams to the peer and 0 to clients: 105 bytes", "2 too large")
    }

    @Test func optionsThatCannotBeAreRefused() throws {
        #expect(try run("udp-relay").status == 64)
        #expect(try run("udp-relay", "--peer-port", "9", "--datagram", "0").errors.contains("--datagram must be between 1 and 65535."))
        let outcome = try run("udp-relay", "--peer-port", "9", "--address", "192.0.2.1")
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("Cannot have a socket at 192.0.2.1:0: Cannot assign requested address"))
    }
}
