// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support

/// The command that compares the servers.
struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the servers and the load, each in a process of its own, and compare them.",
        discussion: """
            The servers take turns, one thread each, and the medians of the rounds are compared. A wrong byte ends it with exit status 1.
            """)

    @OptionGroup var shape: LoadShape

    @Option(help: ArgumentHelp("How many turns each server has.", valueName: "count"))
    var rounds = 3

    @Option(help: ArgumentHelp("How many requests each connection makes at most in a turn.", valueName: "count"))
    var requests = 1_000_000_000

    @Flag(
        help: ArgumentHelp(
            """
            Fail if the rings take more than 0.80 of epoll's CPU time per request or 1.05 of liburing's in C, or answer fewer requests in a \
            second than epoll.
            """))
    var check = false

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
        let rate = ratio(turns, .ring, to: .epoll, \.rate)
        let time = ratio(turns, .ring, to: .epoll, \.timePerRequest)
        let timeInC = ratio(turns, .ring, to: .c, \.timePerRequest)
        say("Rings against epoll, medians: \(decimal(rate, places: 2)) times the requests/s, ")
        say("\(decimal(time, places: 2)) times the CPU time per request; ")
        say("\(decimal(timeInC, places: 2)) times the CPU time of the same in C, which takes ")
        say("\(decimal(ratio(turns, .c, to: .epoll, \.timePerRequest), places: 2)) times epoll's.\n")
        // Written so that no number at all is not enough either.
        guard !check || rate >= 1 && time <= 0.8 && timeInC <= 1.05 else { throw Failure("The rings do not do as well as they have to.") }
    }

    /// What the load said of one turn.
    private struct Turn {
        var rate: Double
        var timePerRequest: Double
    }

    private func turn(of engine: Serve.Engine) throws -> Turn {
        let server = try ChildProgram(["serve", engine.rawValue])
        let port = try server.port()
        let load = try ChildProgram(
            ["load", "--port", String(port), "--server-pid", "\(server.identifier)", "--row", engine.rawValue, "--requests", "\(requests)"]
                + shape.arguments)
        let row = try load.output(whenDoing: "The load of the \(engine.rawValue) server")
        say(row)
        server.end()
        _ = try server.output(whenDoing: "The \(engine.rawValue) server")
        let columns = row.split(separator: "\t").map(String.init)
        return Turn(rate: Double(columns[1]) ?? .nan, timePerRequest: Double(columns[6]) ?? .nan)
    }

    private func ratio(
        _ turns: [Serve.Engine: [Turn]], _ engine: Serve.Engine, to other: Serve.Engine, _ value: KeyPath<Turn, Double>
    ) -> Double {
        let median = { (engine: Serve.Engine) in
            let values = (turns[engine] ?? []).map { $0[keyPath: value] }.sorted()
            return (values[(values.count - 1) / 2] + values[values.count / 2]) / 2
        }
        return median(engine) / median(other)
    }
}
