// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// P9: operations depend on the thread that submitted them.
@Suite struct ExitedThreadTests {
    @Test func aReadOfAnExitedThreadIsCancelledWhenDataComesAndTheDataStays() throws {
        let handed = try Handed(World(ring: Ring(entries: 8, options: RingOptions()), pipe: .pipe()))
        TestThread {
            do {
                try handed.value.ring.prepare(Read(handed.value.pipe.first, into: Buffer(copying: [7, 7])), tag: 1)
                let result = try handed.value.ring.submit()
                #expect(result.submitted == 1)
            } catch {
                Issue.record(error)
            }
        }.join()
        // Linux 6.18 says nothing when the thread exits.
        try handed.value.ring.expectNoCompletion()
        #expect(handed.value.ring.inFlightCount == 1)
        try write(9, to: handed.value.pipe.second)
        let completed = try handed.value.ring.nextCompletionWaiting().take(Read<Buffer>.self)
        #expect(completed.entry.errno == .canceled)
        #expect(completed.operation.memory.copyBytes() == [7, 7])
        // Prepared again by a thread that lives, it reads what came.
        let again = try handed.value.ring.run(completed.operation, tag: 2)
        #expect(try again.result.get() == 1)
        #expect(again.operation.memory.copyBytes() == [9])
    }

    @Test func anotherThreadCannotSubmitAndLosesNothing() throws {
        let handed = try Handed(World(ring: Ring(entries: 8), pipe: .pipe()))
        try handed.value.ring.prepare(Nop(), tag: 1)
        TestThread {
            #expect(throws: Errno.fileExists) { try handed.value.ring.submit() }
        }.join()
        let completion = try handed.value.ring.nextCompletionWaiting()
        #expect(completion.tag == 1)
        #expect(try completion.take(Nop.self).result.get() == 0)
    }

    @Test func aRingThatOutlivesItsThreadLeaksRatherThanFrees() throws {
        let handed = Handed<World?>(nil)
        TestThread {
            do {
                var world = try World(ring: Ring(entries: 8), pipe: .pipe())
                try world.ring.prepare(Read(world.pipe.first, into: Buffer(byteCapacity: 8)), tag: 1)
                try world.ring.submit()
                handed.value = consume world
            } catch {
                Issue.record(error)
            }
        }.join()
        // Nobody may ask the kernel to cancel on behalf of a ring whose only thread is gone.
        guard let world = handed.value.take() else {
            Issue.record("the thread left nothing behind")
            return
        }
        let pipe = world.pipe
        let leftovers = world.ring.close()
        #expect(leftovers.leakedOperations == 1)
        expectHeld(pipe.first)
    }
}

/// What a thread leaves behind.
private struct World: ~Copyable {
    var ring: Ring<Int>
    var pipe: DescriptorPair
}
