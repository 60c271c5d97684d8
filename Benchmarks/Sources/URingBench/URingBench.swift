// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// Compares URing with the same loops in C and on other interfaces.
@main
struct URingBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "uring-bench",
        abstract: "Compare URing with C, with swift-system's IORing, and with other ways to wait.",
        subcommands: [List.self, Run.self, Count.self, Document.self])
}
