// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CompletionPrograms
import ExamplePrograms
import Support
import URing

struct Connections: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer requests of many connections, with a program for each, and send the requests with programs, too.")

    @Option(help: ArgumentHelp("How many connections there are.", valueName: "count"))
    var connections = 64

    @Option(help: ArgumentHelp("How many requests each sends, one after the other's reply.", valueName: "count"))
    var requests = 1000

    @Option(help: ArgumentHelp("How large a request is.", valueName: "bytes"))
    var size = 64

    func validate() throws {
        try ValidationError.check(connections, in: 1...10_000, "--connections")
        try ValidationError.check(requests, in: 1...1_000_000, "--requests")
        try ValidationError.check(size, in: 1...1 << 20, "--size")
    }

    func run() throws {
        var mainLoop = try MainLoop()
        let replies = SharedTally()
        let (connections, requests, size) = (connections, requests, size)
        let server = try mainLoop.start(entries: 256) { context in
            let listener = try listen(at: "127.0.0.1", port: 0)
            let address = try address(of: listener)
            context.attach(
                ListenerProgram(listener: listener, connectionCount: connections, byteCount: size, replies: replies))
            return address
        }
        let start = ContinuousClock.now
        try mainLoop.start(entries: 256) { context in
            for _ in 0..<connections {
                context.attach(RequestingProgram(address: server, requestCount: requests, byteCount: size))
            }
        }
        var received = 0
        while let event = try mainLoop.nextEvent(whenDoing: "A connection failed") { received += Int(event.message.value) }
        let seconds = (.now - start) / .seconds(1)
        guard replies.count == received else { throw Failure("There were \(replies.count) replies, and \(received) arrived.") }
        say("\(connections) connections had \(received) replies, \(decimal(Double(received) / seconds, places: 0)) a second; ")
        say("the programs that sent them counted \(replies.count). The main loop had \(mainLoop.eventCount) events.\n")
    }
}
