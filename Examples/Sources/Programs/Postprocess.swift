// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CompletionPrograms
import ExamplePrograms
import Support
import SystemPackage
import URing

struct Postprocess: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Work through a file of records: read, compute, read on; the main loop is asked about records of unknown kinds only.")

    @Argument(help: "The file of records to make, or to replace, and to work through.", completion: .file())
    var path: String

    @Option(help: ArgumentHelp("How many records the file has.", valueName: "count"))
    var records = 1000

    @Option(
        name: .customLong("unknown-every"),
        help: ArgumentHelp("Every how many records one is of an unknown kind; 0 for none.", valueName: "count"))
    var interval = 100

    func validate() throws {
        try ValidationError.check(records, in: 0...100_000, "--records")
        try ValidationError.check(interval, in: 0...100_000, "--unknown-every")
    }

    func run() throws {
        let path = path
        try write(Records.contents(count: records, unknownEvery: interval))
        var mainLoop = try MainLoop()
        let program = try mainLoop.start { context in
            context.address(of: context.attach(RecordsProgram(file: try openForReading(path))))
        }
        var unknown = 0
        var sum: UInt32 = 0
        while let event = try mainLoop.nextEvent(whenDoing: "Cannot read \(path)") {
            if event.message.kind == RecordsProgram.escalated {
                unknown += 1
                try attempt("Cannot answer") { () throws(Errno) in try program.send(ProgramMessage(kind: RecordsProgram.skip)) }
            } else {
                sum = event.message.value
            }
        }
        guard sum == Records.sum(count: records, unknownEvery: interval) else { throw Failure("The sum \(sum) is wrong.") }
        say("Of \(records) records \(unknown) are unknown; the others add up to \(sum). ")
        say("The main loop had \(mainLoop.eventCount) events.\n")
    }

    private func write(_ bytes: [UInt8]) throws {
        var ring = try Ring<UInt8>(entries: 1)
        // One write, which Ctrl-C waits for.
        _ = try stopDescriptor()
        let file = try openForWriting(path)
        try filling(path) {
            let count = try ring.run(Write(file, from: Buffer(copying: bytes))).result.get(whenDoing: path)
            guard count == bytes.count else { throw Failure("\(path): only \(count) of \(bytes.count) bytes could be written.") }
        }
    }
}
