// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CProcess
import Support
import SystemPackage
import URing

/// The command that loads a server.
struct Load: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Load a server, and verify every byte of its answers.",
        discussion: """
            Each connection has so many requests under way, and makes a new one for each answer. With a rate, requests are due at fixed times \
            instead, whether others are answered or not, and latencies count from these times. The load ends after so many requests or so \
            much time, whichever comes first. A wrong, missing or superfluous byte ends it with exit status 1.
            """)

    @OptionGroup var shape: LoadShape

    @Option(help: ArgumentHelp("The IPv4 or IPv6 address of the server.", valueName: "ip"))
    var address = "127.0.0.1"

    @Option(help: ArgumentHelp("The port of the server.", valueName: "number"))
    var port: UInt16

    @Option(help: ArgumentHelp("How many requests each connection makes at most.", valueName: "count"))
    var requests = 10_000

    @Option(help: ArgumentHelp("How many more connections to make that ask nothing.", valueName: "count"))
    var idle = 0

    @Flag(help: "Have sizes up to those given, different from request to request.")
    var vary = false

    @Flag(help: "Let the server end connections, but only behind a whole answer.")
    var untilClosed = false

    @Option(help: ArgumentHelp("How long the server may be silent before it counts as stuck.", valueName: "seconds"))
    var patience = 10.0

    @Option(help: ArgumentHelp("The process of the server, to show its CPU time per request and its memory.", valueName: "pid"))
    var serverPid: Int32?

    @Option(help: ArgumentHelp("Print the result as one row of a table, behind this name and tabs.", valueName: "name"))
    var row: String?

    func validate() throws {
        try ValidationError.check(port, in: 1...UInt16.max, "--port")
        try ValidationError.check(requests, in: 1...1_000_000_000, "--requests")
        try ValidationError.check(idle, in: 0...100_000, "--idle")
        try ValidationError.check(patience, in: 0.001...86_400, "--patience")
        if let serverPid { try ValidationError.check(serverPid, in: 1...Int32.max, "--server-pid") }
        guard shape.rate == nil || !untilClosed else {
            throw ValidationError("--until-closed cannot be used with --rate: nobody answers what is due on a connection that has ended.")
        }
    }

    func run() throws {
        raiseFileLimit()
        let plan = LoadPlan(shape, requestCount: requests, idleCount: idle, varies: vary, untilClosed: untilClosed)
        var client = try LoadClient(server: Support.address(ip: address, port: port, "--address"), plan, patience: .seconds(patience))
        try client.connect()
        process_use_exact_timers()
        let usedBefore = try serverPid.map { try processorTime(of: $0) }
        var result = try client.run()
        if let serverPid, let usedBefore { result.serverTime = try processorTime(of: serverPid) - usedBefore }
        var text = row.map { result.row(named: $0) } ?? result.text
        if let serverPid, row == nil {
            text += "Server: \(decimal(Double(try residentByteCount(of: serverPid)) / 1_048_576, places: 1)) MiB of memory.\n"
        }
        try client.end()
        say(text)
    }
}

/// What each connection of a load does.
struct LoadShape: ParsableArguments {
    @Option(help: ArgumentHelp("How many connections to make.", valueName: "count"))
    var connections = 256

    @Option(help: ArgumentHelp("How many requests each connection has under way. (default: 1)", valueName: "count"))
    var depth: Int?

    @Option(
        help: ArgumentHelp(
            "How many requests become due in a second, on all connections together, whether others are answered or not.",
            valueName: "count"))
    var rate: Int?

    @Option(help: ArgumentHelp("How large a payload is.", valueName: "bytes"))
    var payload = 64

    @Option(help: ArgumentHelp("How large an answer is.", valueName: "bytes"))
    var answer = 64

    @Option(name: .customLong("duration"), help: ArgumentHelp("After how much time no more requests are made.", valueName: "seconds"))
    var seconds = 30.0

    func validate() throws {
        try ValidationError.check(connections, in: 1...100_000, "--connections")
        if let depth { try ValidationError.check(depth, in: 1...65_536, "--depth") }
        if let rate { try ValidationError.check(rate, in: 1...10_000_000, "--rate") }
        guard depth == nil || rate == nil else {
            throw ValidationError("--depth cannot be used with --rate: as many requests are under way as are due and not answered.")
        }
        try ValidationError.check(payload, in: 0...Int(UInt32.max), "--payload")
        try ValidationError.check(answer, in: 1...Int(UInt32.max), "--answer")
        try ValidationError.check(seconds, in: 0.001...86_400, "--duration")
    }

    /// The same as arguments of a command.
    var arguments: [String] {
        let fixed = ["--connections", "\(connections)", "--payload", "\(payload)", "--answer", "\(answer)", "--duration", "\(seconds)"]
        return fixed + (depth.map { ["--depth", "\($0)"] } ?? []) + (rate.map { ["--rate", "\($0)"] } ?? [])
    }
}
