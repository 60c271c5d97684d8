// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Glibc
import Support
import SystemPackage
import URing

/// A file of blocks that can be told apart, which has no name and goes away with the program.
///
/// A block's first word is a stamp: its offset in the file, until something else is written. The other bytes are the same in every block.
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
            let offset = block * BlockFile.byteCount
            try descriptor.writeAll(toAbsoluteOffset: Int64(offset), BlockFile.block(stamp: UInt64(offset)))
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

    /// The bytes of a block.
    static func block(stamp: UInt64) -> [UInt8] {
        var bytes = pattern
        for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: stamp >> (8 * UInt64(index))) }
        return bytes
    }

    /// The first word of a block.
    static func stamp(of bytes: RawSpan) -> UInt64 {
        // SAFETY: a block has a first word, which is checked, any bytes are a number, and every block begins at a multiple of eight.
        unsafe bytes.unsafeLoad(as: UInt64.self)
    }

    /// Throws unless the bytes are those of a block, whatever its stamp.
    static func expectBlock(_ bytes: RawSpan) throws {
        guard bytes.byteCount == byteCount else { throw Failure("A block that was transferred has the wrong size.") }
        let pattern = pattern
        var difference: UInt8 = 0
        for index in 8..<byteCount {
            // SAFETY: the index is in bounds.
            difference |= unsafe bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self) ^ pattern[index]
        }
        if difference != 0 { throw Failure("A block that was transferred has wrong bytes.") }
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

    private static let pattern = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
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

    /// Throws unless the first blocks are blocks of the file.
    func expectBlocks(count: Int) throws {
        for slot in 0..<min(count, BlockFile.depth) { try unsafe BlockFile.expectBlock(self[slot].bytes) }
    }
}
