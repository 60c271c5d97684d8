// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// An echo server, and a client that loads and verifies it.
@main
struct Echo: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Serve TCP connections that get back what they send, or load such a server and verify its answers.",
        subcommands: [Serve.self, Load.self]
    )
}

extension ValidationError {
    /// Throws when an option's value is outside its range.
    static func check<Value: Comparable>(_ value: Value, in range: ClosedRange<Value>, _ name: String) throws {
        guard range.contains(value) else {
            throw ValidationError("\(name) must be between \(range.lowerBound) and \(range.upperBound).")
        }
    }
}
