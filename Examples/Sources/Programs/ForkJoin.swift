// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CompletionPrograms
import ExamplePrograms
import Support

struct ForkJoin: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fork-join",
        abstract: "Read a file at many places at once; the main loop hears once for each time all of them are there.")

    @Argument(help: "The file to read.", completion: .file())
    var path: String

    @Option(help: ArgumentHelp("How many reads are begun at once.", valueName: "count"))
    var reads = 10

    @Option(help: ArgumentHelp("How often.", valueName: "count"))
    var joins = 100

    @Option(name: .customLong("block"), help: ArgumentHelp("How many bytes a read is for.", valueName: "bytes"))
    var byteCount = 512

    func validate() throws {
        try ValidationError.check(reads, in: 1...1024, "--reads")
        try ValidationError.check(joins, in: 1...1_000_000, "--joins")
        try ValidationError.check(byteCount, in: 1...1 << 20, "--block")
    }

    func run() throws {
        var mainLoop = try MainLoop()
        let (path, reads, joins, byteCount) = (path, reads, joins, byteCount)
        try mainLoop.start { context in
            let file = try openForReading(path)
            context.attach(ForkJoinProgram(file: file, readCount: reads, byteCount: byteCount, joinCount: joins))
        }
        var total = 0
        while let event = try mainLoop.nextEvent(whenDoing: "Cannot read \(path)") { total += Int(event.message.value) }
        say("\(joins) joins of \(reads) reads got \(total) bytes; the main loop had \(mainLoop.eventCount) events.\n")
    }
}
