// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite struct FileProgramTests {
    @Test func catWritesFilesAndStandardInputInTheGivenOrder() throws {
        let directory = try TemporaryDirectory()
        let large = pattern(700_001)
        let (first, second) = (try directory.file("first", large), try directory.file("second", Data("end".utf8)))
        // The pipe takes 64 KiB at a time, so writes are short.
        let outcome = try run("cat", first, "-", second, input: Data("middle".utf8))
        #expect(outcome.status == 0)
        // Not in the expectation itself: when it failed, the differences between so many bytes would be looked for.
        let isComplete = outcome.output == large + Data("middleend".utf8)
        #expect(isComplete)
    }

    /// Swift replaces what is wrong, and the name may become another file's.
    @Test(arguments: ["\\377", "a\\300\\200", "\\355\\240\\200", "\\364\\220\\200\\200", "\\303", "\\340\\200\\200"])
    func aNameThatIsNotUTF8IsRefused(name: String) throws {
        let outcome = try Program("cat", ["/dev/null"], through: ["sh", "-c", "exec \"$0\" \"$1\" \"$(printf '\(name)')\""]).outcome()
        #expect(outcome.status == 1 && outcome.output.isEmpty)
        #expect(outcome.errors == "Error: An argument is not UTF-8, as a name of a file has to be here.\n")
    }

    @Test func aNameMayHaveAnyCharacters() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("é€𝄞\u{7FF}\u{FFFF}\u{10FFFF}", Data("there\n".utf8))
        let outcome = try Program("cat", [file]).outcome()
        #expect(outcome.status == 0 && outcome.output == Data("there\n".utf8))
    }

    @Test func catReportsAFileThatItCannotReadAndGoesOn() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.file("file", Data("text".utf8))
        let outcome = try run("cat", directory.path("missing"), file)
        #expect(outcome.status == 1)
        #expect(outcome.output == Data("text".utf8))
        #expect(outcome.errors.contains("missing: No such file or directory"))
    }

    @Test(arguments: [0, 1, 512, 4096 * 7, 1_000_003])
    func copyMakesAnIdenticalFile(byteCount: Int) throws {
        let directory = try TemporaryDirectory()
        let source = try directory.file("source", pattern(byteCount))
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: source)
        let outcome = try run("copy", source, directory.path("copy"), "--depth", "5", "--block", "4096", "--progress")
        #expect(outcome.status == 0)
        let isIdentical = try directory.contents("copy") == pattern(byteCount)
        #expect(isIdentical)
        #expect(String(decoding: outcome.output, as: UTF8.self).contains("Verified: both files have \(byteCount) bytes"))
        #expect(outcome.errors.contains("MB/s"))
        #expect(try FileManager.default.attributesOfItem(atPath: directory.path("copy"))[.posixPermissions] as? Int == 0o700)
    }

    @Test func theChecksumOfACopyTellsBlocksThatChangedPlaces() throws {
        let directory = try TemporaryDirectory()
        let (first, second) = (pattern(4096), pattern(8192).suffix(4096))
        var checksums: Set<Substring> = []
        for (name, contents) in [("one", first + second), ("two", second + first)] {
            let outcome = try run("copy", try directory.file(name, contents), directory.path("copy of \(name)"), "--block", "4096")
            let verified = try #require(String(decoding: outcome.output, as: UTF8.self).split(separator: "\n").last)
            #expect(verified.hasPrefix("Verified: both files have 8192 bytes with checksum "))
            checksums.insert(verified)
        }
        #expect(checksums.count == 2)
    }

    @Test func copyLeavesAnExistingFileAloneUnlessToldToReplaceIt() throws {
        let directory = try TemporaryDirectory()
        let source = try directory.file("source", pattern(100))
        let destination = try directory.file("destination", pattern(5000))
        let refused = try run("copy", source, destination)
        #expect(refused.status == 1)
        #expect(refused.errors.contains("File exists"))
        #expect(try directory.contents("destination") == pattern(5000))

        let replaced = try run("copy", source, destination, "--overwrite")
        #expect(replaced.status == 0)
        #expect(try directory.contents("destination") == pattern(100))

        let same = try run("copy", source, source, "--overwrite")
        #expect(same.status == 1)
        #expect(same.errors.contains("are the same file"))
        #expect(try directory.contents("source") == pattern(100))
    }

    @Test func copyThatFailsLeavesNothingBehind() throws {
        let directory = try TemporaryDirectory()
        let outcome = try run("copy", directory.url.path, directory.path("copy"))
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("is not a regular file"))
        #expect(!FileManager.default.fileExists(atPath: directory.path("copy")))
        let toDevice = try run("copy", try directory.file("source", pattern(100)), "/dev/null", "--overwrite")
        #expect(toDevice.status == 1)
        #expect(toDevice.errors.contains("/dev/null is not a regular file"))
    }

    // Reading this file twice gives two different numbers.
    @Test func copyThatDiffersIsNoticedAndTakenAway() throws {
        let directory = try TemporaryDirectory()
        let arguments = ["/proc/sys/kernel/random/uuid", directory.path("copy")]
        let outcome = try Program("copy", arguments).outcome()
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("is not a copy of /proc/sys/kernel/random/uuid: it has 37 bytes with checksum "))
        #expect(!FileManager.default.fileExists(atPath: directory.path("copy")))
        let unverified = try Program("copy", arguments + ["--no-verify"]).outcome()
        #expect(unverified.status == 0)
        #expect(try directory.contents("copy").count == 37)
    }

    @Test func filePipelinePutsALogAway() throws {
        let directory = try TemporaryDirectory()
        let log = try directory.file("log", Data("first\nsecond\n".utf8))
        let outcome = try run("file-pipeline", log, directory.path("log.1"), "--line", "the end")
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        #expect(
            String(decoding: outcome.output, as: UTF8.self) == """
                open: done
                read: 13 bytes; it begins with "first"
                write: 8 bytes
                fsync: done
                rename: done

                """)
        #expect(try directory.contents("log.1") == Data("first\nsecond\nthe end\n".utf8))
        #expect(!FileManager.default.fileExists(atPath: log))
    }

    @Test func filePipelineWritesToTheEndOfALogThatItDoesNotReadToTheEnd() throws {
        let directory = try TemporaryDirectory()
        let log = try directory.file("log", Data("first\n".utf8) + pattern(10_000))
        let outcome = try run("file-pipeline", log, directory.path("log.1"), "--line", "the end")
        #expect(outcome.status == 0)
        #expect(String(decoding: outcome.output, as: UTF8.self).contains("read: 4096 bytes; it begins with \"first\"\n"))
        let isComplete = try directory.contents("log.1") == Data("first\n".utf8) + pattern(10_000) + Data("the end\n".utf8)
        #expect(isComplete)
    }

    // The kernel opens a pipe for both directions without waiting, and reading from it waits until the time is up.
    @Test func filePipelineGoesOnWhenAStepIsOutOfTimeOrFails() throws {
        let directory = try TemporaryDirectory()
        let pipe = directory.path("pipe")
        let maker = try Process.run(URL(fileURLWithPath: "/usr/bin/mkfifo"), arguments: [pipe])
        maker.waitUntilExit()
        #expect(maker.terminationStatus == 0)
        let outcome = try run("file-pipeline", pipe, directory.path("pipe.1"), "--patience", "20", "--line", "end")
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("read: nothing came within 20 ms\n"))
        #expect(outcome.errors.contains("fsync: Invalid argument\n"))
        #expect(String(decoding: outcome.output, as: UTF8.self) == "open: done\nwrite: 4 bytes\nrename: done\n")
        #expect(FileManager.default.fileExists(atPath: directory.path("pipe.1")))
    }

    @Test func filePipelineReplacesNothingAndReportsWhatIsMissing() throws {
        let directory = try TemporaryDirectory()
        let existing = try directory.file("log.1", Data("old".utf8))
        let log = try directory.file("log", Data("new".utf8))
        let refused = try run("file-pipeline", log, existing)
        #expect(refused.status == 1)
        #expect(refused.errors == "file-pipeline: rename: File exists\n")
        #expect(try directory.contents("log.1") == Data("old".utf8))

        let missing = try run("file-pipeline", directory.path("missing"), directory.path("missing.1"))
        #expect(missing.status == 1)
        #expect(missing.output.isEmpty)
        #expect(missing.errors.contains("open: No such file or directory\n"))
        #expect(missing.errors.contains("read: Bad file descriptor\n"))
    }
}
