// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// The command that loads a server.
struct Load: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Load an echo server, and verify every byte that comes back.",
        discussion: """
            Each connection sends a request, waits for all of it to come back, compares it, and sends the next. The load ends after \
            so many requests or so much time, whichever comes first. A wrong, missing or superfluous byte ends it with exit status 1.
            """)

    @Option(help: ArgumentHelp("The IPv4 or IPv6 address of the server.", valueName: "ip"))
    var address = "127.0.0.1"

    @Option(help: ArgumentHelp("The port of the server.", valueName: "number"))
    var port: UInt16

    @Option(help: ArgumentHelp("How many connections to make.", valueName: "count"))
    var connections = 64

    @Option(help: ArgumentHelp("How many requests each connection makes at most.", valueName: "count"))
    var requests = 10_000

    @Option(name: .customLong("size"), help: ArgumentHelp("How large a request is.", valueName: "bytes"))
    var byteCount = 1024

    @Option(name: .customLong("duration"), help: ArgumentHelp("After how much time no more requests are made.", valueName: "seconds"))
    var seconds = 30.0

    @Option(help: ArgumentHelp("How long the server may be silent before it counts as stuck.", valueName: "seconds"))
    var patience = 10.0

    @Option(help: ArgumentHelp("The process of the server, to show its CPU time per request.", valueName: "pid"))
    var serverPid: Int32?

    @Option(help: ArgumentHelp("Print the result as one row of a table, behind this name and tabs.", valueName: "name"))
    var row: String?

    func validate() throws {
        try ValidationError.check(port, in: 1...UInt16.max, "--port")
        try ValidationError.check(connections, in: 1...100_000, "--connections")
        try ValidationError.check(requests, in: 1...1_000_000_000, "--requests")
        try ValidationError.check(byteCount, in: 1...(1 << 30), "--size")
        try ValidationError.check(seconds, in: 0.001...86_400, "--duration")
        try ValidationError.check(patience, in: 0.001...86_400, "--patience")
        if let serverPid { try ValidationError.check(serverPid, in: 1...Int32.max, "--server-pid") }
    }

    func run() throws {
        raiseFileLimit()
        var client = try LoadClient(
            server: Support.address(ip: address, port: port, "--address"), connectionCount: connections,
            requestCount: requests, byteCount: byteCount,
            duration: .seconds(seconds), patience: .seconds(patience))
        try client.connect()
        let usedBefore = try serverPid.map { try processorTime(of: $0) }
        var result = try client.run()
        if let serverPid, let usedBefore { result.serverTime = try processorTime(of: serverPid) - usedBefore }
        try client.end()
        say(row.map { result.row(named: $0) } ?? result.text)
    }
}
