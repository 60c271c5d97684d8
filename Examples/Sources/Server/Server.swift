// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// A server of requests and answers on rings, one with epoll to compare with, and what loads and compares them.
@main
struct Server: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "server",
        abstract: "Serve requests over TCP, load such a server and verify its answers, or compare three kinds of server.",
        discussion: """
            A request is the byte count of its payload, the byte count of the answer, both 32 bits and little-endian, and the payload. \
            The answer is so many bytes of a fixed row, from a place that a checksum of the payload decides. A connection makes any number \
            of requests, without waiting for answers if it likes; they come in the order of the requests.
            """,
        subcommands: [Serve.self, Load.self, Compare.self]
    )
}
