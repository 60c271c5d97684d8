// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support

/// The command that lists what can be measured.
struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the cases with their engines.")

    func run() {
        for one in Case.all {
            let engines = one.engines.map(\.name).joined(separator: ",")
            say("\(column(one.name, 14)) \(column(engines, 28)) \(one.summary)\n")
        }
    }
}
