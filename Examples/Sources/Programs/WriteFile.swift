// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CompletionPrograms
import ExamplePrograms
import Foundation
import Support
import SystemPackage
import URing

struct WriteFile: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "write-file", abstract: "Write a file with so many writes in flight until the end.",
        discussion: """
            Each line of the file is its own offset, in seven hexadecimal digits. When it is ended by Ctrl-C or fails, there is then no file.
            """)

    @Argument(help: "The file to make or to replace.", completion: .file())
    var path: String

    @Option(help: ArgumentHelp("How many bytes to write, a multiple of 8.", valueName: "bytes"))
    var size: UInt64 = 1 << 20

    @Option(help: ArgumentHelp("How many writes are in flight.", valueName: "count"))
    var depth = 8

    @Option(name: .customLong("block"), help: ArgumentHelp("How large a write is, a multiple of 8.", valueName: "bytes"))
    var blockByteCount = 4096

    func validate() throws {
        try ValidationError.check(size, in: 0...1 << 28, "--size")
        try ValidationError.check(depth, in: 1...1024, "--depth")
        try ValidationError.check(blockByteCount, in: 8...1 << 24, "--block")
        guard size % 8 == 0, blockByteCount % 8 == 0 else { throw ValidationError("--size and --block must be multiples of 8.") }
    }

    func run() throws {
        var mainLoop = try MainLoop(stop: stopDescriptor())
        let (path, size, depth, blockByteCount) = (path, size, depth, blockByteCount)
        try mainLoop.start(entries: depth) { context in
            let file = try openForWriting(path)
            context.attach(WriteFileProgram(file: file, byteCount: size, depth: depth, blockByteCount: blockByteCount))
        }
        let blocks = try filling(path) { try mainLoop.onlyEvent(whenDoing: "Cannot write \(path)").message.value }
        say("Wrote \(size) bytes in \(blocks) blocks; the main loop had 1 event.\n")
    }
}

/// Opens a file to be written anew.
func openForWriting(_ path: String) throws(Failure) -> Descriptor {
    try attempt(path) { () throws(Errno) in
        try Descriptor(
            opening: FilePath(path), .readWrite, options: [.create, .truncate], permissions: [.ownerReadWrite, .groupRead, .otherRead])
    }
}

/// Does what fills a file that was opened to be written anew, with the signals waiting for which there is ``stopDescriptor()``.
///
/// What could not be finished goes, so that nobody takes it for the whole.
func filling<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
    do {
        let value = try body()
        allowEnd()
        return value
    } catch {
        // Operations may be in flight: the kernel cancels them when the process ends, and closes the file, which then has no name.
        // A link to it is not it, and what is a device or a pipe has no part of anything.
        // A tilde at the start of a URL's path would be somebody's home.
        let file = FilePath(URL(fileURLWithPath: path.hasPrefix("/") ? path : "./" + path).resolvingSymlinksInPath().path)
        var ring = try Ring<UInt8>(entries: 1)
        var isRemoved = false
        if case .success(let status) = try ring.run(Statx(file)).result, status.kind == .regular {
            isRemoved = try ring.run(UnlinkAt(file)).entry.errno == nil
        }
        let ending = isRemoved ? "; it is removed." : "."
        try endIfStopped(error as? ProgramError == .stopped ? Stopped("Stopped before \(path) was complete\(ending)") : error)
        throw error
    }
}

/// Opens a file to be read.
func openForReading(_ path: String) throws(Failure) -> Descriptor {
    try attempt(path) { () throws(Errno) in try Descriptor(opening: FilePath(path)) }
}

extension MainLoop {
    /// Waits for what a program has to tell, as ``nextEvent()``; when an error number ends a program, that says what was being done.
    mutating func nextEvent(whenDoing what: String) throws -> ProgramEvent? {
        do {
            return try nextEvent()
        } catch let errno as Errno {
            throw Failure("\(what): \(errno)")
        }
    }

    /// The only event of all programs, which have ended.
    mutating func onlyEvent(whenDoing what: String) throws -> ProgramEvent {
        guard let event = try nextEvent(whenDoing: what) else { throw Failure("The program said nothing.") }
        guard try nextEvent(whenDoing: what) == nil else { throw Failure("The program said more than once that it had ended.") }
        return event
    }
}
