// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// The command that runs completion programs.
@main
struct Programs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "programs",
        abstract: "Run completion programs: what an operation leads to is done beside the main loop, which hears only of results.",
        discussion: """
            The programs run on threads of their own, each with a ring, as they would in the kernel with io_uring and eBPF. `programs \
            capabilities` says what this kernel has of that.
            """,
        subcommands: [
            Count.self, PingPong.self, WriteFile.self, CopyFile.self, Postprocess.self, ForkJoin.self, SyncGroups.self, Connections.self,
            Capabilities.self, Bench.self,
        ])
}
