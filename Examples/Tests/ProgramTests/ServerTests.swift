// SPDX-License-Identifier: Apache-2.0

import Foundation
import Framing
import Support
import SystemPackage
import Testing
import URing

/// The rows are those of the table in Docs/Examples/server.md.
@Suite(.timeLimit(.minutes(5))) struct ServerTests {
    private func serve(_ arguments: String...) throws -> (server: Program, port: String) {
        let server = try Program("server", ["serve"] + arguments)
        return (server, try portNumber(in: server.firstLine()))
    }

    /// Loads a server, and expects that every answer is right.
    @discardableResult
    private func load(
        _ port: String, _ connections: Int, _ requests: Int, _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let load = try Program(
            "server",
            [
                "load", "--port", port, "--connections", "\(connections)", "--requests", "\(requests)", "--patience", "30", "--duration",
                "600",
            ]
                + arguments
        ).outcome()
        #expect(load.errors == "", sourceLocation: sourceLocation)
        #expect(load.status == 0, sourceLocation: sourceLocation)
        let text = String(decoding: load.output, as: UTF8.self)
        #expect(text.contains("\(connections) connections made \(connections * requests) requests"), sourceLocation: sourceLocation)
        return text
    }

    /// Ends a server, and says what it reports.
    private func end(_ server: Program, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        server.terminate()
        let outcome = try server.outcome()
        #expect(outcome.status == 0 && outcome.errors == "", sourceLocation: sourceLocation)
        return String(decoding: outcome.output, as: UTF8.self)
    }

    // Requests come in pieces and many at a time; with 16 under way and large answers both sides have to wait for each other.
    @Test("S3-15: requests and answers of all sizes, many under way", arguments: ["ring", "c", "epoll"])
    func everyAnswerIsRight(engine: String) throws {
        let (server, port) = try serve(engine)
        try load(port, 16, 300)
        try load(port, 16, 100, "--vary", "--payload", "600", "--answer", "3000", "--depth", "16")
        try load(port, 4, 5, "--payload", "100000", "--answer", "200000", "--depth", "3")
        try load(port, 8, 300, "--payload", "0", "--answer", "1", "--depth", "100")
        // More answers to come than a connection may have before nothing more is received from it.
        try load(port, 2, 3000, "--payload", "0", "--answer", "100", "--depth", "1000")
        let text = try end(server)
        #expect(text.contains("Served 46 connections (0 more were turned away): 14820 requests."))
        #expect(text.contains("Closed: 0 too slow, 0 that wanted too much, 0 that failed, 0 cut off at the end."))
    }

    // The sockets have room for less than half of it, so the servers' sends are taken in part, and wait.
    @Test("S3-15: a client that reads slowly gets every byte", arguments: ["ring", "c", "epoll"])
    func aSlowClientGetsEveryByte(engine: String) throws {
        let (server, port) = try serve(engine)
        var client = try RequestClient(port: port, receiveBufferByteCount: 256 * 1024)
        for _ in 0..<64 { #expect(try client.send(RequestClient.request(payload: [1, 2], answerByteCount: 500_000))) }
        try client.endSending()
        let answers = try client.receiveAll()
        #expect(answers.count == 64 * 500_000)
        let first = answers.prefix(500_000)
        #expect((1..<64).allSatisfy { answers.dropFirst($0 * 500_000).prefix(500_000) == first })
        #expect(try end(server).contains("64 requests"))
    }

    @Test("S3-15: one small buffer is enough for all connections")
    func aPoolOfOneBufferServesAll() throws {
        let (server, port) = try serve("ring", "--buffers", "1", "--buffer", "100")
        try load(port, 32, 30, "--vary", "--payload", "1000", "--answer", "1000", "--depth", "4")
        _ = try end(server)
    }

    @Test("S3-13: connections are shared by threads, and move from one to another in the middle of requests")
    func connectionsMoveAndLoseNoByte() throws {
        let (server, port) = try serve("ring", "--threads", "3", "--move-after", "5", "--buffer", "500")
        try load(port, 12, 200, "--vary", "--payload", "700", "--answer", "900", "--depth", "100")
        let text = try end(server)
        #expect(text.contains("Served 12 connections (0 more were turned away): 2400 requests."))
        let moves = text.firstMatch(of: /(\d+) moves/).flatMap { Int($0.output.1) }
        #expect(try #require(moves) >= 12)
    }

    /// A client that reads no answer, and has asked until nothing more was taken from it.
    ///
    /// The sockets of both sides have room for some megabytes, and a server takes the requests of 256 answers: far less than can be sent here.
    private func deafClient(port: String) throws -> RequestClient {
        var client = try RequestClient(port: port)
        let payload = [UInt8](repeating: 1, count: 5000)
        let questions = (0..<200).flatMap { _ in RequestClient.request(payload: payload, answerByteCount: 100_000) }
        var takenCount = 0
        while takenCount < 256, try client.push(questions) { takenCount += 1 }
        #expect(takenCount < 256, "The server takes everything without an answer being read.")
        return client
    }

    @Test("S3-15: nothing more is received from a client that takes no answers", arguments: ["ring", "c", "epoll"])
    func aDeafClientIsHeldBack(engine: String) throws {
        let (server, port) = try serve(engine, "--request-timeout", "600")
        let deaf = try deafClient(port: port)
        try load(port, 16, 50, "--depth", "4")
        _ = consume deaf
        #expect(try end(server).contains("Served 17 connections"))
    }

    // A turn of the loop waits for several completions, but not for long.
    @Test("S3-15: a request is answered though nobody else asks anything")
    func aLoneRequestIsAnswered() throws {
        let (server, port) = try serve("ring", "--batch", "64")
        try load(port, 1, 20, "--idle", "100")
        #expect(try end(server).contains("Served 101 connections (0 more were turned away): 20 requests."))
    }

    @Test(
        "S3-15: a turn waits for a batch, or for a completion of each fourth connection", arguments: ["ring", "c"],
        [(1, 100, 1), (3, 100, 3), (64, 100, 5), (64, 0, 1)])
    func aTurnWaitsForABatch(engine: String, batch: (count: Int, microseconds: Int, awaitedCount: Int)) throws {
        let (server, port) = try serve(engine, "--batch", "\(batch.count)", "--batch-time", "\(batch.microseconds)")
        let address = SocketAddress.ipv4Loopback(port: try #require(UInt16(port)))
        var ring = try Ring<UInt8>(entries: 2)
        var clients: [Client] = []
        for _ in 0..<20 {
            let socket = try Descriptor.socket(.ipv4, .stream)
            try ring.run(Connect(socket, to: address)).result.get()
            clients.append(Client(socket))
        }
        // Who was answered is one of the shard's connections.
        for client in clients { try expectAnswer(client, &ring) }
        let deadline = ContinuousClock.now + .seconds(20)
        var counts: [Int] = []
        repeat {
            counts = try server.awaitedCompletionCounts(ofFirstThread: engine == "c")
        } while counts != [batch.awaitedCount] && .now < deadline
        #expect(counts == [batch.awaitedCount])
        clients = []
        _ = try end(server)
    }

    @Test("S3-14: the slow, the greedy and the gone cost nobody else anything")
    func badClientsCostNobodyElseAnything() throws {
        let (server, port) = try serve("ring", "--request-timeout", "0.2", "--limit", "1000000", "--buffers", "4")
        var halfHeader = try RequestClient(port: port)
        try halfHeader.send([5, 0, 0, 0])
        var halfPayload = try RequestClient(port: port)
        try halfPayload.send(RequestClient.header(payloadByteCount: 100, answerByteCount: 1) + [1, 2, 3])
        var endless = try RequestClient(port: port)
        try endless.send(RequestClient.header(payloadByteCount: 0xffff_ffff, answerByteCount: 1))
        var greedy = try RequestClient(port: port)
        try greedy.send(RequestClient.header(payloadByteCount: 0, answerByteCount: 0xffff_ffff))
        var deaf = try deafClient(port: port)
        // Leaves with an answer unread, which makes a reset of it.
        do {
            var gone = try RequestClient(port: port)
            try gone.send(RequestClient.request(payload: [1], answerByteCount: 1_000_000))
            _ = try gone.receive()
        }

        try load(port, 16, 200, "--depth", "4")
        // Whom it has told that there is no more, it gives time to end as well.
        #expect(try halfHeader.receiveAll() == [])
        #expect(try greedy.receive() == [])
        try load(port, 16, 200, "--depth", "4")
        // The server ends each of them by itself.
        #expect(try halfHeader.receiveAll() == [])
        #expect(try halfPayload.receiveAll() == [])
        #expect(try endless.receiveAll() == [])
        #expect(try greedy.receiveAll() == [])
        _ = try deaf.receiveAll()
        try load(port, 16, 50)
        let text = try end(server)
        #expect(text.contains("Closed: 3 too slow, 2 that wanted too much, 1 that failed, 0 cut off at the end."))
    }

    @Test("S3-15: who asks for too much gets the answers that are due, whatever else it sends", arguments: ["ring", "c", "epoll"])
    func answersBeforeARequestAboveTheLimitLeave(engine: String) throws {
        let (server, port) = try serve(engine, "--limit", "1000000")
        var client = try RequestClient(port: port)
        let questions = (0..<8).flatMap { _ in RequestClient.request(payload: [1, 2, 3], answerByteCount: 500_000) }
        #expect(try client.send(questions + RequestClient.header(payloadByteCount: 0xffff_ffff, answerByteCount: 1)))
        // What belongs to the request lies in the socket when the answers are sent.
        for _ in 0..<20 { _ = try client.send([UInt8](repeating: 1, count: 100_000)) }
        #expect(try client.receiveAll().count == 8 * 500_000)
        try client.endSending()
        // The server closes it then, and has room for it; the report says why.
        _ = consume client
        try load(port, 4, 20)
        let text = try end(server)
        #expect(text.contains("1 that wanted too much"))
        #expect(engine != "ring" || text.contains("Closed: 0 too slow, 1 that wanted too much, 0 that failed, 0 cut off at the end."))
    }

    @Test("S3-14: who asks for too much and does not end is closed in time")
    func whoAsksForTooMuchHasNotForEver() throws {
        let (server, port) = try serve("ring", "--request-timeout", "0.1")
        var client = try RequestClient(port: port)
        try client.send(RequestClient.header(payloadByteCount: 0xffff_ffff, answerByteCount: 1))
        let deadline = ContinuousClock.now + .seconds(20)
        var isTaken = true
        while isTaken && .now < deadline { isTaken = try client.push([1]) }
        #expect(!isTaken)
        _ = consume client
        #expect(try end(server).contains("Closed: 0 too slow, 1 that wanted too much, 0 that failed"))
    }

    @Test("S3-14: a request that comes byte by byte has no more time than another")
    func bytesOfARequestDoNotPutItsTimeOff() throws {
        let (server, port) = try serve("ring", "--request-timeout", "0.1")
        var client = try RequestClient(port: port)
        try client.send(RequestClient.header(payloadByteCount: 16 << 20, answerByteCount: 1))
        let deadline = ContinuousClock.now + .seconds(20)
        var isTaken = true
        while isTaken && .now < deadline { isTaken = try client.send([1]) }
        #expect(!isTaken)
        _ = consume client
        #expect(try end(server).contains("Closed: 1 too slow"))
    }

    @Test("S3-14: connections that ask nothing are closed only when there is a time for that")
    func idleConnectionsHaveTheirOwnTime() throws {
        let (server, port) = try serve("ring", "--request-timeout", "0.1", "--idle-timeout", "0.3")
        var idle = try RequestClient(port: port)
        try idle.send(RequestClient.request(payload: [1, 2, 3], answerByteCount: 10))
        #expect(try idle.receiveAll().count == 10)
        #expect(try end(server).contains("Closed: 1 too slow"))

        let (patient, otherPort) = try serve("ring", "--request-timeout", "0.1")
        var first = try RequestClient(port: otherPort)
        // The second is closed for its half request, long after the first had no more time for one.
        var second = try RequestClient(port: otherPort)
        try second.send([1])
        #expect(try second.receiveAll() == [])
        try first.send(RequestClient.request(payload: [1], answerByteCount: 1))
        #expect(try first.receive()?.count == 1)
        #expect(try end(patient).contains("Closed: 1 too slow"))
    }

    @Test("S3-15: answers on their way leave when the server is asked to end")
    func answersOnTheirWayLeave() throws {
        let (server, port) = try serve("ring", "--drain", "60")
        var client = try RequestClient(port: port)
        // They fit one buffer, so all have been looked at when the first answer comes. The answers do not fit the socket.
        let payload: [UInt8] = Array(0..<64)
        let requests = (0..<56).flatMap { _ in RequestClient.request(payload: payload, answerByteCount: 200_000) }
        try client.send(requests)
        let beginning = try #require(try client.receive())
        server.terminate()
        let rest = try client.receiveAll()
        #expect(beginning.count + rest.count == 56 * 200_000)
        #expect((beginning + rest).suffix(200_000) == (beginning + rest).prefix(200_000))
        // The server still takes what comes, until the client ends too: to close would reset the connection, which shows with the second send.
        #expect(try client.send(requests))
        #expect(try client.send(requests))
        _ = consume client
        #expect(try end(server).contains("Closed: 0 too slow, 0 that wanted too much, 0 that failed, 0 cut off at the end."))
    }

    @Test("S3-15: a busy server ends behind whole answers", arguments: [1, 3])
    func aBusyServerEndsBehindWholeAnswers(threads: Int) throws {
        let (server, port) = try serve("ring", "--threads", "\(threads)", "--move-after", "20", "--drain", "60")
        let load = try Program(
            "server", ["load", "--port", port, "--connections", "16", "--depth", "4", "--answer", "200000", "--vary", "--until-closed"])
        // There is something to be cut off by the time that a whole load has come and gone.
        try self.load(port, 4, 100)
        let text = try end(server)
        #expect(text.contains("0 that failed, 0 cut off at the end."))
        let outcome = try load.outcome()
        #expect(outcome.status == 0 && outcome.errors == "")
        #expect(String(decoding: outcome.output, as: UTF8.self).contains("Verified: all"))
    }

    /// Waits until a port of this machine has so many connections: who comes later would be refused by a server that ends.
    private func waitForConnections(_ count: Int, at port: String) throws {
        let place = try String(format: ":%04X", #require(UInt16(port)))
        for _ in 0..<1000 {
            // It says nothing of its size, and other ways to read a file give its first part only.
            let table = try FileHandle(forReadingFrom: URL(filePath: "/proc/net/tcp")).readToEnd() ?? Data()
            let sockets = String(decoding: table, as: UTF8.self).split(separator: "\n").map { $0.split(separator: " ") }
            // The socket's own address, the peer's, and the state, of which 1 is a connection.
            if sockets.count(where: { $0[1].hasSuffix(place) && $0[3] == "01" }) >= count { return }
            usleep(10_000)
        }
        Issue.record("there are no \(count) connections")
    }

    // With one request for each stay most connections are on their way from thread to thread at any time.
    @Test("S3-13: connections that are moving when the server ends get the rest of their answers")
    func connectionsThatAreMovingAreNotLostAtTheEnd() throws {
        for _ in 0..<10 {
            let (server, port) = try serve("ring", "--threads", "16", "--move-after", "1", "--drain", "60")
            let load = try Program("server", ["load", "--port", port, "--connections", "512", "--answer", "10", "--until-closed"])
            try waitForConnections(512, at: port)
            try self.load(port, 4, 100)
            #expect(try end(server).contains("0 that failed, 0 cut off at the end."))
            let outcome = try load.outcome()
            #expect(outcome.status == 0 && outcome.errors == "")
        }
    }

    @Test("S3-15: a client that takes nothing does not keep the server from ending")
    func theEndDoesNotWaitForEver() throws {
        let (server, port) = try serve("ring", "--drain", "0.2")
        var deaf = try RequestClient(port: port)
        try deaf.send((0..<56).flatMap { _ in RequestClient.request(payload: [], answerByteCount: 1_000_000) })
        _ = try deaf.receive()
        #expect(try end(server).contains("0 that failed, 1 cut off at the end."))
    }

    @Test("S3-16: ten thousand idle connections share one pool")
    func idleConnectionsShareOnePool() throws {
        let (server, port) = try serve("ring", "--connections", "11000", "--buffers", "256", "--buffer", "4096")
        let mebibytes = { (text: String) in text.firstMatch(of: /Server: ([\d.]+) MiB/).flatMap { Double($0.output.1) } }
        let before = try #require(mebibytes(load(port, 16, 10, "--server-pid", "\(server.identifier)")))
        let after = try #require(mebibytes(load(port, 16, 10, "--idle", "10000", "--server-pid", "\(server.identifier)")))
        // A buffer for each would be 39 MiB.
        #expect(after - before < 12)
        #expect(try end(server).contains("Served 10032 connections (0 more were turned away)"))
    }

    // They wait until the server comes to accept them, far more at once than it has room for on their way to a shard.
    @Test("S3-13: a burst of connections is served to the last")
    func aBurstOfConnectionsIsServed() throws {
        raiseFileLimit()
        let (server, port) = try serve("ring")
        let address = SocketAddress.ipv4Loopback(port: try #require(UInt16(port)))
        // The shard takes none of them while the acceptor has something to do.
        try server.favourFirstThread()
        try server.suspend()
        var ring = try Ring<UInt8>(entries: 2)
        var clients: [Client] = []
        for _ in 0..<3000 {
            let socket = try Descriptor.socket(.ipv4, .stream)
            try ring.run(Connect(socket, to: address)).result.get()
            clients.append(Client(socket))
        }
        server.resume()
        try expectAnswer(clients[0], &ring)
        try server.treatThreadsAlike()
        for client in clients.dropFirst() { try expectAnswer(client, &ring) }
        clients = []
        #expect(try end(server).contains("Served 3000 connections (0 more were turned away): 3000 requests."))
    }

    private final class Client {
        let socket: Descriptor
        init(_ socket: consuming Descriptor) { self.socket = socket }
    }

    /// Makes a request, and expects its answer.
    private func expectAnswer(_ client: Client, _ ring: inout Ring<UInt8>) throws {
        let request = Buffer(copying: RequestClient.request(payload: [], answerByteCount: 1))
        #expect(try ring.run(Send(client.socket, from: request)).result.get() == RequestParser.headerByteCount)
        let receive = Receive(client.socket, into: Buffer(byteCapacity: 2))
        let answer = try ring.prepare(receive, tag: 0, timeout: .after(.seconds(20)))
        while true {
            try ring.submit(waitingFor: 1)
            guard let completion = ring.nextCompletion() else { continue }
            #expect(completion.take(answer).result == .success(1))
            return
        }
    }

    @Test func connectionsAboveTheLimitAreTurnedAway() throws {
        for engine in ["ring", "c", "epoll"] {
            let (server, port) = try serve(engine, "--connections", "3")
            let load = try run("server", "load", "--port", port, "--connections", "4", "--requests", "1000000", "--patience", "20")
            #expect(load.status == 1 && load.errors.contains("onnection "))
            #expect(try end(server).contains("(1 more were turned away)"))
        }
    }

    @Test("S3-15: the server in C ends who wants too much, and lets who takes nothing wait")
    func badClientsCostTheServerInCNothing() throws {
        let (server, port) = try serve("c", "--limit", "1000000")
        var endless = try RequestClient(port: port)
        let question = RequestClient.request(payload: [1, 2, 3], answerByteCount: 10)
        try endless.send(question + RequestClient.header(payloadByteCount: 0xffff_ffff, answerByteCount: 1))
        let deaf = try deafClient(port: port)
        do {
            var gone = try RequestClient(port: port)
            try gone.send(RequestClient.request(payload: [1], answerByteCount: 1_000_000))
            _ = try gone.receive()
        }
        try load(port, 16, 200, "--depth", "4")
        #expect(try endless.receiveAll().count == 10)
        _ = consume deaf
        try load(port, 16, 50)
        #expect(try end(server).contains("Served 35 connections (0 more were turned away)"))
    }

    // Servers that speak the same, and a load that says when they do not.
    @Test(arguments: [
        [], ["--rate", "8000", "--batch", "1", "--batch-time", "50"], ["--address", "127.0.0.2", "--load-through", "taskset -c 0"],
    ])
    func comparingRunsAllServers(arguments: [String]) throws {
        let outcome = try Program(
            "server", ["compare", "--rounds", "1", "--connections", "8", "--requests", "200", "--duration", "20"] + arguments
        ).outcome()
        #expect(outcome.status == 0 && outcome.errors == "")
        let text = String(decoding: outcome.output, as: UTF8.self)
        #expect(text.contains("\nring\t") && text.contains("\nc\t") && text.contains("\nepoll\t") && text.contains("Rings against epoll"))
        let medians = /Medians of \w+: \d+ requests\/s, p50 \d+ µs, p99 \d+ µs, \d+\.\d\d µs of CPU time per request/
        #expect(text.matches(of: medians).count == 3)
    }

    @Test func comparingStartsTheLoadAsItIsTold() throws {
        let outcome = try run("server", "compare", "--requests", "1", "--connections", "1", "--load-through", "false")
        #expect(outcome.status == 1 && outcome.errors == "Error: The load of the ring server ended with status 1.\n")
    }

    @Test("S3-15: with a rate, so many requests are made as are due", arguments: ["ring", "c", "epoll"])
    func aLoadWithARateMakesWhatIsDue(engine: String) throws {
        let (server, port) = try serve(engine)
        try load(port, 16, 50, "--rate", "20000")
        try load(port, 16, 50, "--rate", "100000", "--vary", "--payload", "600", "--answer", "3000")
        let schedule = RequestSchedule(rate: 3000, connectionCount: 16)
        let count = (0..<1000).count { schedule.time(ofRequest: $0) < 50_000_000 }
        let timed = try run(
            "server", "load", "--port", port, "--connections", "16", "--rate", "3000", "--duration", "0.05", "--patience", "30",
            "--server-pid", "\(server.identifier)")
        #expect(timed.status == 0 && timed.errors == "")
        let text = String(decoding: timed.output, as: UTF8.self)
        #expect(text.contains("16 connections made \(count) requests of"))
        let time = text.firstMatch(of: /Server: ([\d.]+) µs of CPU time per request/).flatMap { Double($0.output.1) }
        #expect(try #require(time) > 0)
        #expect(try end(server).contains(" \(1600 + count) requests."))
    }

    /// The highest latency that a load speaks of, in microseconds.
    private func highestLatency(in text: String) throws -> Int {
        try #require(text.firstMatch(of: /max (\d+) µs/).flatMap { Int($0.output.1) })
    }

    // The server is this test, and answers nothing before all is there.
    @Test("S3-15: with a rate, requests are sent at their time, though nothing is answered")
    func aLoadWithARateDoesNotWaitForAnswers() throws {
        let listener = try listen(at: .ipv4Loopback(port: 0))
        let port = try portNumber(in: "\(address(of: listener))")
        let load = try Program(
            "server",
            ["load", "--port", port, "--connections", "1", "--requests", "20", "--rate", "1000", "--patience", "20", "--duration", "600"])
        var ring = try Ring<UInt8>(entries: 1)
        let socket = try ring.run(Accept(listener)).result.get().descriptor
        var parser = RequestParser(byteLimit: 1000)
        var answers = AnswerQueue()
        while parser.requestCount < 20 {
            let received = try ring.run(Receive(socket, into: Buffer(byteCapacity: 4096)))
            try #require(try received.result.get() > 0)
            let isUnderstood = parser.parse(received.operation.memory.span, into: &answers)
            #expect(isUnderstood)
        }
        var output = Buffer(byteCapacity: 20 * 64)
        answers.write(to: &output, from: AnswerRow())
        #expect(try ring.run(Send(socket, from: output)).result.get() == 20 * 64)
        #expect(try ring.run(Receive(socket, into: Buffer(byteCapacity: 1))).result.get() == 0)
        _ = try socket.close()
        let outcome = try load.outcome()
        #expect(outcome.status == 0 && outcome.errors == "")
        let text = String(decoding: outcome.output, as: UTF8.self)
        #expect(text.contains("1 connections made 20 requests") && text.contains("Verified: all 1280 bytes"))
        // The first was answered when the last had come.
        #expect(try highestLatency(in: text) >= 19_000)
    }

    // All are due within 16 milliseconds, and far too large to be sent by then: the last answer comes so long after it was due.
    @Test("S3-15: a load with a rate notices that the server is silent")
    func aLoadWithARateNoticesASilentServer() throws {
        let (server, port) = try serve("ring")
        // The system takes connections and requests for it.
        try server.suspend()
        let start = ContinuousClock.now
        let load = try run(
            "server", "load", "--port", port, "--connections", "4", "--rate", "100", "--duration", "60", "--patience", "0.5")
        #expect(load.status == 1 && load.errors.contains("has been silent for 0.5 seconds; 0 requests were answered."))
        #expect(.now - start < .seconds(20))
        server.resume()
        _ = try end(server)
    }

    @Test("S3-15: latencies count from when a request was due, not from when it could be sent")
    func latenciesCountFromWhenRequestsAreDue() throws {
        let (server, port) = try serve("ring")
        let text = try load(port, 4, 40_000, "--rate", "10000000", "--payload", "1000", "--answer", "1")
        let seconds = text.firstMatch(of: /in ([\d.]+) s/).flatMap { Double($0.output.1) }
        // The time is rounded to hundredths of a second.
        #expect(try Double(highestLatency(in: text)) / 1e6 >= #require(seconds) - 0.016 - 0.005)
        _ = try end(server)
    }

    @Test func aServerThatIsNotAskedMayBeSilent() throws {
        let (server, port) = try serve("ring")
        // Two requests, with a second between them.
        let outcome = try run(
            "server", "load", "--port", port, "--connections", "1", "--requests", "2", "--rate", "1", "--patience", "0.9")
        #expect(outcome.status == 0 && outcome.errors == "")
        _ = try end(server)
    }

    @Test(arguments: [
        (["--rate", "0"], "--rate must be between 1 and 10000000."),
        (["--rate", "10000001"], "--rate must be between 1 and 10000000."),
        (["--rate", "5", "--depth", "1"], "--depth cannot be used with --rate"),
        (["--rate", "5", "--until-closed"], "--until-closed cannot be used with --rate"),
    ])
    func ratesThatMakeNoSenseAreRefused(arguments: [String], sentence: String) throws {
        let outcome = try Program("server", ["load", "--port", "1"] + arguments).outcome()
        #expect(outcome.status == 64 && outcome.errors.contains(sentence))
    }

    @Test func aServerThatIsNoProcessIsNamed() throws {
        let (server, port) = try serve("ring")
        let outcome = try run(
            "server", "load", "--port", port, "--connections", "1", "--requests", "1", "--row", "x", "--server-pid", "\(Int32.max)")
        #expect(outcome.status == 1 && outcome.errors.contains("Cannot look at process \(Int32.max): "))
        _ = try end(server)
    }

    @Test func loadOfAServerWithOtherAnswersSaysSo() throws {
        let server = try Program("echo", ["serve"])
        let port = try portNumber(in: server.firstLine())
        let load = try run("server", "load", "--port", port, "--connections", "1", "--requests", "10", "--patience", "20")
        #expect(load.status == 1 && load.errors.contains("Wrong byte: within bytes 0 to 64 of an answer on connection 0, to request 0."))
    }
}
