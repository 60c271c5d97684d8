// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

/// A signal ends a wait with a result, not an error, and nothing is lost by it.
@Suite struct InterruptedWaitTests {
    @Test(arguments: [false, true]) func aSignalDuringAWaitIsReported(isRecommended: Bool) throws {
        ignoreWakingSignal()
        let pipe = Handed(try DescriptorPair.pipe())
        let wasInterrupted = Flag()
        let results = Handed<[SubmitResult]>([])
        let bytes = Handed<[UInt8]>([])
        let thread = TestThread {
            defer { wasInterrupted.set() }
            unblockWakingSignal()
            do {
                var ring = try Ring<Int>(entries: 8, options: isRecommended ? .recommended : RingOptions())
                let token = try ring.prepare(Read(pipe.value.first, into: Buffer(byteCapacity: 8)), tag: 1)
                results.value.append(try ring.submit(waitingFor: 1, timeout: .seconds(60)))
                results.value.append(try ring.submit(waitingFor: 1, timeout: .seconds(60)))
                results.value.append(try ring.submit(waitingFor: 1))
                #expect(ring.inFlightCount == 1)
                wasInterrupted.set()
                let completed = try ring.nextCompletionWaiting().take(token)
                bytes.value = completed.operation.memory.copyBytes()
            } catch {
                Issue.record(error)
            }
        }
        while !wasInterrupted.value {
            thread.signal(wakingSignal)
            sched_yield()
        }
        try write(5, to: pipe.value.second)
        thread.join()
        #expect(
            results.value == [
                SubmitResult(submitted: 1, interrupted: true), SubmitResult(submitted: 0, interrupted: true),
                SubmitResult(submitted: 0, interrupted: true),
            ])
        #expect(bytes.value == [5])
    }
}
