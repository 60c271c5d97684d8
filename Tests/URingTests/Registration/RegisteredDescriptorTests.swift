// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Glibc
import SystemPackage
import Testing

@testable import URing

/// Each test runs on a thread of its own, because the table of registered rings is the thread's.
@Suite struct RegisteredDescriptorTests {
    /// Has a ring's number mean another file for a while.
    private func withoutNumber(of ring: inout Ring<Int>, _ body: (inout Ring<Int>) throws -> Void) throws {
        let number = ring.descriptor.fileDescriptor
        let saved = try number.duplicate()
        let other = try EventCounter()
        _ = try other.descriptor.unowned.fileDescriptor.duplicate(as: number)
        defer {
            _ = try? saved.duplicate(as: number)
            try? saved.close()
        }
        try body(&ring)
    }

    private func run(_ body: @escaping () throws -> Void) {
        onAnotherThread {
            do { try body() } catch { Issue.record(error) }
        }
    }

    @Test func callsOfTheThreadGoByTheTable() {
        run {
            var ring = try Ring<Int>(entries: 8)
            try ring.registerDescriptor()
            #expect(throws: Errno.fileExists) { try ring.registerDescriptor() }
            try withoutNumber(of: &ring) { ring in
                for tag in 0..<20 { _ = try ring.run(Nop(), tag: tag).result.get() }
                try ring.processPending()
                let wait = try ring.submit(waitingFor: 1, timeout: .milliseconds(1))
                #expect(wait == SubmitResult(submitted: 0, timedOut: true))
            }
            ring.unregisterDescriptor()
            _ = try ring.run(Nop(), tag: 1).result.get()
            try withoutNumber(of: &ring) { ring in
                #expect(throws: Errno.self) { try ring.processPending() }
            }
        }
    }

    /// Trap 15: the index is the thread's, and in another thread's table the same place has another ring, or none.
    @Test(arguments: [false, true]) func trap15AnotherThreadGoesByTheDescriptor(hasRingOfItsOwn: Bool) {
        run {
            let ring = Handed(try Ring<Int>(entries: 8, options: RingOptions()))
            try ring.value.registerDescriptor()
            onAnotherThread {
                do {
                    var own = try Ring<Int>(entries: 8)
                    if hasRingOfItsOwn { try own.registerDescriptor() }
                    try own.prepare(Nop(), tag: 7)
                    let completed = try ring.value.run(Nop(), tag: 1)
                    #expect(completed.result == .success(0))
                    // Nothing of its own was submitted by that.
                    #expect(own.readyCount == 0)
                    let submitted = try own.submit(waitingFor: 1).submitted
                    #expect(submitted == 1)
                } catch {
                    Issue.record(error)
                }
            }
            _ = try ring.value.run(Nop(), tag: 2).result.get()
        }
    }

    @Test func aFullTableIsAnErrorAndAnEndedRingLeavesItsPlace() {
        run {
            for _ in 0..<40 {
                var ring = try Ring<Int>(entries: 2)
                try ring.registerDescriptor()
            }
            var rings: [Handed<Ring<Int>>] = []
            for _ in 0..<16 {
                let ring = Handed(try Ring<Int>(entries: 2))
                try ring.value.registerDescriptor()
                rings.append(ring)
            }
            let oneMore = Handed(try Ring<Int>(entries: 2))
            #expect(throws: Errno.resourceBusy) { try oneMore.value.registerDescriptor() }
            _ = try oneMore.value.run(Nop(), tag: 1).result.get()
            rings.removeLast()
            try oneMore.value.registerDescriptor()
            for ring in rings { _ = try ring.value.run(Nop(), tag: 1).result.get() }
        }
    }
}
