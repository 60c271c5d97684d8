// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CompletionPrograms
import ExamplePrograms
import Support
import SystemPackage

struct PingPong: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping-pong", abstract: "Have two programs send each other messages, as completions in their rings.")

    @Option(help: ArgumentHelp("How many messages they send altogether.", valueName: "count"))
    var messages: UInt32 = 100_000

    @Option(help: ArgumentHelp("Whether the two are on one ring, or each on its own.", valueName: "1 or 2"))
    var rings = 1

    func validate() throws {
        try ValidationError.check(messages, in: 1...100_000_000, "--messages")
        try ValidationError.check(rings, in: 1...2, "--rings")
    }

    func run() throws {
        var mainLoop = try MainLoop()
        let time = try PingPong.play(messages, onRings: rings, &mainLoop)
        let nanoseconds = decimal(time / .nanoseconds(1) / Double(messages), places: 0)
        say("\(messages) messages arrived in order, \(nanoseconds) ns each; the main loop had \(mainLoop.eventCount) events.\n")
    }

    /// Plays a game, and returns how long it took.
    static func play(_ messages: UInt32, onRings rings: Int, _ mainLoop: inout MainLoop) throws -> Duration {
        let meeting = Rendezvous()
        let attach = { @Sendable (context: inout ProgramContext, peer: Int) in
            meeting.add(context.address(of: context.attach(PingPongProgram(messageCount: messages) { meeting[peer] })))
        }
        if rings == 1 {
            try mainLoop.start { context in
                attach(&context, 1)
                attach(&context, 0)
            }
        } else {
            try mainLoop.start { context in attach(&context, 1) }
            try mainLoop.start { context in attach(&context, 0) }
        }
        let start = ContinuousClock.now
        try attempt("Cannot send the first message") { () throws(Errno) in
            try meeting[0].send(ProgramMessage(kind: PingPongProgram.serve))
        }
        var received: UInt32 = 0
        while let event = try mainLoop.nextEvent() { received += event.message.value }
        guard received == messages else { throw Failure("Of \(messages) messages \(received) arrived.") }
        return .now - start
    }
}
