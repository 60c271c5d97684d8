// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CBaseline
import Support

/// The command that runs one engine so often, and nothing else.
struct Count: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run one engine for exactly so many operations, for counting instructions or allocations.",
        discussion: """
            What set-up and teardown take falls out of the difference between two sizes. Every engine compares every byte that it reads or \
            receives, with the same function in C; with --unverified that is left out, for counting what the engine itself takes.
            """)

    @Argument(help: "The case; see 'uring-bench list'.", transform: Case.init(named:))
    var benchmark: Case

    @Option(help: ArgumentHelp("The engine.", valueName: "name"))
    var engine: String

    @Option(help: ArgumentHelp("How many operations to run.", valueName: "count"))
    var operations: Int

    @Flag(help: "Do not compare the contents of what is read or received; counts and results are checked all the same.")
    var unverified = false

    func validate() throws {
        try ValidationError.check(operations, in: 1...1_000_000_000, "--operations")
    }

    func run() throws {
        complainAboutDebugBuild()
        if unverified { baseline_leave_unverified() }
        _ = try benchmark.engine(named: engine).run(operations)
    }
}

/// Says that figures of code that is not optimised mean nothing.
func complainAboutDebugBuild() {
    #if DEBUG
        complain("uring-bench: this is a debug build; build with -c release for figures that mean something.\n")
    #endif
}
