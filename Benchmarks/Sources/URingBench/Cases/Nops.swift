// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// Operations that do nothing: what the ring itself costs, a batch with each system call.
    static let nops = [1, 16, 32, 64].map { batch in
        Case(
            name: "nop-\(batch)",
            summary: "\(batch) at a time of an operation that does nothing; IORing's carry no tags",
            operations: batch == 1 ? 400_000 : 2_000_000,
            countedOperations: 32_000...96_000,
            engines: [
                Engine(name: "uring") { try nopsWithURing(batch: batch, operations: $0) },
                Engine(name: "uring-again") { try nopsPreparedAgain(batch: batch, operations: $0) },
                Engine(name: "c") { try nopsWithC(batch: batch, operations: $0) },
                Engine(name: "c-slots") { try nopsInSlots(batch: batch, operations: $0) },
                Engine(name: "ioring") { try ioring(batch: batch, operations: $0) },
            ])
    }

    static func nopsWithURing(batch: Int, operations: Int) throws -> Sample {
        var ring = try Ring<UInt64>(entries: batch, options: ringOptions)
        let stopwatch = Stopwatch()
        var done = 0
        while done < operations {
            let wanted = min(batch, operations - done)
            for slot in 0..<wanted {
                try ring.prepare(Nop(), tag: UInt64(slot))
            }
            try ring.submit(thenWaitingFor: wanted)
            var tags: UInt64 = 0
            var seen = 0
            while let completion = ring.nextReadyCompletion() {
                tags &+= completion.tag
                seen &+= 1
                _ = try completion.take(Nop.self).result.get()
            }
            try expect(seen: seen, of: wanted, tags: tags)
            done += seen
        }
        return stopwatch.sample(operations: operations)
    }

    /// Prepares each operation again where it lies.
    private static func nopsPreparedAgain(batch: Int, operations: Int) throws -> Sample {
        var ring = try Ring<UInt64>(entries: batch, options: ringOptions)
        let stopwatch = Stopwatch()
        for slot in 0..<min(batch, operations) {
            try ring.prepare(Nop(), tag: UInt64(slot))
        }
        var done = 0
        while done < operations {
            let wanted = min(batch, operations - done)
            let next = min(batch, operations - done - wanted)
            try ring.submit(thenWaitingFor: wanted)
            var tags: UInt64 = 0
            var seen = 0
            while let completion = ring.nextReadyCompletion() {
                let tag = completion.tag
                tags &+= tag
                seen &+= 1
                if tag < next {
                    try ring.prepareAgain(completion, as: Nop.self) { _, result in _ = try result.get() }
                } else {
                    _ = try completion.take(Nop.self).result.get()
                }
            }
            try expect(seen: seen, of: wanted, tags: tags)
            done += seen
        }
        return stopwatch.sample(operations: operations)
    }

    static func nopsWithC(batch: Int, operations: Int) throws -> Sample {
        let ring = try BaselineRing(entries: batch)
        let stopwatch = Stopwatch()
        // SAFETY: the ring is there until the function has returned.
        try check(unsafe ring.with { unsafe baseline_nop($0, UInt32(batch), operations) }, "nop")
        return stopwatch.sample(operations: operations)
    }

    /// C that keeps each operation in a slot and checks whose a completion is, as URing does.
    private static func nopsInSlots(batch: Int, operations: Int) throws -> Sample {
        let ring = try BaselineRing(entries: batch)
        let stopwatch = Stopwatch()
        // SAFETY: the ring is there until the function has returned.
        try check(unsafe ring.with { unsafe baseline_nop_in_slots($0, UInt32(batch), operations) }, "nop")
        return stopwatch.sample(operations: operations)
    }

    /// Less than the others do: it loses the context of an operation that does nothing, so which of them a completion is of cannot be told.
    private static func ioring(batch: Int, operations: Int) throws -> Sample {
        var ring = try IORing.make(entries: batch)
        let stopwatch = Stopwatch()
        var done = 0
        while done < operations {
            let wanted = min(batch, operations - done)
            for _ in 0..<wanted {
                guard ring.prepare(request: .nop()) else { throw Failure("The submission queue is full.") }
            }
            try ring.submitPreparedRequests()
            for _ in 0..<wanted {
                let completion = try ring.awaitCompletion()
                if completion.result < 0 { throw Errno(rawValue: -completion.result) }
            }
            done += wanted
        }
        return stopwatch.sample(operations: operations)
    }

    private static func expect(seen: Int, of wanted: Int, tags: UInt64) throws {
        if seen != wanted || tags != UInt64(wanted * (wanted - 1) / 2) { throw Failure("The completions are not those of the batch.") }
    }
}
