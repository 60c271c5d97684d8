// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CompletionPrograms
import ExamplePrograms
import Support

struct Count: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Count the ticks of timers with many programs, all in one number without a lock.")

    @Option(help: ArgumentHelp("How many programs count.", valueName: "count"))
    var programs = 10

    @Option(help: ArgumentHelp("How many ticks each program counts.", valueName: "count"))
    var ticks = 10

    @Option(help: ArgumentHelp("The time from one tick to the next.", valueName: "milliseconds"))
    var interval = 1

    func validate() throws {
        try ValidationError.check(programs, in: 1...100_000, "--programs")
        try ValidationError.check(ticks, in: 1...10_000, "--ticks")
        try ValidationError.check(interval, in: 0...10_000, "--interval")
    }

    func run() throws {
        var mainLoop = try MainLoop()
        let (programs, ticks, interval) = (programs, ticks, interval)
        try mainLoop.start(entries: 256) { context in
            let tally = Tally()
            for _ in 0..<programs {
                context.attach(CountingProgram(tickCount: ticks, interval: .milliseconds(interval), tally: tally))
            }
        }
        // The last to end has seen all ticks.
        var total: UInt32 = 0
        while let event = try mainLoop.nextEvent() { total = event.message.value }
        say("\(programs) programs have counted to \(total); the main loop had \(mainLoop.eventCount) events.\n")
    }
}
