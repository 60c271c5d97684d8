// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import EventLoop
import Support

/// Shows the event loop, and measures it.
@main
struct EventLoopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "event-loop",
        abstract: "An event loop on io_uring with the contract of Samba's tevent: one handler at a time, level-triggered, fair.",
        subcommands: [Demo.self, Pipes.self],
        defaultSubcommand: Demo.self
    )
}

/// What the loop waits for descriptors with, by name.
enum BackendName: String, ExpressibleByArgument, CaseIterable {
    case polls
    case registered
    case epoll

    var backend: EventLoop.Backend {
        switch self {
        case .polls: .polls(registeringFiles: false)
        case .registered: .polls(registeringFiles: true)
        case .epoll: .epoll
        }
    }
}

/// Makes a loop, and says what it is for when that fails.
func makeLoop(_ backend: EventLoop.Backend, rearming: EventLoop.Rearming = .lazy) throws -> EventLoop {
    do {
        return try EventLoop(backend: backend, rearming: rearming)
    } catch {
        let means =
            switch backend {
            case .polls(registeringFiles: false): "polls"
            case .polls(registeringFiles: true): "polls on registered files"
            case .epoll: "an epoll set"
            }
        throw Failure("Cannot make a loop with \(means): \(error)")
    }
}
