// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// The command that sends.
struct SendRecords: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send",
        abstract: "Send records in each of three ways, and compare them.",
        discussion: """
            Each connection has one send in flight, so that its records stay in order, and all sends take their memory from one pool.
            "lazy" waits for results only and takes memory back when it is there; "waiting" waits for the notifications of a send on each \
            connection before it goes on, which costs the less the more connections share the wait; "copying" is a plain send. All three \
            run in turn, several times, over new connections. The receiver verifies every byte and says how many records came; a wrong \
            number ends the program with exit status 1. "copied" is what the kernel says of the bytes: to the same machine, it copies all \
            of them in any case.
            """)

    @Option(help: ArgumentHelp("The IPv4 or IPv6 address of the receiver.", valueName: "ip"))
    var address = "127.0.0.1"

    @Option(help: ArgumentHelp("The port of the receiver.", valueName: "number"))
    var port: UInt16

    @Option(name: .customLong("size"), help: ArgumentHelp("How large a record is; as the receiver's.", valueName: "bytes"))
    var byteCount = 1400

    @Option(help: ArgumentHelp("How many connections to make.", valueName: "count"))
    var connections = 2

    @Option(help: ArgumentHelp("How many buffers there are.", valueName: "count"))
    var buffers = 1024

    @Option(help: ArgumentHelp("How many records each way sends in a round.", valueName: "count"))
    var records = 200_000

    @Option(help: ArgumentHelp("How many rounds there are.", valueName: "count"))
    var rounds = 3

    @Flag(help: "Fail unless lazy sends twice as many records per second as waiting, with a twentieth of the context switches.")
    var check = false

    func validate() throws {
        try ValidationError.check(port, in: 1...UInt16.max, "--port")
        try ValidationError.check(byteCount, in: Record.headerByteCount...(1 << 30), "--size")
        try ValidationError.check(connections, in: 1...1024, "--connections")
        try ValidationError.check(buffers, in: connections...1024, "--buffers")
        try ValidationError.check(records, in: 1...1_000_000_000, "--records")
        try ValidationError.check(rounds, in: 1...1000, "--rounds")
    }

    func run() throws {
        let receiver = try Support.address(ip: address, port: port, "--address")
        var results = Way.allCases.map { Measurement(way: $0) }
        for _ in 0..<rounds {
            for index in results.indices {
                var sender = try Sender(
                    to: receiver, way: results[index].way, record: Record(byteCount: byteCount), connectionCount: connections,
                    bufferCount: buffers)
                results[index].add(try sender.run(recordCount: records))
                try sender.end()
            }
        }
        say(Measurement.header)
        for result in results { say(result.row) }
        try compare(results)
    }

    private func compare(_ results: [Measurement]) throws {
        guard let lazy = results.first(where: { $0.way == .lazy }), let waiting = results.first(where: { $0.way == .waiting }) else {
            return
        }
        let speed = lazy.recordsPerSecond / waiting.recordsPerSecond
        let switches = waiting.switchesPerThousand / lazy.switchesPerThousand
        say(
            "lazy sends \(decimal(speed, places: 1)) times the records of waiting per second, with a \(decimal(switches, places: 0))th of "
                + "the voluntary context switches.\n")
        if check && (speed < 2 || switches < 20) { throw Failure("That is less than it should be.") }
    }
}
