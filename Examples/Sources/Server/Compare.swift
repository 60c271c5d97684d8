// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support

/// The command that compares the servers.
struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the servers and the load, each in a process of its own, and compare them.",
        discussion: """
            The servers take turns, one thread each, and are compared turn by turn: what is said in the end are the medians of the ratios, and \
            between which ratios they are. With a rate, all have the same requests at the same times. A wrong byte ends it with exit status 1. \
            Over the loopback device, what the load's host has to do for a packet is done in the server's time, and nothing interrupts; \
            Scripts/server.sh gives each a network namespace and a processor.
            """)

    @OptionGroup var shape: LoadShape

    @OptionGroup var batch: Batch

    @Option(help: ArgumentHelp("How many turns each server has.", valueName: "count"))
    var rounds = 3

    @Option(help: ArgumentHelp("How many requests each connection makes at most in a turn.", valueName: "count"))
    var requests = 1_000_000_000

    @Option(help: ArgumentHelp("The IPv4 or IPv6 address that the servers listen at.", valueName: "ip"))
    var address = "127.0.0.1"

    @Option(help: ArgumentHelp("What starts the load, such as \"taskset -c 1 ip netns exec other\".", valueName: "command"))
    var loadThrough = ""

    @Flag(
        help: ArgumentHelp(
            """
            Fail if the rings take more than 0.80 of epoll's CPU time per request or 1.05 of liburing's in C, or answer fewer requests in a \
            second than epoll; with a rate, if any of the three answers fewer than 0.98 of it.
            """))
    var check = false

    @Flag(help: "The same, whatever liburing in C takes.")
    var checkEpoll = false

    func validate() throws {
        try ValidationError.check(rounds, in: 1...1000, "--rounds")
        try ValidationError.check(requests, in: 1...1_000_000_000, "--requests")
    }

    func run() throws {
        var turns: [Serve.Engine: [Turn]] = [:]
        say("server\trequests/s\tp50 µs\tp90 µs\tp99 µs\tmax µs\tserver CPU µs/request\tverified bytes\n")
        for round in 0..<rounds {
            // Whoever is first has a cold machine.
            for engine in round.isMultiple(of: 2) ? Serve.Engine.allCases : Serve.Engine.allCases.reversed() {
                turns[engine, default: []].append(try turn(of: engine))
            }
        }
        let ratios = { (engine: Serve.Engine, other: Serve.Engine, value: KeyPath<Turn, Double>) in
            Spread(zip(turns[engine] ?? [], turns[other] ?? []).map { $0[keyPath: value] / $1[keyPath: value] })
        }
        let rate = ratios(.ring, .epoll, \.rate)
        let time = ratios(.ring, .epoll, \.timePerRequest)
        let timeInC = ratios(.ring, .c, \.timePerRequest)
        say("Rings against epoll: \(rate) times the requests/s, \(time) times the CPU time per request; ")
        say("\(timeInC) times the CPU time of the same in C, which takes \(ratios(.c, .epoll, \.timePerRequest)) times epoll's.\n")
        for engine in Serve.Engine.allCases {
            let median = { (value: KeyPath<Turn, Double>) in Spread((turns[engine] ?? []).map { $0[keyPath: value] }).median }
            say("Medians of \(engine.rawValue): \(decimal(median(\.rate), places: 0)) requests/s, ")
            say("p50 \(decimal(median(\.p50), places: 0)) µs, p99 \(decimal(median(\.p99), places: 0)) µs, ")
            say("\(decimal(median(\.timePerRequest), places: 2)) µs of CPU time per request.\n")
        }
        // Written so that no number at all is not enough either.
        guard !(check || checkEpoll) || isFastEnough(rate, turns) && time.median <= 0.8 && (!check || timeInC.median <= 1.05) else {
            throw Failure("The rings do not do as well as they have to.")
        }
    }

    /// Whether the rings answer as many requests as they have to.
    private func isFastEnough(_ rate: Spread, _ turns: [Serve.Engine: [Turn]]) -> Bool {
        guard let wanted = shape.rate else { return rate.median >= 1 }
        return turns.values.allSatisfy { Spread($0.map(\.rate)).median >= 0.98 * Double(wanted) }
    }

    /// What the load said of one turn.
    private struct Turn {
        var rate: Double
        var p50: Double
        var p99: Double
        var timePerRequest: Double
    }

    /// Values from turn to turn.
    private struct Spread: CustomStringConvertible {
        let median: Double
        private let lowest: Double
        private let highest: Double

        init(_ values: [Double]) {
            let values = values.sorted()
            median = (values[(values.count - 1) / 2] + values[values.count / 2]) / 2
            lowest = values[0]
            highest = values[values.count - 1]
        }

        var description: String {
            "\(decimal(median, places: 2)) (\(decimal(lowest, places: 2)) to \(decimal(highest, places: 2)))"
        }
    }

    private func turn(of engine: Serve.Engine) throws -> Turn {
        let server = try ChildProgram(["serve", engine.rawValue, "--address", address] + batch.arguments)
        let port = try server.port()
        let load = try ChildProgram(
            ["load", "--address", address, "--port", String(port), "--server-pid", "\(server.identifier)", "--row", engine.rawValue]
                + ["--requests", "\(requests)"] + shape.arguments,
            through: loadThrough.split(separator: " ").map(String.init))
        let row = try load.output(whenDoing: "The load of the \(engine.rawValue) server")
        say(row)
        server.end()
        _ = try server.output(whenDoing: "The \(engine.rawValue) server")
        let columns = row.split(separator: "\t").map { Double($0) ?? .nan }
        guard columns.count > 6 else { throw Failure("The load of the \(engine.rawValue) server gave no figures.") }
        return Turn(rate: columns[1], p50: columns[2], p99: columns[4], timePerRequest: columns[6])
    }
}
