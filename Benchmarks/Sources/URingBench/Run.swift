// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support

/// The command that compares the engines of a case.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare the engines of a case.",
        discussion: """
            Each round runs every engine once, and the next round begins with another one. The ratios to C are computed round by round, \
            because what disturbs a round disturbs its neighbours; medians are shown, with the range in brackets.
            """)

    @Argument(help: "The case; see 'uring-bench list'.", transform: Case.init(named:))
    var benchmark: Case

    @Option(help: ArgumentHelp("The engines to run, separated by commas; those that the case lacks are left out.", valueName: "names"))
    var engines: String?

    @Option(help: ArgumentHelp("How often each engine runs.", valueName: "count"))
    var rounds = 7

    @Option(help: ArgumentHelp("How many operations a run has, instead of the case's own number.", valueName: "count"))
    var operations: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        try ValidationError.check(rounds, in: 1...1000, "--rounds")
        if let operations { try ValidationError.check(operations, in: 1...1_000_000_000, "--operations") }
    }

    func run() throws {
        complainAboutDebugBuild()
        let chosen = try engines.map { try benchmark.engines(named: $0) } ?? benchmark.engines
        let measurement = try Measurement(of: chosen, rounds: rounds, operations: operations ?? benchmark.operations)
        say(json ? measurement.json(of: benchmark) : measurement.table(of: benchmark))
    }
}
