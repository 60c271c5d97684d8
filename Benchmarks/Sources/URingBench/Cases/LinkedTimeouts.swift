// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// What it costs that an operation may only take so long.
    static let linkedTimeout = Case(
        name: "linked-timeout",
        summary: "Operations that do nothing with a timeout of a minute, 32 at a time, and without one",
        operations: 400_000,
        countedOperations: 6_400...19_200,
        engines: [
            Engine(name: "uring", bare: "uring-bare") { try uring(operations: $0) },
            Engine(name: "c", bare: "c-bare") { operations in
                let ring = try BaselineRing(entries: 2 * batch)
                let stopwatch = Stopwatch()
                // SAFETY: the ring is there until the function has returned.
                try check(unsafe ring.with { unsafe baseline_linked_timeout($0, UInt32(batch), operations) }, "timeout")
                return stopwatch.sample(operations: operations)
            },
            Engine(name: "uring-bare", baseline: "c-bare") { try nopsWithURing(batch: batch, operations: $0) },
            Engine(name: "c-bare", baseline: "c-bare") { try nopsWithC(batch: batch, operations: $0) },
        ])

    private static let batch = 32

    private static func uring(operations: Int) throws -> Sample {
        var ring = try Ring<UInt8>(entries: 2 * batch, options: ringOptions)
        let minute = LinkedTimeout.after(.seconds(60))
        let stopwatch = Stopwatch()
        var done = 0
        while done < operations {
            let wanted = min(batch, operations - done)
            for _ in 0..<wanted {
                try ring.prepare(Nop(), tag: 0, timeout: minute)
            }
            try ring.submit(thenWaitingFor: 2 * wanted)
            var seen = 0
            while let completion = ring.nextReadyCompletion() {
                let completed = completion.take(Nop.self)
                if completed.timedOut { throw Failure("An operation timed out.") }
                _ = try completed.result.get()
                seen += 1
            }
            if seen != wanted { throw Failure("The completions are not those of the batch.") }
            done += seen
        }
        return stopwatch.sample(operations: operations)
    }
}
