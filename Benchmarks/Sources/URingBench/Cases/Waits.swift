// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// What it costs to tell the kernel how to wait, and how little of that is left when it was told before.
    static let wait = Case(
        name: "wait",
        summary:
            "An operation that does nothing and a wait for it: plain, of a minute, of a registered minute, in a registered ring",
        operations: 200_000,
        countedOperations: 6_400...19_200,
        engines: [
            Engine(name: "uring") { operations in
                var ring = try Ring<Int>(entries: 4, options: ringOptions)
                return try waits(&ring, operations: operations) { ring throws(Errno) in try ring.submit(waitingFor: 1) }
            },
            waits("c", baseline_wait_plain),
            Engine(name: "uring-timeout", baseline: "c-timeout", bare: "uring") { operations in
                var ring = try Ring<Int>(entries: 4, options: ringOptions)
                return try waits(&ring, operations: operations) { ring throws(Errno) in
                    try ring.submit(waitingFor: 1, timeout: .seconds(60))
                }
            },
            waits("c-timeout", baseline_wait_timeout, bare: "c"),
            Engine(name: "uring-region", baseline: "c-region", bare: "uring") { operations in
                var options = ringOptions
                options.registeredWaitCount = 1
                var ring = try Ring<Int>(entries: 4, options: options)
                let minute = try ring.registerWait(WaitOptions(until: .timeout(.seconds(60))))
                return try waits(&ring, operations: operations) { ring throws(Errno) in try ring.submit(waitingFor: 1, wait: minute) }
            },
            waits("c-region", baseline_wait_region, bare: "c"),
            Engine(name: "uring-registered", baseline: "c-registered", bare: "uring") { operations in
                var ring = try Ring<Int>(entries: 4, options: ringOptions)
                try ring.registerDescriptor()
                return try waits(&ring, operations: operations) { ring throws(Errno) in try ring.submit(waitingFor: 1) }
            },
            waits("c-registered", baseline_wait_registered, bare: "c"),
        ])

    @inline(__always)
    private static func waits(
        _ ring: inout Ring<Int>, operations: Int, _ submitAndWait: (inout Ring<Int>) throws(Errno) -> SubmitResult
    ) throws -> Sample {
        let stopwatch = Stopwatch()
        for number in 0..<operations {
            try ring.prepare(Nop(), tag: number)
            if try submitAndWait(&ring).submitted != 1 { throw Failure("An operation was not submitted.") }
            guard let completion = ring.nextReadyCompletion(), completion.tag == number else {
                throw Failure("A completion is not that of the operation.")
            }
            _ = try completion.take(Nop.self).result.get()
        }
        return stopwatch.sample(operations: operations)
    }

    private static func waits(_ name: String, _ style: baseline_wait_style, bare: String? = nil) -> Engine {
        Engine(name: name, baseline: name, bare: bare) { operations in
            // A region has to be there before the ring is enabled.
            let ring = try BaselineRing(entries: 4, isEnabled: style != baseline_wait_region)
            let stopwatch = Stopwatch()
            // SAFETY: the ring is there until the function has returned.
            try check(unsafe ring.with { unsafe baseline_wait($0, style, operations) }, "wait")
            return stopwatch.sample(operations: operations)
        }
    }
}
