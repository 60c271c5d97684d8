// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// The command that shows from what size on it pays not to copy, and whether it does at all.
struct CompareSizes: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sizes",
        abstract: "Send records of several sizes to this machine with and without copying, and compare.",
        discussion: """
            Each size has a receiver of its own, another process of this program that verifies every byte. The two ways take turns. \
            "of copying" is the lazy zero-copy send's figure divided by the plain send's: above 1 it is the faster way, or takes more \
            processor time. Over the loopback device the kernel copies what is sent without copying too, only later, so the figures say \
            what zero copy costs where it cannot work; what it gains needs a network device that can send from pages.
            """)

    @Option(
        name: .customLong("size"), parsing: .upToNextOption,
        help: ArgumentHelp("How large a record is.", valueName: "bytes"))
    var byteCounts = [1400, 4096, 16384, 65536, 262_144]

    @Option(help: ArgumentHelp("How many mebibytes each way sends in a round.", valueName: "count"))
    var mebibytes = 256

    @Option(help: ArgumentHelp("How many rounds there are.", valueName: "count"))
    var rounds = 3

    func validate() throws {
        for byteCount in byteCounts { try ValidationError.check(byteCount, in: Record.headerByteCount...(1 << 24), "--size") }
        try ValidationError.check(mebibytes, in: 1...1_000_000, "--mebibytes")
        try ValidationError.check(rounds, in: 1...1000, "--rounds")
    }

    func run() throws {
        say("bytes    copying MB/s   zero copy MB/s   of copying   CPU µs/MB   CPU µs/MB   of copying   copied\n")
        for byteCount in byteCounts {
            let (copying, lazy) = try compare(byteCount)
            let rate = { (way: Measurement) in way.recordsPerSecond * Double(byteCount) / 1e6 }
            let cost = { (way: Measurement) in way.microsecondsPerRecord * 1e6 / Double(byteCount) }
            say(
                tableRow([
                    (String(byteCount), 7), (decimal(rate(copying), places: 0), 14), (decimal(rate(lazy), places: 0), 17),
                    (decimal(rate(lazy) / rate(copying), places: 2), 13), (decimal(cost(copying), places: 0), 12),
                    (decimal(cost(lazy), places: 0), 12), (decimal(cost(lazy) / cost(copying), places: 2), 13),
                    (decimal(lazy.copiedPercentage, places: 0) + " %", 9),
                ]))
        }
    }

    private func compare(_ byteCount: Int) throws -> (copying: Measurement, lazy: Measurement) {
        let child = try ChildProgram(["receive", "--size", String(byteCount)])
        let receiver = try SocketAddress(ip: "127.0.0.1", port: child.port())
        var (copying, lazy) = (Measurement(way: .copying), Measurement(way: .lazy))
        let bufferCount = min(max((64 << 20) / byteCount, 2), 1024)
        for _ in 0..<rounds {
            try send(byteCount, to: receiver, bufferCount: bufferCount, &copying)
            try send(byteCount, to: receiver, bufferCount: bufferCount, &lazy)
        }
        child.end()
        _ = try child.output(whenDoing: "The receiver of \(byteCount) bytes")
        return (copying, lazy)
    }

    private func send(_ byteCount: Int, to receiver: SocketAddress, bufferCount: Int, _ result: inout Measurement) throws {
        var sender = try Sender(
            to: receiver, way: result.way, record: Record(byteCount: byteCount), connectionCount: 2, bufferCount: bufferCount)
        result.add(try sender.run(recordCount: max((mebibytes << 20) / byteCount, 1)))
        try sender.end()
    }
}
