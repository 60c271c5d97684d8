// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite struct CompletionProgramTests {
    /// Runs a command that is to succeed, and gives its output.
    private func output(_ arguments: String...) throws -> String {
        let outcome = try Program("programs", arguments).outcome()
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        return String(decoding: outcome.output, as: UTF8.self)
    }

    @Test func countIsExactWithManyPrograms() throws {
        let text = try output("count", "--programs", "1000", "--ticks", "3")
        #expect(text == "1000 programs have counted to 3000; the main loop had 1000 events.\n")
    }

    @Test(arguments: ["1", "2"]) func pingPongLosesNoMessage(rings: String) throws {
        let text = try output("ping-pong", "--messages", "20001", "--rings", rings)
        #expect(text.hasPrefix("20001 messages arrived in order, "))
        #expect(text.hasSuffix("the main loop had 2 events.\n"))
    }

    @Test func writeFileAndCopyMakeIdenticalFiles() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path("file")
        #expect(try output("write-file", file, "--size", "200000") == "Wrote 200000 bytes in 49 blocks; the main loop had 1 event.\n")
        let contents = try directory.contents("file")
        #expect(contents.count == 200_000)
        #expect(contents.prefix(24) == Data("0000000\n0000008\n0000010\n".utf8))
        #expect(contents.suffix(8) == Data("0030d38\n".utf8))

        for options in [["--depth", "1"], ["--depth", "8"], ["--linked"]] {
            let outcome = try Program("programs", ["copy", file, directory.path("copy"), "--block", "4096"] + options).outcome()
            #expect(outcome.status == 0)
            #expect(String(decoding: outcome.output, as: UTF8.self).hasPrefix("Copied 49 blocks in "))
            let isIdentical = try directory.contents("copy") == contents
            #expect(isIdentical)
        }
    }

    @Test func copyRefusesToReplaceItsSource() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("file", pattern(1000))
        let outcome = try run("programs", "copy", file, file)
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("are the same file"))
        #expect(try directory.contents("file") == pattern(1000))
        let missing = try run("programs", "copy", directory.path("missing"), directory.path("copy"))
        #expect(missing.status == 1)
        #expect(missing.errors.contains("missing: No such file or directory"))
    }

    @Test func postprocessEscalatesUnknownRecordsOnly() throws {
        let directory = try TemporaryDirectory()
        let text = try output("postprocess", directory.path("records"), "--records", "200", "--unknown-every", "20")
        #expect(text.hasPrefix("Of 200 records 10 are unknown; "))
        #expect(text.hasSuffix("The main loop had 11 events.\n"))
    }

    @Test func forkJoinReportsOncePerJoin() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("file", pattern(5000))
        let text = try output("fork-join", file, "--block", "100")
        #expect(text == "100 joins of 10 reads got 100000 bytes; the main loop had 100 events.\n")
    }

    @Test func syncGroupsRunInTheOrderOfTheDiscussion() throws {
        #expect(
            try output("sync-groups") == """
                Entry 5 completes while 2 others are in flight.
                The entries completed in the order 5 2 4 1 3.

                """)
    }

    @Test func connectionsAreAllAnswered() throws {
        let text = try output("connections", "--connections", "10", "--requests", "20")
        #expect(text.hasPrefix("10 connections had 200 replies, "))
        #expect(text.hasSuffix("the programs that sent them counted 200. The main loop had 10 events.\n"))
    }

    @Test func s1_11_capabilitiesSayWhatThereIs() throws {
        let text = try output("capabilities")
        #expect(text.contains("\nuserSpace: yes\nbest: "))
    }

    @Test func s1_11_aUserWithoutRightsHasProgramsInTheProcessOnly() throws {
        // Root asks as another user; any other asks for itself.
        let nobody = try geteuid() == 0 ? output("capabilities", "--user", "65534") : output("capabilities")
        #expect(nobody.contains("\nuserSpace: yes\nbest: userSpace\n"))
        #expect(nobody.contains("tracepointReactor: no, "))
    }

    @Test func benchMeasuresEverything() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("file", pattern(100_000))
        let nops = try output("bench", "nops", "--count", "640", "--rounds", "1").split(separator: "\n")
        #expect(nops.count == 14)
        for (inC, line) in zip(nops.enumerated().filter { $0.offset % 2 == 0 }, nops.enumerated().filter { $0.offset % 2 == 1 }) {
            #expect(inC.element.hasPrefix("C, " + line.element.prefix { $0 != ":" } + ":"))
            #expect(line.element.hasSuffix(" of that in C"))
        }
        #expect(try output("bench", "messages", "--messages", "200", "--rounds", "3").split(separator: "\n").count == 3)
        #expect(try output("bench", "copies", file, directory.path("copy"), "--rounds", "1").split(separator: "\n").count == 4)
        #expect(try directory.contents("copy") == pattern(100_000))
    }

    @Test func whatGoesWrongInAProgramIsSaidWithTheFile() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("file", pattern(1000))
        for (arguments, sentence) in [
            (["write-file", "/dev/full"], "Cannot write /dev/full: No space left on device"),
            (["copy", file, "/dev/full"], "Cannot copy \(file) to /dev/full: No space left on device"),
            (["copy", file, "/dev/full", "--linked"], "Cannot copy \(file) to /dev/full: No space left on device"),
            (["fork-join", directory.url.path], "Cannot read \(directory.url.path): Is a directory"),
        ] {
            let outcome = try Program("programs", arguments).outcome()
            #expect(outcome.status == 1)
            #expect(outcome.errors == "Error: \(sentence)\n")
        }
    }

    @Test func aWrongNumberIsASentence() throws {
        let outcome = try run("programs", "ping-pong", "--rings", "3")
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("--rings must be between 1 and 2."))
    }
}
