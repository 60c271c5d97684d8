// SPDX-License-Identifier: Apache-2.0

import Foundation
import SystemPackage
import Testing
import URing

@Suite struct EchoTests {
    // Requests larger than the server's buffer go to and fro in parts; one larger than a socket's buffer is sent in parts.
    @Test(arguments: ["uring", "epoll"], [1, 1024, 100_000, 5_000_000])
    func serverReturnsEveryByteToSixteenConnectionsAndEndsWhenAskedTo(engine: String, byteCount: Int) throws {
        let server = try Program("echo", ["serve", "--engine", engine, "--buffer", byteCount > 1_000_000 ? "65536" : "3000"])
        let port = try portNumber(in: server.firstLine())
        let requestCount = byteCount > 1_000_000 ? 3 : 50
        let load = try run(
            "echo", "load", "--port", port, "--connections", "16", "--requests", String(requestCount), "--size", String(byteCount),
            "--patience", "20", "--duration", "600")
        #expect(load.status == 0)
        #expect(load.errors == "")
        #expect(String(decoding: load.output, as: UTF8.self).contains("Verified: all \(16 * requestCount * byteCount) bytes"))

        server.terminate()
        let outcome = try server.outcome()
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        #expect(String(decoding: outcome.output, as: UTF8.self).contains("Served 16 connections"))
    }

    // Requests are much larger than the pool: receives find no buffer, and connections with too much unsent are made to wait.
    @Test func aPoolOfFourSmallBuffersServesSixteenConnections() throws {
        let server = try Program("echo", ["serve", "--buffers", "4", "--buffer", "512"])
        let port = try portNumber(in: server.firstLine())
        let load = try run(
            "echo", "load", "--port", port, "--connections", "16", "--requests", "20", "--size", "100000", "--patience", "20")
        #expect(load.status == 0)
        #expect(load.errors == "")
        #expect(String(decoding: load.output, as: UTF8.self).contains("Verified: all 32000000 bytes"))

        server.terminate()
        let outcome = try server.outcome()
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        let exhaustions = String(decoding: outcome.output, as: UTF8.self).firstMatch(of: /(\d+) that found no buffer/)
        #expect(try #require(exhaustions.flatMap { Int($0.output.1) }) > 0)
    }

    // Far more than the sockets of both sides have room for, so it takes a load that receives while it sends.
    @Test(arguments: ["uring", "epoll"]) func aRequestLargerThanTheSocketsComesBack(engine: String) throws {
        let server = try Program("echo", ["serve", "--engine", engine])
        let load = try run(
            "echo", "load", "--port", portNumber(in: server.firstLine()), "--connections", "1", "--requests", "1", "--size", "16000000",
            "--patience", "5", "--duration", "600")
        #expect(load.status == 0 && load.errors == "")
        #expect(String(decoding: load.output, as: UTF8.self).contains("Verified: all 16000000 bytes"))
        server.terminate()
        #expect(try server.outcome().status == 0)
    }

    // The clients are gone while the server has much to send to them, and goes on receiving.
    @Test func clientsThatVanishLeaveTheirSlotsAndBuffers() throws {
        let server = try Program("echo", ["serve", "--connections", "10", "--buffers", "16", "--buffer", "4096"])
        let port = try #require(UInt16(portNumber(in: server.firstLine())))
        for _ in 0..<10 { _ = try clientThatReadsNothing(of: .ipv4Loopback(port: port)) }
        // Until the server has seen the last of them go, one or the other is turned away.
        let deadline = ContinuousClock.now + .seconds(20)
        var isServed = false
        while !isServed && .now < deadline {
            isServed = try run("echo", "load", "--port", String(port), "--connections", "10", "--requests", "100").status == 0
        }
        #expect(isServed)
        server.terminate()
        let outcome = try server.outcome()
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
    }

    @Test func aClientThatReadsNothingLeavesBuffersToOthers() throws {
        let server = try Program("echo", ["serve", "--buffers", "16", "--buffer", "4096"])
        let port = try #require(UInt16(portNumber(in: server.firstLine())))
        let silent = try clientThatReadsNothing(of: .ipv4Loopback(port: port))
        let load = try run("echo", "load", "--port", String(port), "--connections", "10", "--requests", "100", "--patience", "20")
        #expect(load.status == 0)
        #expect(load.errors == "")
        _ = consume silent
        server.terminate()
        #expect(try server.outcome().status == 0)
    }

    // The sockets are full by then: what the server sends is taken in part, and the rest waits.
    @Test(arguments: ["uring", "epoll"])
    func aClientThatReadsLateGetsEveryByte(engine: String) throws {
        let server = try Program("echo", ["serve", "--engine", engine])
        let port = try #require(UInt16(portNumber(in: server.firstLine())))
        let client = try clientThatReadsNothing(of: .ipv4Loopback(port: port))
        var ring = try Ring<UInt8>(entries: 1)
        try ring.run(Shutdown(client.socket, .sending)).result.get()
        var received = Data()
        while true {
            let completed = try ring.run(Receive(client.socket, into: Buffer(byteCapacity: 65_536)))
            if try completed.result.get() == 0 { break }
            received += completed.operation.memory.copyBytes()
        }
        let isWhole = received == client.sent
        #expect(isWhole)
        server.terminate()
        #expect(try server.outcome().status == 0)
    }

    private struct SilentClient: ~Copyable {
        let socket: Descriptor
        var sent = Data()
    }

    /// Connects to a server, and sends without reading an answer until nothing goes through any more.
    private func clientThatReadsNothing(of address: SocketAddress) throws -> SilentClient {
        var ring = try Ring<UInt8>(entries: 2)
        var client = SilentClient(socket: try Descriptor.socket(.ipv4, .stream))
        try ring.run(Connect(client.socket, to: address)).result.get()
        let bytes = pattern(65_536)
        for _ in 0..<10_000 {
            let send = Send(client.socket, from: Buffer(copying: bytes), flags: .doNotWait)
            guard case .success(let count) = try ring.run(send).result else { return client }
            client.sent += bytes.prefix(count)
        }
        Issue.record("The server takes everything without an answer being read.")
        return client
    }

    @Test(arguments: ["uring", "epoll"])
    func connectionsAboveTheLimitAreClosedAndTheLoadSaysSo(engine: String) throws {
        let server = try Program("echo", ["serve", "--engine", engine, "--connections", "3"])
        let port = try portNumber(in: server.firstLine())
        let load = try run("echo", "load", "--port", port, "--connections", "4", "--requests", "1000000", "--patience", "20")
        #expect(load.status == 1)
        #expect(load.errors.contains("connection 3"))
        server.terminate()
        let outcome = try server.outcome()
        #expect(outcome.status == 0)
        #expect(String(decoding: outcome.output, as: UTF8.self).contains("1 more were turned away"))
    }

    @Test func loadWithoutAServerSaysSo() throws {
        // Port 1 of the loopback address has no server on any sane machine.
        let load = try run("echo", "load", "--port", "1")
        #expect(load.status == 1)
        #expect(load.errors.contains("Cannot connect to 127.0.0.1:1: Connection refused"))
    }
}
