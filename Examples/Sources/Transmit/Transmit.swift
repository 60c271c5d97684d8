// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// A sender without copies that does not wait for its memory, compared with one that does, and the receiver of both.
@main
struct Transmit: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transmit",
        abstract: "Send records over TCP without copying them, and compare ways to wait for the memory.",
        subcommands: [SendRecords.self, ReceiveRecords.self, CompareSizes.self]
    )
}
