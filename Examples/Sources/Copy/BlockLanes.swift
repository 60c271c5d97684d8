// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import URing

/// Walks through files with so many blocks in flight.
///
/// Each lane has one buffer. It is read until it is full or the file ends, used, and read again from the first block that no lane has
/// begun, until a lane meets the end. The size is not asked for, so files may grow meanwhile.
struct BlockLanes {
    let depth: Int
    let blockByteCount: Int
    /// What can be read when the process is asked to end.
    let stop: UnownedDescriptor

    /// What the operation of a lane is doing, and with which block.
    private enum Tag {
        case stop
        case reading(block: UInt64)
        case writing(block: UInt64)
    }

    /// Copies a file and returns how many bytes it has: as many as there were at the first end that was met.
    ///
    /// If the file grows meanwhile, some bytes behind that may be written as well, with gaps between them.
    func copy(
        from source: borrowing Descriptor, named sourceName: String,
        to destination: borrowing Descriptor, named destinationName: String,
        progress: (Int64) -> Void
    ) throws -> Int64 {
        var ring = try makeRing()
        var walk = Walk(blockByteCount: blockByteCount)
        var copied: Int64 = 0
        for _ in 0..<depth {
            let block = walk.take()
            try ring.prepare(Read(source, into: makeBuffer(), at: .offset(block)), tag: .reading(block: block))
        }

        // Without a lane, the stop is all that is waited for.
        while ring.inFlightCount > 1 {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .stop: throw Stopped("Stopped before the copy was complete.")
                case .reading(let block):
                    var read = completion.take(Read<Buffer>.self)
                    let count = try read.result.get(whenDoing: sourceName)
                    if count > 0 && read.operation.memory.freeCapacity > 0 {
                        // A short read: the same operation reads the rest, or meets the end of the file.
                        read.operation.continueReading(block: block)
                        try ring.prepare(read.operation, tag: .reading(block: block))
                        continue
                    }
                    if count == 0 { walk.end(at: block + UInt64(read.operation.memory.count)) }
                    if read.operation.memory.count > 0 {
                        try ring.prepare(
                            Write(destination, from: read.operation.memory, at: .offset(block)), tag: .writing(block: block))
                    }

                case .writing(let block):
                    var write = completion.take(Write<Buffer>.self)
                    let count = try write.result.get(whenDoing: destinationName)
                    copied += Int64(count)
                    write.operation.start += count
                    if write.operation.start < write.operation.memory.count {
                        write.operation.position = .offset(block + UInt64(write.operation.start))
                        try ring.prepare(write.operation, tag: .writing(block: block))
                    } else if !walk.hasEnded {
                        let next = walk.take()
                        try ring.prepare(Read(source, into: write.operation.memory, at: .offset(next)), tag: .reading(block: next))
                    }
                    progress(copied)
                }
            }
        }
        return Int64(walk.end ?? 0)
    }

    /// Reads a file and returns what identifies its contents.
    func digest(of file: borrowing Descriptor, named name: String) throws -> FileDigest {
        var ring = try makeRing()
        var walk = Walk(blockByteCount: blockByteCount)
        var digest = FileDigest()
        for _ in 0..<depth {
            let block = walk.take()
            try ring.prepare(Read(file, into: makeBuffer(), at: .offset(block)), tag: .reading(block: block))
        }

        while ring.inFlightCount > 1 {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextReadyCompletion() {
                guard case .reading(let block) = completion.tag else { throw Stopped("Stopped before the copy was verified.") }
                var read = completion.take(Read<Buffer>.self)
                let count = try read.result.get(whenDoing: name)
                if count > 0 && read.operation.memory.freeCapacity > 0 {
                    read.operation.continueReading(block: block)
                    try ring.prepare(read.operation, tag: .reading(block: block))
                    continue
                }
                if count == 0 { walk.end(at: block + UInt64(read.operation.memory.count)) }
                if read.operation.memory.count > 0 { digest.add(read.operation.memory.span, at: block) }
                if !walk.hasEnded {
                    let next = walk.take()
                    try ring.prepare(Read(file, into: read.operation.memory, at: .offset(next)), tag: .reading(block: next))
                }
            }
        }
        return digest
    }

    /// Makes a ring that says when the process is asked to end.
    private func makeRing() throws -> Ring<Tag> {
        var ring = try Ring<Tag>(entries: depth + 1)
        try ring.prepare(Poll(stop, for: .input), tag: .stop)
        return ring
    }

    private func makeBuffer() -> Buffer {
        Buffer(byteCapacity: blockByteCount, alignment: 4096)
    }
}

/// Which blocks of a file have been begun.
private struct Walk {
    let blockByteCount: Int
    /// Where the file ended, when a lane first looked behind a byte of it.
    private(set) var end: UInt64?
    private var next: UInt64 = 0

    init(blockByteCount: Int) {
        self.blockByteCount = blockByteCount
    }

    /// The next block to begin, by its offset in the file.
    mutating func take() -> UInt64 {
        defer { next += UInt64(blockByteCount) }
        return next
    }

    var hasEnded: Bool { end != nil }

    /// Notes the end that a lane has met; all blocks before the lowest one are whole.
    mutating func end(at offset: UInt64) {
        end = min(end ?? .max, offset)
    }
}

extension Read<Buffer> {
    /// Goes on behind what the buffer has of a block.
    fileprivate mutating func continueReading(block: UInt64) {
        start = memory.count
        position = .offset(block + UInt64(memory.count))
    }
}
