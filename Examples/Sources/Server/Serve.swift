// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Sharding
import Support
import SystemPackage
import URing

/// The command that serves.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer requests until Ctrl-C; answers on their way then leave.",
        discussion: """
            "ring" has a ring on each of its threads. The first thread accepts connections and hands them to the others in turn. The others \
            are to compare with, in C with one thread and without timeouts: "c" with liburing, "epoll" with epoll and non-blocking sockets.
            """)

    enum Engine: String, CaseIterable, ExpressibleByArgument {
        case ring
        case c
        case epoll
    }

    @Argument(help: "What serves.")
    var engine: Engine

    @Option(help: ArgumentHelp("The IPv4 or IPv6 address to listen at.", valueName: "ip"))
    var address = "127.0.0.1"

    @Option(help: ArgumentHelp("The port to listen at; with 0 the system chooses one, which is printed.", valueName: "number"))
    var port: UInt16 = 0

    @Option(help: ArgumentHelp("How many connections each thread serves at a time; further ones are closed at once.", valueName: "count"))
    var connections = 4096

    @Option(name: .customLong("limit"), help: ArgumentHelp("The largest payload, and the largest answer.", valueName: "bytes"))
    var byteLimit = 16 << 20

    @Option(help: ArgumentHelp("How many threads serve with \"ring\", besides the one that accepts.", valueName: "count"))
    var threads = 1

    @OptionGroup var batch: Batch

    @Option(
        name: .customLong("buffers"), help: ArgumentHelp("How many buffers each thread receives into: a power of two.", valueName: "count"))
    var bufferCount = 64

    @Option(name: .customLong("buffer"), help: ArgumentHelp("How large a buffer is.", valueName: "bytes"))
    var bufferByteCount = 16 * 1024

    @Option(
        name: .customLong("request-timeout"),
        help: ArgumentHelp("How long a request may take to arrive, and a client to take something of an answer.", valueName: "seconds"))
    var requestSeconds = 10.0

    @Option(
        name: .customLong("idle-timeout"), help: ArgumentHelp("How long there may be no request at all; 0 for ever.", valueName: "seconds"))
    var idleSeconds = 0.0

    @Option(name: .customLong("drain"), help: ArgumentHelp("How long answers have to leave after Ctrl-C.", valueName: "seconds"))
    var drainSeconds = 5.0

    @Option(
        name: .customLong("move-after"),
        help: ArgumentHelp("After how many requests a connection moves on to the next thread; 0 for never.", valueName: "count"))
    var moveAfter = 0

    func validate() throws {
        try ValidationError.check(connections, in: 1...1_000_000, "--connections")
        try ValidationError.check(byteLimit, in: 1...Int(Int32.max), "--limit")
        try ValidationError.check(threads, in: 1...1024, "--threads")
        try ValidationError.checkBufferCount(bufferCount, "--buffers")
        try ValidationError.check(bufferByteCount, in: 1...(1 << 30), "--buffer")
        try ValidationError.check(requestSeconds, in: 0.01...86_400, "--request-timeout")
        try ValidationError.check(idleSeconds, in: 0...86_400, "--idle-timeout")
        try ValidationError.check(drainSeconds, in: 0...86_400, "--drain")
        try ValidationError.check(moveAfter, in: 0...Int.max, "--move-after")
    }

    func run() throws {
        raiseFileLimit()
        let stop = try stopDescriptor()
        let listener = try listen(at: address, port: port)
        switch engine {
        case .ring: try serveWithRings(listener, stop: stop)
        case .c:
            say("Listening at \(try Support.address(of: listener)) (liburing in C); Ctrl-C ends.\n")
            let report = try runLiburingServer(
                listener: listener, stop: stop, connectionLimit: connections, byteLimit: byteLimit, batch: batch)
            say("\(report)\n\(usedTime())\n")
        case .epoll:
            say("Listening at \(try Support.address(of: listener)) (epoll); Ctrl-C ends.\n")
            let report = try runEpollServer(listener: listener, stop: stop, connectionLimit: connections, byteLimit: byteLimit)
            say("\(report)\n\(usedTime())\n")
        }
    }

    private func serveWithRings(_ listener: borrowing Descriptor, stop: UnownedDescriptor) throws {
        let settings = ShardSettings(
            connectionLimit: connections, byteLimit: byteLimit, batchCount: batch.microseconds > 0 ? batch.count : 1,
            batchTime: .microseconds(batch.microseconds), bufferCount: bufferCount,
            bufferByteCount: bufferByteCount, requestTime: .seconds(requestSeconds),
            idleTime: idleSeconds > 0 ? .seconds(idleSeconds) : nil,
            drainTime: .seconds(drainSeconds),
            moveAfter: moveAfter > 0 ? moveAfter : nil)
        let moves = Moves()
        var acceptor = try Acceptor<ShardReport>(listener: listener, stop: stop)
        for number in 0..<threads {
            try acceptor.startShard { try RequestShard(number: number, settings, moves) }
        }
        try moves.begin(among: acceptor.handles)
        say("Listening at \(try Support.address(of: listener)) (ring, \(threads) threads); Ctrl-C ends.\n")
        let (reports, refusedCount) = try acceptor.run()
        say("\(ServerReport(shards: reports, refusedCount: refusedCount))\n\(usedTime())\n")
    }
}

/// What a turn of a ring's loop waits for.
struct Batch: ParsableArguments {
    @Option(
        name: .customLong("batch"),
        help: ArgumentHelp(
            "How many completions a thread waits for with \"ring\" and \"c\", or a quarter as many as it has connections; 1 to go on with the first.",
            valueName: "count"))
    var count = 64

    @Option(
        name: .customLong("batch-time"), help: ArgumentHelp("How long it waits for those behind the first.", valueName: "microseconds"))
    var microseconds = 100

    func validate() throws {
        try ValidationError.check(count, in: 1...1024, "--batch")
        try ValidationError.check(microseconds, in: 0...1_000_000, "--batch-time")
    }

    /// The same as arguments of a command.
    var arguments: [String] { ["--batch", "\(count)", "--batch-time", "\(microseconds)"] }
}
