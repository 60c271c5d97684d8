// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// Bytes that go round in pipes: what it costs to be told that a descriptor is ready, one event handled at a time.
    static let pipes = [1, 8, 64].map { count in
        Case(
            name: "pipe-\(count)",
            summary: "A byte going round in each of so many pipes: \(count)",
            operations: 100_000,
            countedOperations: 6_400...19_200,
            engines: [
                pipes("uring-eager", against: "c-eager", count) { try polls(&$0, $1, isEager: true, $2) },
                pipes("c-eager", against: "c-eager", count, baseline_pipe_eager),
                pipes("uring", count) { try polls(&$0, $1, isEager: false, $2) },
                pipes("c", against: "c", count, baseline_pipe_lazy),
                pipes("uring-fixed", against: "c-fixed", count) { try fixedPolls(&$0, $1, $2) },
                pipes("c-fixed", against: "c-fixed", count, baseline_pipe_lazy_fixed),
                pipes("uring-multishot", against: "c-multishot", count) { try multishotPolls(&$0, $1, $2) },
                pipes("c-multishot", against: "c-multishot", count, baseline_pipe_multishot),
                pipes("uring-epoll-wait", against: "c-epoll-wait", count) { try epollSet(&$0, $1, $2) },
                pipes("c-epoll-wait", against: "c-epoll-wait", count, baseline_pipe_epoll_wait),
                pipes("uring-transfers", against: "c-transfers", count) { try transfers(&$0, $1, $2) },
                pipes("c-transfers", against: "c-transfers", count, baseline_pipe_transfers),
                // SAFETY: the pipes are there until the functions have returned.
                Engine(name: "epoll") { try measure(pipeCount: count, operations: $0) { unsafe baseline_pipe_epoll($0.pointer, $1) } },
                Engine(name: "poll") { try measure(pipeCount: count, operations: $0) { unsafe baseline_pipe_poll($0.pointer, $1) } },
            ])
    }

    private static func pipes(
        _ name: String, against baseline: String = Engine.baselineName, _ count: Int,
        _ body: @escaping @Sendable (inout Ring<Int>, PipeSet, Int) throws -> Void
    ) -> Engine {
        Engine(name: name, baseline: baseline) { operations in
            var ring = try Ring<Int>(entries: 2 * count, options: ringOptions)
            return try measure(pipeCount: count, operations: operations) { pipes, operations in
                try pipes.fill()
                try body(&ring, pipes, operations)
                return 0
            }
        }
    }

    private static func pipes(_ name: String, against baseline: String, _ count: Int, _ style: baseline_pipe_style) -> Engine {
        Engine(name: name, baseline: baseline) { operations in
            let ring = try BaselineRing(entries: 2 * count)
            // SAFETY: ring and pipes are there until the function has returned, which leaves nothing in flight that uses memory.
            return try unsafe ring.with { ring in
                try measure(pipeCount: count, operations: operations) { unsafe baseline_pipe_uring(ring, $0.pointer, style, $1) }
            }
        }
    }

    // MARK: Polls

    private static func polls(_ ring: inout Ring<Int>, _ pipes: PipeSet, isEager: Bool, _ operations: Int) throws {
        for pipe in 0..<pipes.count { try ring.prepare(Poll(pipes.reading(pipe), for: .input), tag: pipe) }
        try handlePolls(&ring, pipes, isEager: isEager, operations)
    }

    private static func fixedPolls(_ ring: inout Ring<Int>, _ pipes: PipeSet, _ operations: Int) throws {
        let count = pipes.count
        let files = try FixedPipes(count: count, in: &ring)
        for pipe in 0..<count {
            let end = try files.register(pipes.reading(pipe), at: pipe)
            try ring.prepare(Poll(end, for: .input), tag: pipe)
        }
        try handlePolls(&ring, pipes, isEager: false, operations)
    }

    /// Handles events of polls that complete once.
    ///
    /// They are prepared again one by one, and go to the kernel for each event, or when it has to be entered to wait.
    private static func handlePolls(_ ring: inout Ring<Int>, _ pipes: PipeSet, isEager: Bool, _ operations: Int) throws {
        var expected = [UInt8](repeating: 0, count: baseline_most_pipes)
        var done = 0
        while done < operations {
            if isEager { try ring.submit(waitingFor: 1) }
            guard let completion = ring.nextReadyCompletion() else {
                try ring.submit(thenWaitingFor: 1)
                continue
            }
            let pipe = completion.tag
            try pipes.handleEvent(of: pipe, &expected[pipe])
            done += 1
            try ring.prepareAgain(completion, as: Poll.self) { _, result in _ = try result.get() }
        }
    }

    private static func multishotPolls(_ ring: inout Ring<Int>, _ pipes: PipeSet, _ operations: Int) throws {
        let count = pipes.count
        let files = try FixedPipes(count: count, in: &ring)
        for pipe in 0..<count {
            let end = try files.register(pipes.reading(pipe), at: pipe)
            try ring.prepare(PollMultishot(end, for: .input), tag: pipe)
        }
        var expected = [UInt8](repeating: 0, count: baseline_most_pipes)
        var done = 0
        while done < operations {
            guard let completion = ring.nextReadyCompletion() else {
                try ring.submit(thenWaitingFor: 1)
                continue
            }
            let pipe = completion.tag
            switch completion.event(PollMultishot.self) {
            case .more(let result): _ = try result.get()
            case .finished(let completed):
                _ = try completed.result.get()
                try ring.prepare(completed.operation, tag: pipe)
            }
            try pipes.handleEvent(of: pipe, &expected[pipe])
            done += 1
        }
    }

    private static func epollSet(_ ring: inout Ring<Int>, _ pipes: PipeSet, _ operations: Int) throws {
        try ring.prepare(EpollWait(pipes.makeEpollSet(), into: EpollEvents(capacity: baseline_most_pipes)), tag: 0)
        var expected = [UInt8](repeating: 0, count: baseline_most_pipes)
        var done = 0
        while done < operations {
            guard let completion = ring.nextReadyCompletion() else {
                try ring.submit(thenWaitingFor: 1)
                continue
            }
            try ring.prepareAgain(completion, as: EpollWait.self) { operation, result in
                for index in try 0..<result.get() where done < operations {
                    let pipe = Int(operation.events[index].data)
                    try pipes.handleEvent(of: pipe, &expected[pipe])
                    done += 1
                }
            }
        }
    }

    // MARK: Reads and writes

    /// Has the ring read and write the bytes itself; a tag is twice the pipe's number, and one more for a write.
    private static func transfers(_ ring: inout Ring<Int>, _ pipes: PipeSet, _ operations: Int) throws {
        let count = pipes.count
        let files = try FixedPipes(count: count, in: &ring)
        let writes = Places<Write<Buffer>>(count: count)
        for pipe in 0..<count {
            let reading = try files.register(pipes.reading(pipe), at: pipe)
            let writing = try files.register(pipes.writing(pipe), at: count + pipe)
            try ring.prepare(Read(reading, into: Buffer(byteCapacity: 1)), tag: 2 * pipe)
            writes.put(Write(writing, from: Buffer(copying: [0])), at: pipe)
        }
        var expected = [UInt8](repeating: 0, count: baseline_most_pipes)
        var done = 0
        while done < operations {
            guard let completion = ring.nextReadyCompletion() else {
                try ring.submit(thenWaitingFor: 1)
                continue
            }
            let tag = completion.tag
            if tag % 2 == 1 {
                let completed = completion.take(Write<Buffer>.self)
                if try completed.result.get() != 1 { throw Failure("A byte was not written.") }
                writes.put(completed.operation, at: tag / 2)
                continue
            }
            let pipe = tag / 2
            guard var write = writes.take(pipe) else { throw Failure("A byte came back before it was written.") }
            let completed = completion.take(Read<Buffer>.self)
            let byteCount = try completed.result.get()
            let read = completed.operation
            if byteCount != 1 || read.memory.firstByte != expected[pipe] { throw Failure("A pipe has the wrong byte.") }
            expected[pipe] &+= 1
            write.memory.firstByte = expected[pipe]
            try ring.prepare(write, tag: 2 * pipe + 1)
            try ring.prepare(read, tag: 2 * pipe)
            done += 1
        }
    }

    /// Measures a function that handles so many events of pipes.
    private static func measure(
        pipeCount: Int, operations: Int, _ body: (PipeSet, Int) throws -> Int32
    ) throws -> Sample {
        var ends: [FileDescriptor] = []
        defer { for end in ends { try? end.close() } }
        for _ in 0..<pipeCount {
            let pipe = try FileDescriptor.pipe()
            ends += [pipe.readEnd, pipe.writeEnd]
        }
        return try unsafe ends.map(\.rawValue).withUnsafeBufferPointer { numbers in
            // SAFETY: the array is there until the function has returned.
            var pipes = unsafe baseline_pipes(ends: numbers.baseAddress, count: UInt32(pipeCount))
            return try unsafe withUnsafePointer(to: &pipes) { pipes in
                let stopwatch = Stopwatch()
                // SAFETY: array and structure are there until the function has returned.
                try check(body(unsafe PipeSet(pipes), operations), "pipe")
                return stopwatch.sample(operations: operations)
            }
        }
    }
}

/// The pipes of a run, which are open and in place for as long as anybody has this.
@safe
private struct PipeSet {
    let pointer: UnsafePointer<baseline_pipes>

    init(_ pointer: UnsafePointer<baseline_pipes>) {
        unsafe self.pointer = pointer
    }

    // SAFETY: so much for all that follows: the pointer is to a structure that outlives this value.

    var count: Int { unsafe Int(pointer.pointee.count) }

    /// The end of a pipe to read.
    func reading(_ pipe: Int) -> UnownedDescriptor {
        unsafe UnownedDescriptor(FileDescriptor(rawValue: pointer.pointee.ends[2 * pipe]))
    }

    /// The end of a pipe to write.
    func writing(_ pipe: Int) -> UnownedDescriptor {
        unsafe UnownedDescriptor(FileDescriptor(rawValue: pointer.pointee.ends[2 * pipe + 1]))
    }

    /// Puts the first byte into every pipe.
    func fill() throws {
        try check(unsafe baseline_pipe_fill(pointer), "fill")
    }

    /// Takes the byte out of a pipe, which has to be the expected one, and puts the next one in.
    func handleEvent(of pipe: Int, _ expected: inout UInt8) throws {
        try check(unsafe baseline_pipe_event(pointer, UInt32(pipe), &expected), "event")
    }

    /// Makes an epoll set of the ends to read.
    func makeEpollSet() throws -> Descriptor {
        let number = unsafe baseline_pipe_epoll_set(pointer)
        try check(number, "epoll_ctl")
        // SAFETY: nobody else knows the set.
        return unsafe Descriptor(adopting: FileDescriptor(rawValue: number))
    }
}

extension Buffer {
    /// The first byte, of a buffer that has one.
    var firstByte: UInt8 {
        get { span[0] }
        set {
            var bytes = mutableSpan
            bytes[0] = newValue
        }
    }
}

/// A ring's file table for the ends of pipes; the ring itself is registered as well.
private struct FixedPipes: ~Copyable {
    private let table: FileTable

    init(count: Int, in ring: inout Ring<Int>) throws {
        try ring.registerDescriptor()
        table = try ring.makeFileTable(count: 2 * count, allocating: 0..<0)
    }

    /// Puts an end of a pipe into the table, where it stays as long as it, or an operation on it, is there.
    func register(_ end: UnownedDescriptor, at index: Int) throws -> DirectDescriptor {
        guard let slot = table.slot(index) else { throw Failure("A slot is taken.") }
        return try table.register(end, in: slot)
    }
}
