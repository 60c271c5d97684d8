// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// Puts a log file away: what a logger does when it goes on with a new one, as one chain of operations.
@main
struct FilePipeline: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "file-pipeline",
        abstract: "Put a log file away with one submission to an io_uring: open, read, write, fsync and rename as a chain.",
        discussion: """
            The kernel opens the file, reads how it begins, writes a last line to its end, sees to it that all of it is on the disk, and \
            gives it the other name, one after the other without coming back in between. A step that fails is reported and does not keep \
            the next from being done; the exit status is then 1. An existing file is not replaced.
            """)

    @Argument(help: "The log file.", completion: .file())
    var log: String

    @Argument(help: "The name that it gets, on the same file system.", completion: .file())
    var destination: String

    @Option(help: ArgumentHelp("What is written to the end.", valueName: "text"))
    var line = "(goes on in the next file)"

    @Option(help: ArgumentHelp("How long to wait for something to read, when it is no file but a pipe.", valueName: "milliseconds"))
    var patience = 1000

    func validate() throws {
        guard patience >= 0 else { throw ValidationError("The patience is not negative.") }
        // The kernel would refuse the entry itself, and with it the rest of the chain.
        for name in [log, destination] where name.isEmpty || name.utf8.count >= 4096 {
            throw ValidationError("A name is not empty, and has 4095 bytes at the most.")
        }
    }

    /// The steps, in their order.
    enum Step: String, CaseIterable {
        case open
        case read
        case write
        case fsync
        case rename
    }

    func run() throws {
        var ring = try Ring<Step>(entries: 8)
        let table = try ring.makeFileTable(count: 1, allocating: 0..<0)
        try ring.hardLink { chain in try prepare(&chain, table) }

        var outcomes: [Step: Outcome] = [:]
        // One system call submits the chain, and returns when it is carried out; the limit of the read has a completion too.
        try ring.submit(waitingFor: Step.allCases.count + 1)
        while outcomes.count < Step.allCases.count {
            guard let completion = ring.nextCompletion() else {
                try ring.submit(waitingFor: 1)
                continue
            }
            let step = completion.tag
            outcomes[step] = outcome(of: completion, step)
        }
        report(outcomes)
        if outcomes.values.contains(where: \.isFailure) { throw ExitCode.failure }
    }

    /// Prepares the steps.
    ///
    /// They are linked so that each is done whatever became of the one before it: a log that is shorter than the buffer, that takes too
    /// long to read, or that cannot be written to is put away all the same. Where a step must not follow one that failed, as when a
    /// draft is renamed over the file that it replaces, `link` is for that.
    private func prepare(_ chain: inout Chain<Step>, _ table: borrowing FileTable) throws {
        guard let slot = table.slot(0) else { throw Failure("The file table has no slot.") }
        // There is no file yet, so the others are directed at the slot that it is going to be in.
        let file = slot.hold()
        try chain.prepare(OpenAt(FilePath(log), .readWrite, into: slot, flags: .append), tag: .open)
        try chain.prepare(Read(file, into: Buffer(byteCapacity: 4096)), tag: .read, timeout: .after(.milliseconds(patience)))
        try chain.prepare(Write(file, from: Buffer(copying: lastLine)), tag: .write)
        try chain.prepare(Fsync(file), tag: .fsync)
        try chain.prepare(RenameAt(FilePath(log), to: FilePath(destination), flags: .noReplace), tag: .rename)
    }

    private var lastLine: [UInt8] { Array("\(line)\n".utf8) }

    /// What became of a step.
    private struct Outcome {
        var text: String
        var isFailure = false
    }

    private func outcome(of completion: consuming Completion<Step>, _ step: Step) -> Outcome {
        switch step {
        case .read:
            let read = completion.take(Read<Buffer>.self)
            if read.timedOut { return Outcome(text: "nothing came within \(patience) ms", isFailure: true) }
            switch read.result {
            case .success(let count):
                let firstLine = read.operation.memory.copyBytes().prefix { $0 != UInt8(ascii: "\n") }
                return Outcome(text: "\(count) bytes; it begins with \"\(String(decoding: firstLine, as: UTF8.self))\"")
            case .failure(let errno):
                return Outcome(text: "\(errno)", isFailure: true)
            }
        case .write:
            switch completion.take(Write<Buffer>.self).result {
            case .success(let count): return Outcome(text: "\(count) bytes", isFailure: count < lastLine.count)
            case .failure(let errno): return Outcome(text: "\(errno)", isFailure: true)
            }
        case .open, .fsync, .rename:
            // The opened file is not needed any more: dropping its completion empties the slot.
            guard let errno = completion.entry.errno else { return Outcome(text: "done") }
            return Outcome(text: "\(errno)", isFailure: true)
        }
    }

    private func report(_ outcomes: [Step: Outcome]) {
        for step in Step.allCases {
            guard let outcome = outcomes[step] else { continue }
            if outcome.isFailure {
                complain("file-pipeline: \(step.rawValue): \(outcome.text)\n")
            } else {
                say("\(step.rawValue): \(outcome.text)\n")
            }
        }
    }
}
