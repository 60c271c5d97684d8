// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// Writes of 4 KiB to a file, 32 at a time.
    ///
    /// Most file systems make io_uring's worker threads do them.
    static let write = Case(
        name: "write",
        summary: "Writes of 4 KiB to the page cache, 32 at a time",
        operations: 40_000,
        countedOperations: 3_200...9_600,
        engines: [
            Engine(name: "uring") { try uring(isAgain: false, operations: $0) },
            Engine(name: "uring-again") { try uring(isAgain: true, operations: $0) },
            Engine(name: "c") { try c(operations: $0) },
            Engine(name: "ioring") { try ioring(operations: $0) },
        ])

    private static func uring(isAgain: Bool, operations: Int) throws -> Sample {
        let blocks = try BlockFile()
        defer { try? blocks.close() }
        let file = try blocks.uringDescriptor()
        var ring = try Ring<UInt64>(entries: BlockFile.depth, options: ringOptions)
        for number in 0..<min(BlockFile.depth, operations) {
            var buffer = Buffer(byteCapacity: BlockFile.byteCount, alignment: BlockFile.byteCount)
            // SAFETY: the array has no bytes that are not its elements.
            unsafe buffer.append(BlockFile.block(stamp: UInt64(number)).span.bytes)
            try ring.prepare(Write(file, from: buffer, at: BlockFile.position(ofOperation: number)), tag: 0)
        }
        let stopwatch = Stopwatch()
        try isAgain ? prepareAgain(ring: &ring, operations: operations) : takeAndPrepare(ring: &ring, operations: operations)
        let sample = stopwatch.sample(operations: operations)
        try blocks.expectWritten(operations: operations)
        return sample
    }

    /// Takes each write that is done, and prepares it for another block.
    private static func takeAndPrepare(ring: inout Ring<UInt64>, operations: Int) throws {
        var issued = min(BlockFile.depth, operations)
        var done = 0
        while done < operations {
            // Writes may go to worker threads, which come back one by one.
            try ring.submit(thenWaitingFor: 1)
            while let completion = ring.nextReadyCompletion() {
                let completed = completion.take(Write<Buffer>.self)
                try expect(completed.result)
                done += 1
                if issued < operations {
                    var operation = completed.operation
                    setBlock(issued, of: &operation)
                    issued += 1
                    try ring.prepare(operation, tag: 0)
                }
            }
        }
    }

    /// Prepares each write that is done for another block, where it lies.
    private static func prepareAgain(ring: inout Ring<UInt64>, operations: Int) throws {
        var issued = min(BlockFile.depth, operations)
        var done = 0
        while done < operations {
            try ring.submit(thenWaitingFor: 1)
            while let completion = ring.nextReadyCompletion() {
                done += 1
                if issued < operations {
                    try ring.prepareAgain(completion, as: Write<Buffer>.self) { operation, result in
                        try expect(result)
                        setBlock(issued, of: &operation)
                    }
                    issued += 1
                } else {
                    try expect(completion.take(Write<Buffer>.self).result)
                }
            }
        }
    }

    @inline(__always)
    private static func expect(_ result: Result<Int, Errno>) throws {
        if try result.get() != BlockFile.byteCount { throw Failure("A write is incomplete.") }
    }

    /// Has a write be of another block, to where that goes.
    @inline(__always)
    private static func setBlock(_ number: Int, of operation: inout Write<Buffer>) {
        var bytes = operation.memory.mutableBytes
        bytes.storeBytes(of: UInt64(number), as: UInt64.self)
        operation.position = BlockFile.position(ofOperation: number)
    }

    private static func c(operations: Int) throws -> Sample {
        let file = try BlockFile()
        defer { try? file.close() }
        let memory = BlockMemory(isFilled: true)
        let ring = try BaselineRing(entries: BlockFile.depth)
        // SAFETY: ring and memory are there until the function has returned, which leaves nothing in flight.
        var blocks = unsafe memory.blocks(of: file)
        let stopwatch = Stopwatch()
        try check(unsafe ring.with { unsafe baseline_write($0, &blocks, operations) }, "write")
        let sample = stopwatch.sample(operations: operations)
        try file.expectWritten(operations: operations)
        return sample
    }

    private static func ioring(operations: Int) throws -> Sample {
        let file = try BlockFile()
        defer { try? file.close() }
        let memory = BlockMemory(isFilled: true)
        var ring = try IORing.make(entries: BlockFile.depth)

        func prepare(slot: Int, number: Int) throws {
            // SAFETY: the memory is there until everything has completed.
            let block = unsafe memory[slot]
            unsafe block.storeBytes(of: UInt64(number), as: UInt64.self)
            let offset = BlockFile.offset(ofOperation: number)
            guard unsafe ring.prepare(request: .write(block, into: file.descriptor, at: offset, context: UInt64(slot))) else {
                throw Failure("The submission queue is full.")
            }
        }

        let stopwatch = Stopwatch()
        var issued = min(BlockFile.depth, operations)
        var done = 0
        for number in 0..<issued { try prepare(slot: number, number: number) }
        while done < operations {
            try ring.submitPreparedRequests()
            var next = Optional(try ring.awaitCompletion())
            while let completion = next {
                if completion.result < 0 { throw Errno(rawValue: -completion.result) }
                if completion.result != BlockFile.byteCount { throw Failure("A write is incomplete.") }
                done += 1
                if issued < operations {
                    try prepare(slot: Int(completion.context), number: issued)
                    issued += 1
                }
                next = ring.tryConsumeCompletion()
            }
        }
        let sample = stopwatch.sample(operations: operations)
        try file.expectWritten(operations: operations)
        return sample
    }
}
