// SPDX-License-Identifier: Apache-2.0

import CProcess

/// What one run of an engine took.
struct Sample {
    let operations: Int
    let elapsed: Duration
    let cpuTime: Duration
    /// What else there is to say.
    var note: String?

    var operationsPerSecond: Double { Double(operations) / (elapsed / .seconds(1)) }
    var cpuNanosecondsPerOperation: Double { cpuTime / .nanoseconds(1) / Double(operations) }
}

/// Measures the time that passes, and the processor time of the process, in which io_uring's worker threads are included.
struct Stopwatch {
    private let start = ContinuousClock.now
    private let cpuStart = Stopwatch.cpuTime

    /// What has passed since the stopwatch was made.
    func sample(operations: Int) -> Sample {
        Sample(operations: operations, elapsed: ContinuousClock.now - start, cpuTime: Stopwatch.cpuTime - cpuStart)
    }

    private static var cpuTime: Duration {
        let used = process_used_time()
        return .microseconds(used.user + used.system)
    }
}
