// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Glibc
import SystemPackage
import Testing

@testable import URing

/// P14: a thread that waits in a ring is not shown as one that waits for a disk, unless that is asked for.
@Suite struct IOWaitTests {
    /// How many threads of the machine count as waiting for I/O now.
    private func blockedCount() throws -> Int {
        let lines = String(decoding: try contents(of: "/proc/stat"), as: UTF8.self).split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix("procs_blocked ") })
        return try #require(Int(line.split(separator: " ")[1]))
    }

    /// The least count over a while in which so many threads wait, so that those that wait for a disk now and then do not matter.
    private func leastBlockedCount(countsAsIOWait: Bool, threadCount: Int) throws -> Int {
        var options = RingOptions.recommended
        options.countsAsIOWait = countsAsIOWait
        let ringOptions = options
        let pipe = try DescriptorPair.pipe()
        // Holds on a descriptor are of one thread.
        let readEnd = UnownedDescriptor(FileDescriptor(rawValue: pipe.first.number))
        let numbers = (0..<threadCount).map { _ in Handed<Int32>(0) }
        let started = (0..<threadCount).map { _ in Flag() }
        let threads = (0..<threadCount).map { index in
            TestThread {
                do {
                    var ring = try Ring<Int>(entries: 8, options: ringOptions)
                    try ring.prepare(Poll(readEnd, for: .input), tag: 1)
                    try ring.submit()
                    numbers[index].value = test_thread_number()
                    started[index].set()
                    try ring.submit(waitingFor: 1)
                } catch {
                    Issue.record(error)
                }
            }
        }
        for index in 0..<threadCount {
            while !started[index].value { sched_yield() }
            waitUntilAsleep(numbers[index].value, in: "cqring_wait")
        }
        var least = Int.max
        for _ in 0..<200 {
            least = min(least, try blockedCount())
            sched_yield()
        }
        try write(1, to: pipe.second)
        for thread in threads { thread.join() }
        return least
    }

    @Test func aWaitIsCountedOnlyWhenAskedFor() throws {
        let counted = try leastBlockedCount(countsAsIOWait: true, threadCount: 12)
        let uncounted = try leastBlockedCount(countsAsIOWait: false, threadCount: 12)
        #expect(counted >= 12)
        #expect(uncounted < 12)
    }
}
