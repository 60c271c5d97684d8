// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Glibc
import Support
import SystemPackage
import URing

/// A file of blocks that can be told apart, which has no name and goes away with the program.
///
/// A block has the contents of its number until something is written to it: the contents of number 0, with a stamp in the first word.
struct BlockFile {
    static let byteCount = 4096
    /// A power of two, so that no engine has to divide.
    static let blockCount = 256
    /// How many blocks are in flight at once.
    static let depth = 32

    let descriptor: FileDescriptor

    /// Makes a file, in the folder that TMPDIR names or in /tmp, whose pages are in memory afterwards.
    init() throws {
        // SAFETY: the string is copied before another thread, of which there is none, could change the environment.
        let folder = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        let path = "\(folder)/uring-bench-\(getpid())"
        do {
            descriptor = try FileDescriptor.open(
                FilePath(path), .readWrite, options: [.create, .exclusiveCreate, .closeOnExec], permissions: .ownerReadWrite)
        } catch {
            throw Failure("Cannot make \(path): \(error)")
        }
        // SAFETY: the string is there for the call.
        unsafe unlink(path)
        for block in 0..<BlockFile.blockCount {
            try descriptor.writeAll(toAbsoluteOffset: Int64(block * BlockFile.byteCount), BlockFile.contents(block))
        }
    }

    func close() throws {
        try descriptor.close()
    }

    /// A descriptor of the file for URing, which owns it.
    func uringDescriptor() throws -> Descriptor {
        // SAFETY: nobody else has this number.
        unsafe Descriptor(adopting: try descriptor.duplicate())
    }

    /// The offset of the block that an operation is for.
    static func offset(ofOperation number: Int) -> UInt64 {
        UInt64(truncatingIfNeeded: (number & (blockCount - 1)) * byteCount)
    }

    /// The same as a position.
    static func position(ofOperation number: Int) -> FilePosition {
        .offset(offset(ofOperation: number))
    }

    /// The bytes of a block that nothing was written to.
    private static func contents(_ block: Int) -> [UInt8] {
        // SAFETY: so many bytes are there as long as the program runs.
        unsafe [UInt8](UnsafeRawBufferPointer(start: baseline_contents(UInt(block)), count: byteCount))
    }

    /// The bytes that are written to a block.
    static func block(stamp: UInt64) -> [UInt8] {
        var bytes = contents(0)
        for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: stamp >> (8 * UInt64(index))) }
        return bytes
    }

    /// Throws unless so many bytes were read as a block has, and they are those of the block at an offset, to which nothing was written.
    @inline(__always)
    static func expect(_ bytes: RawSpan, count: Int, at offset: UInt64) throws {
        let number = UInt(truncatingIfNeeded: offset) / UInt(byteCount)
        if count != byteCount || !hasContents(bytes, of: number, byteCount: byteCount) {
            throw Failure("What was read has wrong bytes.")
        }
    }

    /// Throws unless the file is as so many writes have to leave it, each with its number as its stamp.
    func expectWritten(operations: Int) throws {
        for block in 0..<min(operations, BlockFile.blockCount) {
            let last = block + (operations - 1 - block) / BlockFile.blockCount * BlockFile.blockCount
            var bytes = [UInt8](repeating: 0, count: BlockFile.byteCount)
            // SAFETY: the array is there for the call.
            _ = try unsafe bytes.withUnsafeMutableBytes {
                try unsafe descriptor.read(fromAbsoluteOffset: Int64(block * BlockFile.byteCount), into: $0)
            }
            if bytes != BlockFile.block(stamp: UInt64(last)) { throw Failure("Block \(block) of the file has wrong bytes.") }
        }
    }
}

/// Memory for as many blocks as are in flight, for the engines that do not own theirs.
@safe
struct BlockMemory: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer

    /// Allocates memory, of zeros for a read, or of blocks for a write.
    init(isFilled: Bool) {
        unsafe memory = .allocate(byteCount: BlockFile.depth * BlockFile.byteCount, alignment: BlockFile.byteCount)
        let bytes = isFilled ? BlockFile.block(stamp: .max) : [UInt8](repeating: 0, count: BlockFile.byteCount)
        for slot in 0..<BlockFile.depth { unsafe self[slot].copyBytes(from: bytes) }
    }

    deinit {
        unsafe memory.deallocate()
    }

    /// One block.
    subscript(slot: Int) -> UnsafeMutableRawBufferPointer {
        // SAFETY: slots are counted up to the depth.
        unsafe UnsafeMutableRawBufferPointer(rebasing: memory[(slot * BlockFile.byteCount)..<((slot + 1) * BlockFile.byteCount)])
    }

    /// What the baseline has to know.
    func blocks(of file: BlockFile) -> baseline_blocks {
        unsafe baseline_blocks(
            file: file.descriptor.rawValue, depth: UInt32(BlockFile.depth), block: UInt32(BlockFile.byteCount),
            count: UInt32(BlockFile.blockCount), memory: memory.baseAddress)
    }
}

/// Whether there are so many bytes, and every one is as the contents of a number have it.
@inline(__always)
func hasContents(_ bytes: RawSpan, of number: UInt, byteCount: Int) -> Bool {
    // SAFETY: so many bytes are there for the call.
    unsafe bytes.byteCount == byteCount && bytes.withUnsafeBytes { unsafe baseline_expect($0.baseAddress, number, byteCount) } == 0
}
