// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support

/// The command that lists what can be measured.
struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the cases with their engines.")

    @Argument(help: "The cases; all by default.", transform: Case.init(named:))
    var cases: [Case] = Case.all

    @Flag(
        help:
            "List each engine that can be counted in a line of its own, with two sizes whose difference is as many operations as it takes.")
    var countable = false

    func run() {
        if countable {
            for one in cases {
                guard let sizes = one.countedOperations else {
                    complain(
                        "uring-bench: '\(one.name)' is left out: its threads wait for each other, and valgrind lets none run meanwhile.\n"
                    )
                    continue
                }
                for engine in one.engines { say("\(one.name) \(engine.name) \(sizes.lowerBound) \(sizes.upperBound)\n") }
            }
            return
        }
        for one in cases {
            let engines = one.engines.map(\.name).joined(separator: ",")
            say("\(column(one.name, 14)) \(column(engines, 28)) \(one.summary)\n")
        }
    }
}
