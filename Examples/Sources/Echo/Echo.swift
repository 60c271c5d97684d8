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
