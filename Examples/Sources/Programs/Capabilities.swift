// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CompletionPrograms
import Glibc
import Support
import SystemPackage

struct Capabilities: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say where completion programs could run on this machine.",
        discussion: """
            loopStep and tracepointReactor are in the kernel, and need the right to load BPF programs; userSpace is what the other commands \
            use, and works everywhere.
            """)

    @Option(help: ArgumentHelp("Ask as the user with this number, for whom the program must be run by root.", valueName: "number"))
    var user: UInt32?

    func run() throws {
        if let user {
            guard setgid(user) == 0, setuid(user) == 0 else { throw Failure("Cannot become user \(user): \(Errno(rawValue: errno))") }
        }
        let capabilities = ReactorCapabilities()
        say("\(capabilities)\nbest: \(capabilities.available.first.map(\.rawValue) ?? "none")\n")
    }
}
