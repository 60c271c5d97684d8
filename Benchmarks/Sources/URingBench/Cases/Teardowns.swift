// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// Rings that are made, and end with reads in flight.
    ///
    /// The reads are cancelled and waited for, because the kernel may write to their memory until then.
    static let teardown = Case(
        name: "teardown",
        summary: "Rings made and ended, each with 32 reads of 1 KiB in flight",
        operations: 1_000,
        countedOperations: 64...192,
        engines: [
            Engine(name: "uring") { operations in
                try measure(operations: operations) { pipe in
                    for _ in 0..<operations {
                        var ring = try Ring<UInt8>(entries: depth, options: ringOptions)
                        for _ in 0..<depth {
                            try ring.prepare(Read(pipe, into: Buffer(byteCapacity: byteCount)), tag: 0)
                        }
                        if try ring.submit().submitted != depth { throw Failure("Not every read was submitted.") }
                        if !ring.close().isEmpty { throw Failure("The kernel did not give everything back.") }
                    }
                }
            },
            Engine(name: "c") { operations in
                try measure(operations: operations) { pipe in
                    let status = baseline_teardown(
                        UInt32(depth), ringOptions.flags.rawValue, UInt32(depth), pipe.fileDescriptor.rawValue, byteCount, operations)
                    try check(status, "teardown")
                }
            },
        ])

    private static let depth = 32
    private static let byteCount = 1024

    /// Measures a function that reads from a pipe in which there is nothing.
    private static func measure(operations: Int, _ body: (UnownedDescriptor) throws -> Void) throws -> Sample {
        let pipe = try DescriptorPair.pipe()
        let stopwatch = Stopwatch()
        try body(pipe.first.unowned)
        return stopwatch.sample(operations: operations)
    }
}
