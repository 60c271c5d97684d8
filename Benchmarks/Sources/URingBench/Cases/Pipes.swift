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
            operations: 150_000,
            engines: [
                Engine(name: "uring") { try uring(pipeCount: count, operations: $0) },
                Engine(name: "c") { operations in
                    let ring = try BaselineRing(entries: count)
                    // SAFETY: ring and pipes are there until the function has returned; polls use no memory.
                    return try unsafe ring.with { ring in
                        try unsafe measure(pipeCount: count, operations: operations) { unsafe baseline_pipe_uring(ring, $0, $1) }
                    }
                },
                Engine(name: "epoll") { try unsafe measure(pipeCount: count, operations: $0, baseline_pipe_epoll) },
                Engine(name: "poll") { try unsafe measure(pipeCount: count, operations: $0, baseline_pipe_poll) },
            ])
    }

    /// Polls that complete once.
    ///
    /// They are prepared again one by one, and go to the kernel when it has to be entered to wait.
    private static func uring(pipeCount: Int, operations: Int) throws -> Sample {
        var ring = try Ring<Int>(entries: pipeCount, options: ringOptions)
        return try unsafe measure(pipeCount: pipeCount, operations: operations) { pipes, operations in
            try unsafe uring(&ring, pipes, operations)
        }
    }

    private static func uring(_ ring: inout Ring<Int>, _ pipes: UnsafePointer<baseline_pipes>, _ operations: Int) throws -> Int32 {
        var expected = [UInt8](repeating: 0, count: baseline_most_pipes)
        let count = unsafe Int(pipes.pointee.count)
        for pipe in 0..<count {
            let end = unsafe FileDescriptor(rawValue: pipes.pointee.ends[2 * pipe])
            let other = unsafe FileDescriptor(rawValue: pipes.pointee.ends[2 * pipe + 1])
            try other.writeAll([0])
            try ring.prepare(Poll(UnownedDescriptor(end), for: .input), tag: pipe)
        }
        var done = 0
        while done < operations {
            guard let completion = ring.nextCompletion() else {
                try ring.submit(waitingFor: 1)
                continue
            }
            let pipe = completion.tag
            // SAFETY: the pipes are there until the caller's function has returned, and `expected` for the call.
            let status = unsafe baseline_pipe_event(pipes, UInt32(pipe), &expected[pipe])
            if status < 0 { return status }
            done += 1
            try ring.prepareAgain(completion, as: Poll.self) { _, result in _ = try result.get() }
        }
        return 0
    }

    /// Measures a function that handles so many events of pipes.
    private static func measure(
        pipeCount: Int, operations: Int, _ body: (UnsafePointer<baseline_pipes>, Int) throws -> Int32
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
            let stopwatch = Stopwatch()
            try check(unsafe body(&pipes, operations), "pipe")
            return stopwatch.sample(operations: operations)
        }
    }
}
