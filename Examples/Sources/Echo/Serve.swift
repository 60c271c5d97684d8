// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// The command that serves.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send back what connections send, until Ctrl-C.",
        discussion: """
            Both engines do it on one thread. "uring" receives into a pool of buffers, and sends each of them back as it is. "epoll" \
            is to compare with: epoll and non-blocking sockets in C, and a buffer for each connection.
            """)

    enum Engine: String, CaseIterable, ExpressibleByArgument {
        case uring
        case epoll
    }

    @Option(help: ArgumentHelp("The IPv4 or IPv6 address to listen at.", valueName: "ip"))
    var address = "127.0.0.1"

    @Option(help: ArgumentHelp("The port to listen at; with 0 the system chooses one, which is printed.", valueName: "number"))
    var port: UInt16 = 0

    @Option(help: "What serves.")
    var engine = Engine.uring

    @Option(help: ArgumentHelp("How many connections to serve at a time; further ones are closed at once.", valueName: "count"))
    var connections = 1000

    @Option(name: .customLong("buffer"), help: ArgumentHelp("How large a buffer is.", valueName: "bytes"))
    var bufferByteCount = 16 * 1024

    @Option(name: .customLong("buffers"), help: ArgumentHelp("How many buffers \"uring\" has: a power of two.", valueName: "count"))
    var bufferCount = 256

    func validate() throws {
        try ValidationError.check(connections, in: 1...1_000_000, "--connections")
        try ValidationError.check(bufferByteCount, in: 1...(1 << 30), "--buffer")
        try ValidationError.checkBufferCount(bufferCount, "--buffers")
    }

    func run() throws {
        raiseFileLimit()
        let stop = try stopDescriptor()
        let listener = try listen(at: address, port: port)
        let announcement = "Listening at \(try Support.address(of: listener)) (\(engine.rawValue)); Ctrl-C ends.\n"

        let report: ServerReport
        switch engine {
        case .uring:
            let server = try RingServer(
                listener: listener, stop: stop, connectionLimit: connections, bufferCount: bufferCount, bufferByteCount: bufferByteCount)
            say(announcement)
            report = try server.run()
        case .epoll:
            say(announcement)
            report = try runEpollServer(
                listener: listener, stop: stop, connectionLimit: connections, bufferByteCount: bufferByteCount)
        }
        say("\(report)\n")
    }
}

/// What a server did.
struct ServerReport: CustomStringConvertible {
    var connections = 0
    var refusedConnections = 0
    var receives = 0
    var bytes = 0
    /// How often a receive found no buffer.
    var exhaustions = 0

    var description: String {
        let refused = refusedConnections > 0 ? " (\(refusedConnections) more were turned away)" : ""
        let exhausted = exhaustions > 0 ? ", \(exhaustions) that found no buffer" : ""
        return """
            Served \(connections) connections\(refused): \(receives) receives\(exhausted), \(bytes) bytes.
            \(usedTime())
            """
    }
}
