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
        // The file that is read lies in a table of the ring's own and never gets a number of the process, and the kernel looks the pages
        // of the buffer up once. So it has nothing to look up for a read.
        let slots = try ring.makeFileTable(count: 1)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: chunkByteCount)
        var isFailed = false
        for file in files.isEmpty ? ["-"] : files {
            do {
                if file == "-" {
                    try write(UnownedDescriptor.standardInput, named: "standard input", with: buffers, through: &ring)
                } else {
                    let opening = OpenAt(FilePath(file), into: slots.anySlot)
                    let input = try ring.run(opening, tag: .opening).result.get(whenDoing: file)
                    try write(input, named: file, with: buffers, through: &ring)
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
        case opening
        case reading
        case writing
    }

    /// Writes all of a file to standard output, with one buffer that goes back and forth between a read and a write.
    ///
    /// However this ends, the buffer goes back to the table with the operation that has it.
    func write(
        _ input: borrowing some FileResource & ~Copyable, named name: String, with buffers: borrowing RegisteredBuffers,
        through ring: inout Ring<Step>
    ) throws {
        let output = UnownedDescriptor.standardOutput
        guard let buffer = buffers.take() else { throw Failure("\(name): the buffer is in use") }
        try ring.prepare(Read(input, into: buffer), tag: .reading)
        while true {
            guard let completion = ring.nextCompletion() else {
                try ring.submit(waitingFor: 1)
                continue
            }
            switch completion.tag {
            case .opening:
                break  // Its completion was taken where the file was opened.
            case .reading:
                let read = completion.take(Read<RegisteredSlice>.self)
                let count = try read.result.get(whenDoing: name)
                if count == 0 { return }
                try ring.prepare(Write(output, from: read.operation.memory), tag: .writing)
            case .writing:
                var write = completion.take(Write<RegisteredSlice>.self)
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
