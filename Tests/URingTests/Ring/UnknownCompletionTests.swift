// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// Completions with user data that names no operation in flight: other rings send them (MSG_RING).
@Suite struct UnknownCompletionTests {
    /// User data that URing does not make: of no kind, of kinds that do not exist, of the kind that says so, with more than the kind
    /// where that is all there is, and for handles that the ring has not made.
    static let foreign: [UInt64] = [
        0, 13, 0x1234_5678_9abc_defe, UserData.Kind.foreign.rawValue, .max, UserData.Kind.ringInternal.rawValue | 0x80,
        UserData.Kind.unreported.rawValue | 1 << 63, UserData.Kind.release.rawValue | 1 << 32,
        UserData.fromHandle(.message, inbox: 0, value: 1), UserData.fromHandle(.descriptorMessage, inbox: 7, value: 0),
    ]

    /// User data of operations that are not there: other generations, a place that was never used, one beyond the table, one between two.
    static let stale: [UInt64] = [
        UserData.operation(byteOffset: 128, generation: 7), UserData.operation(byteOffset: 0, generation: 1),
        UserData.operation(byteOffset: 1 << 24, generation: 0), UserData.operation(byteOffset: 0x7fff_ff80, generation: .max),
        UserData.operation(byteOffset: 0, generation: 0) | 0x70,
        UserData.sameSlot(as: UserData.operation(byteOffset: 128, generation: 7), kind: .linkedOperation),
        UserData.sameSlot(as: UserData.operation(byteOffset: 128, generation: 7), kind: .linkedTimeout),
    ]

    /// Has another ring send a completion.
    private func post(_ userData: UInt64, to ring: borrowing Ring<Int>) throws {
        var sender = try Ring<Int>(entries: 2)
        var message = RawEntry(.msgRing)
        message.offset = userData
        message.length = 5
        // SAFETY: the entry has no address.
        let sent = try sender.run(unsafe RawOperation(message, on: ring.descriptor, owning: ())).result.get()
        #expect(sent.result == 0)
    }

    @Test(arguments: foreign) func whatURingDidNotMakeIsCountedAndPassedOver(userData: UInt64) throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1)
        try ring.submit()
        for count in 1...3 {
            try post(userData, to: ring)
            try ring.expectNoCompletion()
            #expect(ring.foreignCompletionCount == count && ring.staleCompletionCount == 0)
            #expect(ring.inFlightCount == 1)
        }
        try expectRead(&ring, pipe)
    }

    @Test(arguments: stale) func whatNamesNoOperationInFlightIsCountedAndPassedOver(userData: UInt64) throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1)
        try ring.submit()
        for count in 1...3 {
            try post(userData, to: ring)
            try ring.expectNoCompletion()
            #expect(ring.staleCompletionCount == count && ring.foreignCompletionCount == 0)
            #expect(ring.inFlightCount == 1)
        }
        try expectRead(&ring, pipe)
    }

    @Test func theyAreFoundBetweenOthersAndBehindAFullQueue() throws {
        var options = RingOptions.recommended
        options.completionQueueEntries = 2
        var ring = try Ring<Int>(entries: 2, options: options)
        let counter = try EventCounter()
        for tag in 0..<6 { try ring.prepare(Poll(counter, for: .input), tag: tag) }
        try ring.submit()
        for userData in Self.foreign { try post(userData, to: ring) }
        try counter.add()
        for userData in Self.stale { try post(userData, to: ring) }
        var tags: Set<Int> = []
        for _ in 0..<6 { tags.insert(try ring.nextCompletionWaiting().tag) }
        try ring.expectNoCompletion()
        #expect(tags.count == 6 && ring.inFlightCount == 0)
        #expect(ring.foreignCompletionCount == Self.foreign.count && ring.staleCompletionCount == Self.stale.count)
    }

    @Test(arguments: foreign + stale) func aRingThatEndsWaitsForItsOwnOperationsAllTheSame(userData: UInt64) throws {
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 8)), tag: 1)
        try ring.submit()
        for _ in 0..<3 { try post(userData, to: ring) }
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(ledger.isSettled)
        expectHeld(pipe.first, false)
    }

    /// Expects that the read of a pipe goes on as if nothing had been.
    private func expectRead(_ ring: inout Ring<Int>, _ pipe: borrowing DescriptorPair) throws {
        try write(3, to: pipe.second)
        let completed = try ring.nextCompletionWaiting().take(Read<Buffer>.self)
        #expect(completed.operation.memory.copyBytes() == [3])
        #expect(ring.inFlightCount == 0)
    }
}
