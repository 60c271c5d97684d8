// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct WorkersTests {
    @Test func limitsAreSetAndTold() {
        // On a thread of its own, whose limits they are.
        onAnotherThread {
            do {
                var ring = try Ring<Int>(entries: 8)
                let original = try ring.workerLimits()
                #expect(original.bounded > 0 && original.unbounded > 0)
                let previous = try ring.setWorkerLimits(WorkerLimits(bounded: 3, unbounded: 5))
                #expect(previous == original)
                let now = try ring.workerLimits()
                #expect(now == WorkerLimits(bounded: 3, unbounded: 5))
            } catch {
                Issue.record(error)
            }
        }
    }

    @Test func workersRunWhereTheyAreTo() {
        onAnotherThread {
            do {
                var ring = try Ring<Int>(entries: 8)
                let directory = try TemporaryDirectory()
                let file = try directory.open("file")
                // A worker syncs files, always.
                let worker = "iou-wrk-\(test_thread_number())"
                let processor = test_bind_thread(0)
                try ring.setWorkerProcessors([Int(processor)])
                _ = try ring.run(Fsync(file), tag: 1).result.get()
                let places = threads(named: worker).compactMap { threadStatus("Cpus_allowed_list", of: $0) }
                #expect(!places.isEmpty && places.allSatisfy { $0 == String(processor) })
                #expect(throws: Errno.invalidArgument) { try ring.setWorkerProcessors([60_000]) }
                try ring.setWorkerProcessors(nil)
            } catch {
                Issue.record(error)
            }
        }
    }

    @Test func noWorkersTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            try ring.setWorkerLimits(WorkerLimits(bounded: 0, unbounded: 1))
        }
        expectSentence("A ring needs at least one worker of each kind; ask for the limits with workerLimits().", of: result)
    }

    @Test func aProcessorThatCannotBeTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            try ring.setWorkerProcessors([-1])
        }
        expectSentence("Processors have numbers from 0 on.", of: result)
    }

    @Test func noProcessorTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            try ring.setWorkerProcessors([])
        }
        expectSentence("Workers have to run somewhere; name a processor, or nil for all.", of: result)
    }
}
