// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite struct EchoTests {
    // Requests larger than the server's buffer go to and fro in parts; one larger than a socket's buffer is sent in parts.
    @Test(arguments: ["uring", "epoll"], [1, 1024, 100_000, 5_000_000])
    func serverReturnsEveryByteToSixteenConnectionsAndEndsWhenAskedTo(engine: String, byteCount: Int) throws {
        let server = try Program("echo", ["serve", "--engine", engine, "--buffer", byteCount > 1_000_000 ? "8000000" : "3000"])
        let port = try portNumber(in: server.firstLine())
        let requestCount = byteCount > 1_000_000 ? 3 : 50
        let load = try run(
            "echo", "load", "--port", port, "--connections", "16", "--requests", String(requestCount), "--size", String(byteCount),
            "--patience", "20")
        #expect(load.status == 0)
        #expect(load.errors == "")
        #expect(String(decoding: load.output, as: UTF8.self).contains("Verified: all \(16 * requestCount * byteCount) bytes"))

        server.terminate()
        let outcome = try server.outcome()
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        #expect(String(decoding: outcome.output, as: UTF8.self).contains("Served 16 connections"))
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

    private func portNumber(in line: String) throws -> String {
        try #require(line.split(separator: " ").compactMap { $0.split(separator: ":").last }.first { Int($0) != nil }).description
    }
}
