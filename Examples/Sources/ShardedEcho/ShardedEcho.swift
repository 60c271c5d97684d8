// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Sharding
import Support
import SystemPackage
import URing

/// An echo server with one ring for each thread.
@main
struct ShardedEcho: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sharded-echo",
        abstract: "Send back what connections send, on several threads, until Ctrl-C.",
        discussion: """
            Each thread has a ring of its own. The first accepts connections into its file table, and hands them to the others in turn \
            with a message from ring to ring; from there on they are the other thread's alone. Load it with "echo load".
            """)

    @Option(help: ArgumentHelp("The IPv4 or IPv6 address to listen at.", valueName: "ip"))
    var address = "127.0.0.1"

    @Option(help: ArgumentHelp("The port to listen at; with 0 the system chooses one, which is printed.", valueName: "number"))
    var port: UInt16 = 0

    @Option(help: ArgumentHelp("How many threads serve; as many as there are processors by default.", valueName: "count"))
    var threads = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: ArgumentHelp("How many connections each thread serves at a time; further ones are closed at once.", valueName: "count"))
    var connections = 4096

    @Option(name: .customLong("buffer"), help: ArgumentHelp("How large the buffer of a connection is.", valueName: "bytes"))
    var bufferByteCount = 16 * 1024

    func validate() throws {
        try ValidationError.check(threads, in: 1...1024, "--threads")
        try ValidationError.check(connections, in: 1...1_000_000, "--connections")
        try ValidationError.check(bufferByteCount, in: 1...(1 << 30), "--buffer")
    }

    func run() throws {
        raiseFileLimit()
        let stop = try stopDescriptor()
        let listener = try listen(at: address, port: port)
        var acceptor = try Acceptor<ShardReport>(listener: listener, stop: stop)
        for _ in 0..<threads {
            try acceptor.startShard { [connections, bufferByteCount] in
                try EchoShard(connectionLimit: connections, bufferByteCount: bufferByteCount)
            }
        }
        say("Listening at \(try Support.address(of: listener)) (\(threads) threads); Ctrl-C ends.\n")
        let (reports, refusedCount) = try acceptor.run()
        say("\(Report(shards: reports, refusedConnections: refusedCount))\n\(usedTime())\n")
    }
}

/// What the server did.
struct Report: CustomStringConvertible {
    var shards: [ShardReport]
    var refusedConnections: Int

    var description: String {
        let sum = { (value: KeyPath<ShardReport, Int>) in shards.reduce(0) { $0 + $1[keyPath: value] } }
        let refused = refusedConnections > 0 ? " (\(refusedConnections) more were turned away)" : ""
        return """
            Served \(sum(\.connections)) connections\(refused): \(sum(\.receives)) receives, \(sum(\.bytes)) bytes.
            By thread: \(shards.map { "\($0.connections)" }.joined(separator: ", ")) connections.
            """
    }
}
