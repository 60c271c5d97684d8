// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import SystemPackage
import Testing
import URing

/// What is open in a program that has served many, and in its rings' file tables: what was open before.
@Suite(.timeLimit(.minutes(5))) struct DescriptorTests {
    /// Waits until a program has so many sockets open, and no files in tables, and says what it has: it hears of a connection's end some
    /// time after that.
    private func openFiles(
        of program: Program, whenSocketsAre count: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [String] {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let files = try program.openFiles()
            let filesInTables = try program.filesInTables()
            if files.count(where: isSocket) == count && filesInTables == [] { return files }
            guard .now < deadline else {
                Issue.record("Still open: \(files), \(String(describing: filesInTables)).", sourceLocation: sourceLocation)
                return files
            }
        }
    }

    private func isSocket(_ file: String) -> Bool { file.hasPrefix("socket:") }

    /// A client of any server here: it asks for an answer, waits for some of it, and closes without taking it, which resets the connection.
    private func resetConnection(to port: String) throws {
        var ring = try Ring<UInt8>(entries: 2)
        let socket = try Descriptor.socket(.ipv4, .stream)
        try ring.run(Connect(socket, to: .ipv4Loopback(port: #require(UInt16(port))))).result.get()
        let request = RequestClient.request(payload: Array(0..<64), answerByteCount: 100_000)
        _ = try ring.run(Send(socket, from: Buffer(copying: request))).result.get()
        _ = try ring.run(Poll(socket, for: .input)).result.get()
    }

    @Test(arguments: [
        ["server", "serve", "ring"], ["server", "serve", "ring", "--threads", "3", "--move-after", "5"], ["server", "serve", "c"],
        ["server", "serve", "epoll"], ["echo", "serve"], ["echo", "serve", "--engine", "epoll"], ["sharded-echo", "--threads", "3"],
    ])
    func aServerHasNothingOpenOfConnectionsThatAreOver(words: [String]) throws {
        let server = try Program(words[0], Array(words.dropFirst()))
        let port = try portNumber(in: server.firstLine())
        // The listener; rings may be made later.
        let socketCount = try server.openFiles().count(where: isSocket)
        func load(_ connections: Int) throws {
            let loader = words[0] == "server" ? "server" : "echo"
            let load = try run(
                loader, "load", "--port", port, "--connections", "\(connections)", "--requests", "20", "--patience", "30", "--duration",
                "600")
            #expect(load.status == 0 && load.errors == "")
        }
        try load(4)
        let before = try openFiles(of: server, whenSocketsAre: socketCount)
        try load(100)
        for _ in 0..<50 { try resetConnection(to: port) }
        let after = try openFiles(of: server, whenSocketsAre: socketCount)
        #expect(after.count == before.count)

        // What is open shows here.
        let client = try RequestClient(port: port)
        let deadline = ContinuousClock.now + .seconds(20)
        while try server.openFiles().count == before.count && server.filesInTables() ?? [] == [] { try #require(.now < deadline) }
        _ = consume client
        _ = try openFiles(of: server, whenSocketsAre: socketCount)
        server.interrupt()
        #expect(try server.outcome().status == 0)
    }

    @Test func aReceiverOfRecordsHasNothingOpenOfConnectionsThatAreOver() throws {
        let receiver = try Program("transmit", ["receive"])
        let port = try portNumber(in: receiver.firstLine())
        let socketCount = try receiver.openFiles().count(where: isSocket)
        var counts: [Int] = []
        for _ in 0..<3 {
            let load = try run("transmit", "send", "--port", port, "--records", "100", "--rounds", "1", "--connections", "16")
            #expect(load.status == 0)
            counts.append(try openFiles(of: receiver, whenSocketsAre: socketCount).count)
        }
        #expect(Set(counts).count == 1)
    }

    @Test func aRelayHasNothingOpenOfItsClients() throws {
        let peer = try UDPSocket()
        let relay = try Program("udp-relay", ["--peer-port", String(try #require(peer.address.port))])
        let clientSide = SocketAddress.ipv4Loopback(port: try #require(UInt16(portNumber(in: relay.firstLine()))))
        var counts: [Int] = []
        for number in 0..<100 {
            let client = try UDPSocket()
            try client.send([UInt8(number)], to: clientSide)
            let (bytes, sender) = try peer.receive()
            try peer.send(bytes, to: #require(sender))
            #expect(try client.receive().bytes == [UInt8(number)])
            counts.append(try relay.openFiles().count)
        }
        #expect(Set(counts).count == 1)
    }
}
