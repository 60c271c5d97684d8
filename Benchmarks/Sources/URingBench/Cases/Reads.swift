// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// Reads of 4 KiB that find the file's pages in memory, 32 at a time.
    static let read = reads(name: "read", summary: "Reads of 4 KiB from the page cache, 32 at a time", isFixed: false)

    /// The same into registered buffers.
    static let readFixed = reads(name: "read-fixed", summary: "The same into registered buffers", isFixed: true)

    private static func reads(name: String, summary: String, isFixed: Bool) -> Case {
        Case(
            name: name, summary: summary, operations: 500_000,
            countedOperations: 32_000...96_000,
            engines: [
                Engine(name: "uring") { try uring(isFixed: isFixed, isAgain: false, operations: $0) },
                Engine(name: "uring-again") { try uring(isFixed: isFixed, isAgain: true, operations: $0) },
                Engine(name: "c") { try c(isFixed: isFixed, operations: $0) },
                Engine(name: "ioring") { try ioring(isFixed: isFixed, operations: $0) },
            ])
    }

    private static func uring(isFixed: Bool, isAgain: Bool, operations: Int) throws -> Sample {
        let blocks = try BlockFile()
        defer { try? blocks.close() }
        let file = try blocks.uringDescriptor()
        var ring = try Ring<UInt64>(entries: BlockFile.depth, options: ringOptions)
        if isFixed {
            let buffers = try ring.makeRegisteredBuffers(count: BlockFile.depth, byteCount: BlockFile.byteCount)
            for number in 0..<min(BlockFile.depth, operations) {
                guard let slice = buffers.take() else { throw Failure("A registered buffer is missing.") }
                try ring.prepare(Read(file, into: slice, at: BlockFile.position(ofOperation: number)), tag: 0)
            }
            return try isAgain
                ? prepareAgain(RegisteredSlice.self, ring: &ring, operations: operations)
                : takeAndPrepare(RegisteredSlice.self, ring: &ring, operations: operations)
        }
        for number in 0..<min(BlockFile.depth, operations) {
            let buffer = Buffer(byteCapacity: BlockFile.byteCount, alignment: BlockFile.byteCount)
            try ring.prepare(Read(file, into: buffer, at: BlockFile.position(ofOperation: number)), tag: 0)
        }
        return try isAgain
            ? prepareAgain(Buffer.self, ring: &ring, operations: operations)
            : takeAndPrepare(Buffer.self, ring: &ring, operations: operations)
    }

    /// Takes each read that is done, and prepares it for another block.
    private static func takeAndPrepare<Memory: ByteSource & ByteDestination & ~Copyable>(
        _: Memory.Type, ring: inout Ring<UInt64>, operations: Int
    ) throws -> Sample {
        let stopwatch = Stopwatch()
        var issued = min(BlockFile.depth, operations)
        var done = 0
        while done < operations {
            try ring.submit(thenWaitingFor: issued - done)
            while let completion = ring.nextReadyCompletion() {
                let completed = completion.take(Read<Memory>.self)
                let byteCount = try completed.result.get()
                var operation = completed.operation
                try expect(operation, byteCount: byteCount)
                done += 1
                if issued < operations {
                    operation.position = BlockFile.position(ofOperation: issued)
                    issued += 1
                    try ring.prepare(operation, tag: 0)
                }
            }
        }
        return stopwatch.sample(operations: operations)
    }

    /// Prepares each read that is done for another block, where it lies.
    private static func prepareAgain<Memory: ByteSource & ByteDestination & ~Copyable>(
        _: Memory.Type, ring: inout Ring<UInt64>, operations: Int
    ) throws -> Sample {
        let stopwatch = Stopwatch()
        var issued = min(BlockFile.depth, operations)
        var done = 0
        while done < operations {
            try ring.submit(thenWaitingFor: issued - done)
            while let completion = ring.nextReadyCompletion() {
                done += 1
                if issued < operations {
                    let next = BlockFile.position(ofOperation: issued)
                    // Of a closure of this size the compiler makes a function, which costs 25 instructions.
                    @inline(__always) func goOn(_ operation: inout Read<Memory>, _ result: consuming Result<Int, Errno>) throws {
                        try expect(operation, byteCount: result.get())
                        operation.position = next
                    }
                    try ring.prepareAgain(completion, as: Read<Memory>.self, changing: goOn)
                    issued += 1
                } else {
                    let completed = completion.take(Read<Memory>.self)
                    try expect(completed.operation, byteCount: completed.result.get())
                }
            }
        }
        return stopwatch.sample(operations: operations)
    }

    @inline(__always)
    private static func expect<Memory: ByteSource & ByteDestination & ~Copyable>(
        _ operation: borrowing Read<Memory>, byteCount: Int
    ) throws {
        try BlockFile.expect(operation.memory.bytes, count: byteCount, at: operation.position.rawValue)
    }

    private static func c(isFixed: Bool, operations: Int) throws -> Sample {
        let file = try BlockFile()
        defer { try? file.close() }
        let memory = BlockMemory(isFilled: false)
        let ring = try BaselineRing(entries: BlockFile.depth)
        // SAFETY: ring and memory are there until the functions have returned, which leave nothing in flight. Ending the ring unregisters.
        var blocks = unsafe memory.blocks(of: file)
        if isFixed { try check(unsafe ring.with { unsafe baseline_register($0, &blocks) }, "io_uring_register_buffers") }
        let stopwatch = Stopwatch()
        try check(unsafe ring.with { unsafe baseline_read($0, &blocks, isFixed, operations) }, "read")
        return stopwatch.sample(operations: operations)
    }

    private static func ioring(isFixed: Bool, operations: Int) throws -> Sample {
        let file = try BlockFile()
        defer { try? file.close() }
        let memory = BlockMemory(isFilled: false)
        var ring = try IORing.make(entries: BlockFile.depth)
        // SAFETY: the memory is there until everything has completed; ending the ring unregisters it.
        let buffers = try unsafe isFixed ? ring.registerBuffers((0..<BlockFile.depth).map { unsafe memory[$0] }) : nil

        // The context is the block of the memory, below where in the file it is.
        func prepare(slot: Int, number: Int) throws {
            let offset = BlockFile.offset(ofOperation: number)
            let context = offset * UInt64(BlockFile.depth) + UInt64(slot)
            let isPrepared =
                if let buffers = unsafe buffers {
                    unsafe ring.prepare(request: .read(file.descriptor, into: buffers[slot], at: offset, context: context))
                } else {
                    unsafe ring.prepare(request: .read(file.descriptor, into: memory[slot], at: offset, context: context))
                }
            if !isPrepared { throw Failure("The submission queue is full.") }
        }

        let stopwatch = Stopwatch()
        var issued = min(BlockFile.depth, operations)
        var done = 0
        for number in 0..<issued { try prepare(slot: number, number: number) }
        while done < operations {
            try ring.submitPreparedRequests()
            for _ in 0..<(issued - done) {
                let completion = try ring.awaitCompletion()
                if completion.result < 0 { throw Errno(rawValue: -completion.result) }
                let slot = Int(completion.context) % BlockFile.depth
                let offset = completion.context / UInt64(BlockFile.depth)
                try unsafe BlockFile.expect(memory[slot].bytes, count: Int(completion.result), at: offset)
                done += 1
                if issued < operations {
                    try prepare(slot: slot, number: issued)
                    issued += 1
                }
            }
        }
        return stopwatch.sample(operations: operations)
    }
}
