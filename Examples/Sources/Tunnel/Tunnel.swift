// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// The program: a tunnel, and a look at how long packets take through it.
@main
struct Tunnel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tunnel",
        abstract: "An IP tunnel between two machines, or two network namespaces, on one ring and one thread.",
        discussion: "Nothing is encrypted and nobody is authenticated: it shows how to move packets, and is no VPN.",
        subcommands: [Run.self, Ping.self])
}
