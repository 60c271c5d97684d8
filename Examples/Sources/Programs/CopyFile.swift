// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CompletionPrograms
import ExamplePrograms
import Support
import SystemPackage
import URing

struct CopyFile: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy", abstract: "Copy a file with so many blocks in flight, or with a link from each write to the next read.",
        discussion: "When it is ended by Ctrl-C or fails, there is then no copy.")

    @Argument(help: "The file to copy.", completion: .file())
    var source: String

    @Argument(help: "The file to make or to replace.", completion: .file())
    var destination: String

    @Option(help: ArgumentHelp("How many blocks are in flight.", valueName: "count"))
    var depth = 8

    @Flag(help: "Link each write to the next read instead, with two buffers.")
    var linked = false

    @Option(name: .customLong("block"), help: ArgumentHelp("How large a block is.", valueName: "bytes"))
    var blockByteCount = 65536

    func validate() throws {
        try ValidationError.check(depth, in: 1...1024, "--depth")
        try ValidationError.check(blockByteCount, in: 512...1 << 24, "--block")
    }

    func run() throws {
        let mode = linked ? CopyMode.linked : CopyMode.depth(depth)
        let (blocks, time) = try mode.copy(source, to: destination, blockByteCount: blockByteCount)
        say("Copied \(blocks) blocks in \(decimal(time / .milliseconds(1), places: 1)) ms; the main loop had 1 event.\n")
    }
}

/// How a program copies.
enum CopyMode {
    /// So many blocks are in flight, each read and then written.
    case depth(Int)
    /// Each write is linked to the next read.
    case linked

    /// Copies a file, and returns how many blocks it had and how long that took.
    func copy(_ source: String, to destination: String, blockByteCount: Int) throws -> (blockCount: UInt32, time: Duration) {
        var ring = try Ring<UInt8>(entries: 1)
        let status = try ring.run(Statx(FilePath(source))).result.get(whenDoing: source)
        guard status.kind == .regular else { throw Failure("\(source) is not a regular file.") }
        if case .success(let replaced) = try ring.run(Statx(FilePath(destination))).result {
            guard (replaced.device, replaced.inode) != (status.device, status.inode) else {
                throw Failure("\(source) and \(destination) are the same file.")
            }
        }
        var mainLoop = try MainLoop(stop: stopDescriptor())
        let start = ContinuousClock.now
        try mainLoop.start { context in
            let reader = try openForReading(source)
            let writer = try openForWriting(destination)
            switch self {
            case .depth(let depth):
                context.attach(CopyFileProgram(from: reader, to: writer, depth: depth, blockByteCount: blockByteCount))
            // What the system makes up as it is read has no size.
            case .linked where status.byteCount == 0:
                context.attach(CopyFileProgram(from: reader, to: writer, depth: 1, blockByteCount: blockByteCount))
            case .linked:
                context.attach(LinkedCopyProgram(from: reader, to: writer, byteCount: status.byteCount, blockByteCount: blockByteCount))
            }
        }
        let blockCount = try filling(destination) {
            try mainLoop.onlyEvent(whenDoing: "Cannot copy \(source) to \(destination)").message.value
        }
        return (blockCount, .now - start)
    }
}
