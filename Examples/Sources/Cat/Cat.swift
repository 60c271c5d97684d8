// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// Copies files to standard output.
@main
struct Cat: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat",
        abstract: "Write files to standard output, through an io_uring.",
        discussion: """
            Without a file, or for a file named "-", standard input is read. A file that cannot be read is reported, the others \
            are written all the same, and the exit status is then 1.
            """)

    @Argument(help: "The files to write, in this order.", completion: .file())
    var files: [String] = []

    @Option(name: .customLong("chunk"), help: ArgumentHelp("How many bytes to read at once.", valueName: "bytes"))
    var chunkByteCount = 128 * 1024

    func validate() throws {
        guard (1...(1 << 30)).contains(chunkByteCount) else {
            throw ValidationError("A chunk has between 1 byte and 1 GiB.")
        }
    }

    func run() throws {
        var ring = try Ring<Step>(entries: 1)
        var isFailed = false
        for file in files.isEmpty ? ["-"] : files {
            do {
                if file == "-" {
                    try write(UnownedDescriptor.standardInput, named: "standard input", through: &ring)
                } else {
                    let input = try attempt(file) { () throws(Errno) in try Descriptor(opening: FilePath(file)) }
                    try write(input, named: file, through: &ring)
                }
            } catch let failure as Failure {
                complain("cat: \(failure)\n")
                isFailed = true
            }
        }
        if isFailed { throw ExitCode.failure }
    }

    /// What the one operation in flight is doing.
    enum Step {
        case reading
        case writing
    }

    /// Writes all of a file to standard output, with one buffer that goes back and forth between a read and a write.
    func write(
        _ input: borrowing some FileResource & ~Copyable, named name: String, through ring: inout Ring<Step>
    ) throws {
        let output = UnownedDescriptor.standardOutput
        try ring.prepare(Read(input, into: Buffer(byteCapacity: chunkByteCount)), tag: .reading)
        while true {
            guard let completion = ring.nextCompletion() else {
                try ring.submit(waitingFor: 1)
                continue
            }
            switch completion.tag {
            case .reading:
                let read = completion.take(Read<Buffer>.self)
                let count = try read.result.get(whenDoing: name)
                if count == 0 { return }
                try ring.prepare(Write(output, from: read.operation.memory), tag: .writing)
            case .writing:
                var write = completion.take(Write<Buffer>.self)
                write.operation.start += try write.result.get(whenDoing: "standard output")
                if write.operation.start < write.operation.memory.count {
                    // A pipe or a full disk took only a part: the same operation writes the rest.
                    try ring.prepare(write.operation, tag: .writing)
                } else {
                    try ring.prepare(Read(input, into: write.operation.memory), tag: .reading)
                }
            }
        }
    }
}
