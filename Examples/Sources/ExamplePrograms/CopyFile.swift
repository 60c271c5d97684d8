// SPDX-License-Identifier: Apache-2.0

import CompletionPrograms
import SystemPackage
import URing

/// Copies a file with so many blocks in flight, each read and then written.
public final class CopyFileProgram: CompletionProgram {
    /// What it posts: how many blocks there were.
    public static let copied: UInt16 = 1

    private let source: Descriptor
    private let destination: Descriptor
    private let depth: Int
    private let blockByteCount: Int
    private var next: UInt64 = 0
    /// Where the source ended, if that was met: at the lowest place, as it may grow meanwhile.
    private var end: UInt64?
    /// How far the destination was written.
    private var written: UInt64 = 0
    private var inFlight = 0
    private var blockCount: UInt32 = 0

    /// Makes a program that copies from one file to another.
    public init(from source: consuming Descriptor, to destination: consuming Descriptor, depth: Int, blockByteCount: Int) {
        self.source = source
        self.destination = destination
        self.depth = depth
        self.blockByteCount = blockByteCount
    }

    public func start(in context: inout ProgramContext) throws {
        for _ in 0..<depth { try readNext(Buffer(byteCapacity: blockByteCount, alignment: 4096), in: &context) }
    }

    public func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        inFlight -= 1
        if completion.is(Read<Buffer>.self) {
            try write(completion, in: &context)
        } else if completion.is(FTruncate.self) {
            try completion.take(FTruncate.self).result.get()
        } else {
            try goOn(completion, in: &context)
        }
        if inFlight == 0, let end, end < written {
            // What came behind the end has a gap before it.
            written = end
            inFlight += 1
            try context.prepare(FTruncate(destination, to: end))
        }
        if inFlight == 0 {
            try context.post(ProgramMessage(kind: CopyFileProgram.copied, value: blockCount))
            context.finish()
        }
    }

    private func readNext(_ buffer: consuming Buffer, in context: inout ProgramContext) throws {
        let block = next
        next += UInt64(blockByteCount)
        inFlight += 1
        try context.prepare(Read(source, into: buffer, at: .offset(block)), label: block)
    }

    private func write(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        let block = completion.tag.label
        var read = completion.take(Read<Buffer>.self)
        let count = try read.result.get()
        if count > 0 && read.operation.memory.freeCapacity > 0 {
            // A short read: the same operation reads the rest, or meets the end of the file.
            let begun = read.operation.memory.count
            read.operation.start = begun
            read.operation.position = .offset(block + UInt64(begun))
            inFlight += 1
            try context.prepare(read.operation, label: block)
            return
        }
        if count == 0 { end = min(end ?? .max, block + UInt64(read.operation.memory.count)) }
        guard read.operation.memory.count > 0 else { return }
        inFlight += 1
        blockCount += 1
        try context.prepare(Write(destination, from: read.operation.memory, at: .offset(block)), label: block)
    }

    private func goOn(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        let block = completion.tag.label
        var write = completion.take(Write<Buffer>.self)
        write.operation.start += try write.result.get()
        written = max(written, block + UInt64(write.operation.start))
        if write.operation.start < write.operation.memory.count {
            write.operation.position = .offset(block + UInt64(write.operation.start))
            inFlight += 1
            try context.prepare(write.operation, label: block)
        } else if end == nil {
            try readNext(write.operation.memory, in: &context)
        }
    }
}

/// Copies a file with two buffers: while a block is written, and linked to that, the next one is read.
///
/// A chain that reads into a buffer and writes the same buffer would need it twice, which nobody can own. So the write of one block is linked
/// to the read of the one after it, and each system call submits both.
public final class LinkedCopyProgram: CompletionProgram {
    private let source: Descriptor
    private let destination: Descriptor
    private let byteCount: UInt64
    private let blockByteCount: Int
    /// The buffer that was read, and waits for the one of the write.
    private var filled: Buffer?
    private var idle: Buffer?
    private var next: UInt64 = 0
    private var written: UInt64 = 0
    private var blockCount: UInt32 = 0

    /// Makes a program that copies so many bytes from one file to another.
    public init(
        from source: consuming Descriptor, to destination: consuming Descriptor, byteCount: UInt64, blockByteCount: Int
    ) {
        self.source = source
        self.destination = destination
        self.byteCount = byteCount
        self.blockByteCount = blockByteCount
        idle = Buffer(byteCapacity: blockByteCount, alignment: 4096)
    }

    public func start(in context: inout ProgramContext) throws {
        guard byteCount > 0 else { return try end(in: &context) }
        try context.prepare(Read(source, into: Buffer(byteCapacity: roomForNext, alignment: 4096), at: .offset(0)))
    }

    public func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        if completion.is(Read<Buffer>.self) {
            let read = completion.take(Read<Buffer>.self)
            next += UInt64(try read.result.get(expecting: UInt64(roomForNext)))
            filled = consume read.operation.memory
        } else {
            let write = completion.take(Write<Buffer>.self)
            written += UInt64(try write.result.get(expecting: UInt64(write.operation.memory.count)))
            blockCount += 1
            idle = consume write.operation.memory
        }
        if written == byteCount { return try end(in: &context) }
        // The chain is done when both are back; with the end of the file in the one buffer, there is nothing to read into the other.
        guard filled != nil, idle != nil else { return }
        try writeAndRead(in: &context)
    }

    /// How many bytes are to be read next: no more than the copy is to have, although the file may have grown.
    private var roomForNext: Int { Int(min(UInt64(blockByteCount), byteCount - next)) }

    private func writeAndRead(in context: inout ProgramContext) throws {
        let (writePosition, readPosition) = (written, next)
        if next < byteCount, roomForNext < blockByteCount { idle = Buffer(byteCapacity: roomForNext, alignment: 4096) }
        try context.link { chain, tag in
            if let full = filled.take() {
                try chain.prepare(Write(destination, from: full, at: .offset(writePosition)), tag: tag(0))
            }
            if readPosition < byteCount, let empty = idle.take() {
                try chain.prepare(Read(source, into: empty, at: .offset(readPosition)), tag: tag(0))
            }
        }
    }

    private func end(in context: inout ProgramContext) throws {
        try context.post(ProgramMessage(kind: CopyFileProgram.copied, value: blockCount))
        context.finish()
    }
}

extension Result where Success == Int, Failure == Errno {
    /// The count, or an error if it is not the expected one.
    fileprivate func get(expecting count: UInt64) throws -> Int {
        let transferred = try get()
        // A linked operation that transfers less breaks the chain.
        guard UInt64(transferred) == count else { throw CutShort(expected: count, transferred: transferred) }
        return transferred
    }
}

/// A file became shorter while it was copied, or says that it has more than can be read, or a disk is full.
private struct CutShort: Error, CustomStringConvertible {
    let expected: UInt64
    let transferred: Int

    var description: String { "only \(transferred) of \(expected) bytes were transferred; is the source shorter than it was?" }
}
