// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import Support
import SystemPackage
import URing

/// Copies a file with many blocks in flight, and verifies the copy.
@main
struct Copy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy",
        abstract: "Copy a file through an io_uring, many blocks at a time, and verify the copy.",
        discussion: """
            When the copy is complete, both files are read once more and must agree in size and checksum. The destination must \
            not exist, unless --overwrite is given. Ctrl-C ends it; as after any failure, there is then no copy, unless it was to replace \
            what was there.
            """)

    @Argument(help: "The file to copy.", completion: .file())
    var source: String

    @Argument(help: "The file to make.", completion: .file())
    var destination: String

    @Option(help: ArgumentHelp("How many blocks are in flight at a time.", valueName: "count"))
    var depth = 16

    @Option(name: .customLong("block"), help: ArgumentHelp("How large a block is.", valueName: "bytes"))
    var blockByteCount = 256 * 1024

    @Flag(inversion: .prefixedNo, help: "Show how far it is on standard error. (default: when that is a terminal)")
    var progress: Bool?

    @Flag(inversion: .prefixedNo, help: "Read both files once more, and compare.")
    var verify = true

    @Flag(help: "Replace the destination if it exists.")
    var overwrite = false

    func validate() throws {
        guard (1...4096).contains(depth) else { throw ValidationError("Between 1 and 4096 blocks can be in flight.") }
        guard (512...(1 << 30)).contains(blockByteCount) else { throw ValidationError("A block has between 512 bytes and 1 GiB.") }
    }

    func run() throws {
        var ring = try Ring<UInt8>(entries: 1)
        let reader = try attempt(source) { () throws(Errno) in try Descriptor(opening: FilePath(source)) }
        let status = try ring.run(Statx(of: reader)).result.get(whenDoing: source)
        guard status.kind == .regular else { throw Failure("\(source) is not a regular file.") }

        // Opening the source waits if it is a pipe: up to here Ctrl-C ends the program as it does any other, and from here on
        // there may be a part of a copy to take away. Whoever reads what is said may have gone by then.
        let lanes = BlockLanes(depth: depth, blockByteCount: blockByteCount, stop: try stopDescriptor())
        ignoreBrokenPipes()
        var isNew = true
        // A program that acts for its owner would act for whoever copies it.
        let permissions = status.permissions.intersection(FilePermissions(rawValue: 0o777))
        let writer = try attempt(destination) { () throws(Errno) in
            let path = FilePath(destination)
            do throws(Errno) {
                return try Descriptor(
                    opening: path, .readWrite, options: [.create, .exclusiveCreate], permissions: permissions)
            } catch {
                guard overwrite && error == .fileExists else { throw error }
                isNew = false
                return try Descriptor(opening: path, .readWrite, options: .create, permissions: permissions)
            }
        }
        do {
            let replaced = try ring.run(Statx(of: writer)).result.get(whenDoing: destination)
            guard replaced.kind == .regular else { throw Failure("\(destination) is not a regular file.") }
            guard (replaced.device, replaced.inode) != (status.device, status.inode) else {
                throw Failure("\(source) and \(destination) are the same file.")
            }
            try copy(from: reader, to: writer, byteCount: status.byteCount, in: lanes, using: &ring)
            if verify { try compare(reader, writer, in: lanes) }
        } catch {
            // What could not be finished goes, unless it was there before.
            if isNew { _ = try ring.run(UnlinkAt(FilePath(destination))) }
            try endIfStopped(error)
            throw error
        }
    }

    private func copy(
        from reader: borrowing Descriptor, to writer: borrowing Descriptor, byteCount expected: UInt64, in lanes: BlockLanes,
        using ring: inout Ring<UInt8>
    ) throws {
        let isTerminal = isatty(FileDescriptor.standardError.rawValue) == 1
        var line = ProgressLine(isShown: progress ?? isTerminal, isTerminal: isTerminal, byteCount: Int64(expected))
        let start = ContinuousClock.now
        let byteCount = try lanes.copy(from: reader, named: source, to: writer, named: destination) { line.update($0) }
        line.end()
        // What was there before may have been longer, and what has come to the source meanwhile may have been copied in parts.
        try ring.run(FTruncate(writer, to: UInt64(byteCount))).result.get(whenDoing: destination)
        let seconds = (.now - start) / .seconds(1)
        let rate = decimal(Double(byteCount) / seconds / 1e6, places: 0)
        say("Copied \(byteCount) bytes in \(decimal(seconds, places: 2)) s, \(rate) MB/s.\n")
    }

    private func compare(_ reader: borrowing Descriptor, _ writer: borrowing Descriptor, in lanes: BlockLanes) throws {
        let original = try lanes.digest(of: reader, named: source)
        let copy = try lanes.digest(of: writer, named: destination)
        guard original == copy else {
            throw Failure("\(destination) is not a copy of \(source): it has \(copy), and the source has \(original).")
        }
        say("Verified: both files have \(copy).\n")
    }
}
