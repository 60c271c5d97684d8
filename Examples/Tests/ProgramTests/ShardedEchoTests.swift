// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite struct ShardedEchoTests {
    @Test(arguments: [1, 1024, 100_000])
    func threadsShareTheConnectionsReturnEveryByteAndEndWhenAskedTo(byteCount: Int) throws {
        let server = try Program("sharded-echo", ["--threads", "3", "--buffer", "3000"])
        let port = try portNumber(in: server.firstLine())
        let load = try run(
            "echo", "load", "--port", port, "--connections", "16", "--requests", "50", "--size", String(byteCount), "--patience", "20",
            "--duration", "600")
        #expect(load.status == 0)
        #expect(load.errors == "")
        #expect(String(decoding: load.output, as: UTF8.self).contains("Verified: all \(16 * 50 * byteCount) bytes"))

        server.terminate()
        let outcome = try server.outcome()
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        let output = String(decoding: outcome.output, as: UTF8.self)
        #expect(output.contains("Served 16 connections:"))
        #expect(output.contains("By thread: 6, 5, 5 connections."))
    }

    @Test func connectionsThatAThreadHasNoSlotForAreClosed() throws {
        let server = try Program("sharded-echo", ["--threads", "2", "--connections", "3"])
        let port = try portNumber(in: server.firstLine())
        let load = try run("echo", "load", "--port", port, "--connections", "7", "--requests", "1000000", "--patience", "20")
        #expect(load.status == 1)
        // Which one it is, and what it sees of that, depends on who is first.
        #expect(load.errors.contains("onnection "))
        server.terminate()
        let outcome = try server.outcome()
        #expect(outcome.status == 0)
        #expect(String(decoding: outcome.output, as: UTF8.self).contains("1 more were turned away"))
    }

    @Test func anEndWithConnectionsOpenIsClean() throws {
        let server = try Program("sharded-echo", ["--threads", "2"])
        let port = try portNumber(in: server.firstLine())
        let load = try Program("echo", ["load", "--port", port, "--connections", "8", "--requests", "100000000", "--patience", "20"])
        // Each of the threads has connections by the time that a whole load has come and gone.
        let probe = try run("echo", "load", "--port", port, "--connections", "4", "--requests", "10", "--patience", "20")
        #expect(probe.status == 0)
        server.terminate()
        let outcome = try server.outcome()
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        #expect(String(decoding: outcome.output, as: UTF8.self).firstMatch(of: /By thread: \d+, \d+ connections/) != nil)
        #expect(try load.outcome().status == 1)
    }
}
