// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing

/// What Ctrl-C does to the programs: the table in Docs/Systems.md.
@Suite(.timeLimit(.minutes(5))) struct StopTests {
    @Test(arguments: [
        ["echo", "serve"], ["echo", "serve", "--engine", "epoll"], ["sharded-echo", "--threads", "2"], ["server", "serve", "ring"],
        ["server", "serve", "c"], ["server", "serve", "epoll"], ["transmit", "receive"], ["udp-relay", "--peer-port", "9"],
        ["event-loop", "--tick", "60000"], ["event-loop", "--tick", "60000", "--backend", "epoll"], ["tunnel", "run", "--isolate"],
        ["tunnel", "run", "--isolate", "--transport", "tcp"],
    ])
    func whatServesEndsWithItsReport(words: [String]) throws {
        if words[0] == "tunnel" && geteuid() != 0 { try Test.cancel("A tunnel makes a TUN device and a network namespace: root.") }
        let program = try Program(words[0], Array(words.dropFirst()))
        _ = try program.firstLine()
        program.interrupt()
        let outcome = try program.outcome()
        #expect(!outcome.endedBySignal && outcome.status == 0)
        #expect(outcome.errors == "")
        // A tunnel whose peer has not come has nothing to tell.
        #expect(outcome.output.isEmpty == (words[0] == "tunnel"))
    }

    /// A file without blocks on the disk, with more than can be copied before the signal comes.
    private func largeFile(in directory: TemporaryDirectory) throws -> String {
        let path = try directory.file("source", Data())
        try FileHandle(forWritingTo: URL(fileURLWithPath: path)).truncate(atOffset: 1 << 36)
        return path
    }

    /// Waits until a file has more than so many bytes; how many it has then.
    @discardableResult
    private func awaitPart(at path: String, beyond byteCount: Int = 0) throws -> Int {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int ?? 0
            if size > byteCount { return size }
            try #require(.now < deadline)
        }
    }

    @Test(arguments: [
        (["copy"], ["--block", "4096", "--depth", "1"]), (["copy"], ["--overwrite", "--block", "4096", "--depth", "1"]),
        (["programs", "write-file"], ["--size", "268435456", "--block", "8"]),
        (["programs", "copy"], ["--block", "512"]), (["programs", "copy"], ["--block", "512", "--linked"]),
        (["programs", "bench", "copies"], ["--block", "512"]),
    ])
    func whatMakesAFileTakesThePartOfItAway(words: [String], options: [String]) throws {
        let directory = try TemporaryDirectory()
        let source = try words.last == "write-file" ? [] : [largeFile(in: directory)]
        let made = directory.path("made")
        let program = try Program(words[0], words.dropFirst() + source + [made] + options)
        try awaitPart(at: made)
        program.interrupt()
        let outcome = try program.outcome()
        #expect(outcome.endedBySignal && outcome.status == SIGINT)
        let sentence = words[0] == "copy" ? "Stopped before the copy was complete." : "Stopped before \(made) was complete; it is removed."
        #expect(outcome.errors == sentence + "\n")
        #expect(!FileManager.default.fileExists(atPath: made))
    }

    @Test(arguments: [["copy"], ["programs", "copy"]]) func closingTheTerminalTakesThePartAwayAsWell(words: [String]) throws {
        let directory = try TemporaryDirectory()
        let made = directory.path("made")
        let program = try Program(words[0], words.dropFirst() + [largeFile(in: directory), made, "--block", "4096"])
        try awaitPart(at: made)
        program.hangUp()
        let outcome = try program.outcome()
        #expect(outcome.endedBySignal && outcome.status == SIGHUP)
        #expect(!FileManager.default.fileExists(atPath: made))
    }

    // As nohup(1) does.
    @Test func whatIsToOutliveItsTerminalGoesOn() throws {
        let directory = try TemporaryDirectory()
        let made = directory.path("made")
        let words = ["copy", try largeFile(in: directory), made, "--block", "4096", "--depth", "1"]
        let program = try Program(words[0], Array(words.dropFirst()), through: ["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""])
        try awaitPart(at: made)
        program.hangUp()
        // What is on its way when the signal comes is not what goes on.
        for _ in 0..<20 { try awaitPart(at: made, beyond: awaitPart(at: made)) }
        program.interrupt()
        let outcome = try program.outcome()
        #expect(outcome.endedBySignal && outcome.status == SIGINT)
    }

    // There is room for a signal's descriptor and the sockets, and none for a ring.
    @Test(arguments: [
        ("5", ["echo", "serve"]), ("5", ["transmit", "receive"]), ("5", ["sharded-echo"]), ("5", ["server", "serve", "ring"]),
        ("6", ["udp-relay", "--peer-port", "9"]),
    ])
    func whatCannotServeDoesNotSayThatItListens(fileLimit: String, words: [String]) throws {
        let command = "ulimit -n \(fileLimit); exec \"$0\" \"$@\""
        let outcome = try Program(words[0], Array(words.dropFirst()), through: ["sh", "-c", command]).outcome()
        #expect(outcome.status == 1 && outcome.output.isEmpty)
        #expect(outcome.errors.contains("No ring: too many files are open"))
    }

    // There is room nowhere for a thread with a stack of so many kilobytes.
    @Test(arguments: [["server", "serve", "ring"], ["sharded-echo"], ["programs", "count"]])
    func whatCannotHaveAThreadSaysSo(words: [String]) throws {
        let command = "ulimit -s \(1 << 37); exec \"$0\" \"$@\""
        let outcome = try Program(words[0], Array(words.dropFirst()), through: ["sh", "-c", command]).outcome()
        #expect(outcome.status == 1 && outcome.output.isEmpty)
        #expect(outcome.errors.lowercased() == "error: cannot start a thread: resource temporarily unavailable\n")
    }

    // No more than 8 KiB may be in a file, and the write that wants more fails instead of ending the program.
    @Test func whatCannotBeWrittenToTheEndIsTakenAwayAndALinkToItStays() throws {
        let directory = try TemporaryDirectory()
        let (made, link) = (directory.path("made"), directory.path("link"))
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: made)
        let command = "trap '' XFSZ; ulimit -f 16; exec \"$0\" write-file \"$1\""
        let outcome = try Program("programs", [link], through: ["sh", "-c", command]).outcome()
        #expect(!outcome.endedBySignal && outcome.status == 1)
        #expect(outcome.errors == "Error: Cannot write \(link): File too large\n")
        #expect(!FileManager.default.fileExists(atPath: made))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == made)
    }

    @Test(arguments: [
        ["programs", "ping-pong", "--messages", "100000000"], ["programs", "ping-pong", "--messages", "100000000", "--rings", "2"],
        ["programs", "count", "--ticks", "10000"], ["programs", "connections", "--requests", "1000000"],
        ["programs", "bench", "nops", "--count", "100000000"], ["event-loop", "pipes", "--loop", "Swift", "--calls", "100000000"], ["cat"],
        ["tunnel", "ping", "127.0.0.1", "--count", "65536", "--size", "60000"],
    ])
    func whatMeasuresEndsByTheSignal(words: [String]) throws {
        if words[0] == "tunnel" && geteuid() != 0 { try Test.cancel("A raw socket takes root.") }
        // Nothing is to be read from a terminal's line that nobody has ended.
        let program = try Program(words[0], Array(words.dropFirst()), keepsInputOpen: true)
        try program.awaitOpenFile("anon_inode:")
        try expectEndBySignal(program)
    }

    @Test func aLoadEndsByTheSignalAndTheServerGoesOn() throws {
        let server = try Program("server", ["serve", "ring"])
        let receiver = try Program("transmit", ["receive"])
        let echo = try Program("echo", ["serve"])
        for (program, words) in [
            (server, ["server", "load", "--requests", "1000000000"]), (receiver, ["transmit", "send", "--records", "1000000000"]),
            (echo, ["echo", "load", "--requests", "1000000000"]),
        ] {
            let load = try Program(words[0], words.dropFirst() + ["--port", try portNumber(in: program.firstLine())])
            try load.awaitOpenFile("socket:")
            try expectEndBySignal(load)
        }
        // A connection that ends within a record is an error of what sends, and the receiver says so.
        for program in [server, echo] {
            program.interrupt()
            let outcome = try program.outcome()
            #expect(outcome.status == 0 && outcome.errors == "")
        }
    }

    @Test(arguments: [["transmit", "sizes", "--mebibytes", "1000000"], ["server", "compare", "--rounds", "1000"]], [SIGINT, SIGTERM])
    func otherProcessesEndWithWhatComparesThem(words: [String], signal: Int32) throws {
        let program = try Program(words[0], Array(words.dropFirst()))
        // The line is there before the first of them is. The last is a receiver, with a listener and then two connections, or the load of a
        // server, with many.
        _ = try program.firstLine()
        let children = "/proc/\(program.identifier)/task/\(program.identifier)/children"
        let deadline = ContinuousClock.now + .seconds(60)
        var socketCount = 0
        while socketCount < 3 {
            try #require(.now < deadline)
            guard let child = try String(contentsOfFile: children, encoding: .utf8).split(separator: " ").last else { continue }
            let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(child)/fd")) ?? []
            socketCount = files.count { file in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(child)/fd/\(file)"))?.hasPrefix("socket:") ?? false
            }
        }
        // They have the same standard error, so that ends with the last of them.
        try expectEndBySignal(program, signal)
    }

    private func expectEndBySignal(_ program: Program, _ signal: Int32 = SIGINT, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(kill(program.identifier, signal) == 0, sourceLocation: sourceLocation)
        let outcome = try program.outcome()
        #expect(outcome.endedBySignal && outcome.status == signal, sourceLocation: sourceLocation)
        #expect(outcome.errors == "", sourceLocation: sourceLocation)
    }
}
