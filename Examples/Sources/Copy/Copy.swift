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
            not exist, unless --overwrite is given.
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
        let reader = try attempt(source) { () throws(Errno) in try Descriptor(opening: FilePath(source)) }
        let writer = try attempt(destination) { () throws(Errno) in
            try Descriptor(
                opening: FilePath(destination), .readWrite, options: overwrite ? [.create] : [.create, .exclusiveCreate],
                permissions: [.ownerReadWrite, .groupRead, .otherRead])
        }
        let lane = BlockLanes(depth: depth, blockByteCount: blockByteCount)
        let isTerminal = isatty(FileDescriptor.standardError.rawValue) == 1
        var line = ProgressLine(isShown: progress ?? isTerminal, isTerminal: isTerminal, byteCount: size(of: reader))

        let clock = ContinuousClock()
        let start = clock.now
        let byteCount = try lane.copy(from: reader, named: source, to: writer, named: destination) { line.update($0) }
        line.end()
        // What was there before may have been longer. The file is not emptied first, so that copying a file onto itself is harmless.
        if overwrite { try writer.unowned.fileDescriptor.resize(to: byteCount) }
        let seconds = Double((clock.now - start) / .seconds(1))
        let rate = decimal(Double(byteCount) / seconds / 1e6, places: 0)
        say("Copied \(byteCount) bytes in \(decimal(seconds, places: 2)) s, \(rate) MB/s.\n")

        if verify {
            let original = try lane.digest(of: reader, named: source)
            let copy = try lane.digest(of: writer, named: destination)
            guard original == copy else {
                throw Failure("\(destination) is not a copy of \(source): it has \(copy), and the source has \(original).")
            }
            say("Verified: both files have \(copy).\n")
        }
    }

    /// How large a file is, as far as the kernel knows beforehand.
    private func size(of file: borrowing Descriptor) -> Int64? {
        let size = try? file.unowned.fileDescriptor.seek(offset: 0, from: .end)
        return size == 0 ? nil : size
    }
}
