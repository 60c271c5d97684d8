// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// M7: user data is never reused while somebody may still have it, so nothing late hits another operation.
@Suite struct StaleTokenTests {
    @Test(arguments: [0, 1, UInt64.max - 1, .max]) func aCancelWithAnOldTokenLeavesTheNewOperationAlone(firstGeneration: UInt64) throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8, firstGeneration: firstGeneration)
        try write(1, to: pipe.second)
        let old = try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1)
        let first = try ring.nextCompletionWaiting().take(old)
        #expect(try first.result.get() == 1)

        let new = try ring.prepare(first.operation, tag: 2)
        try ring.submit()
        // The slot is the same one, a generation on.
        let (oldData, newData) = (AnyToken(old).userData, AnyToken(new).userData)
        #expect(oldData == UserData.operation(byteOffset: 0, generation: firstGeneration))
        #expect(newData == UserData.operation(byteOffset: 0, generation: firstGeneration &+ 1))

        try ring.prepare(Cancel(old), tag: 3)
        let cancel = try ring.nextCompletionWaiting()
        #expect(cancel.tag == 3)
        #expect(try cancel.take(Cancel.self).result.get() == .notFound)
        try ring.expectNoCompletion()
        try write(2, to: pipe.second)
        let second = try ring.nextCompletionWaiting().take(new)
        #expect(try second.result.get() == 1)
        #expect(second.operation.memory.copyBytes() == [2])
    }

    @Test func anUpdateOrRemovalWithAnOldTokenLeavesTheNewPollAlone() throws {
        let sockets = try DescriptorPair.sockets()
        var ring = try Ring<Int>(entries: 8, firstGeneration: .max)
        try write(1, to: sockets.second)
        let old = try ring.prepare(Poll(sockets.first, for: .input), tag: 1)
        _ = try ring.nextCompletionWaiting().take(old)
        let new = try ring.prepare(Poll(sockets.first, for: .priority), tag: 2)
        try ring.submit()
        try ring.prepare(PollUpdate(old, events: .output), tag: 3)
        let update = try ring.nextCompletionWaiting().take(PollUpdate.self).result.get()
        #expect(update == .notFound)
        try ring.prepare(Cancel(old), tag: 4)
        let removal = try ring.nextCompletionWaiting().take(Cancel.self).result.get()
        #expect(removal == .notFound)
        try ring.expectNoCompletion()
        try ring.prepare(PollUpdate(new, events: .output), tag: 5)
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == 2 { #expect(try completion.take(new).result.get() == .output) }
        }
    }

    @Test(arguments: [0, UInt64.max]) func aLateCompletionIsCountedAndIgnored(firstGeneration: UInt64) throws {
        // Another ring sends completions with user data of its choice (MSG_RING), here that of an operation that has ended.
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8, firstGeneration: firstGeneration)
        let old = try ring.prepare(Nop(), tag: 1)
        _ = try ring.nextCompletionWaiting().take(old)
        let new = try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 2)
        try ring.submit()
        #expect(AnyToken(new).userData == UserData.nextGeneration(after: AnyToken(old).userData))

        var sender = try Ring<Int>(entries: 8)
        var message = RawEntry(.msgRing)
        message.offset = AnyToken(old).userData
        message.length = 5
        let sent = try sender.run(unsafe RawOperation(message, on: ring.descriptor, owning: ())).result.get()
        #expect(sent.result == 0)
        try ring.expectNoCompletion()
        #expect(ring.staleCompletionCount == 1)
        #expect(ring.inFlightCount == 1)

        try write(3, to: pipe.second)
        let completed = try ring.nextCompletionWaiting().take(new)
        #expect(try completed.result.get() == 1)
        #expect(completed.operation.memory.copyBytes() == [3])
    }
}
