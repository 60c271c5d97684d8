// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// Row M2: the kernel goes on writing after a ring's descriptor is closed, so memory must not be freed by then.
@Suite(.serialized) struct M2LateWriteTests {
    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func aDroppedRingsMemoryIsNotWrittenToAnyMore(options: RingOptions) throws {
        let file = try DirectFile()
        var clock = try Ring<Int>(entries: 8)
        var recent: [Graveyard] = []
        for round in 0..<100 {
            let graveyard = Graveyard()
            let pipe = try DescriptorPair.pipe()
            let sockets = try DescriptorPair.sockets()
            do {
                var ring = try Ring<Int>(entries: 64, options: options)
                for index in 0..<DirectFile.readCount {
                    let memory = BuriedMemory(graveyard, byteCapacity: DirectFile.readByteCount)
                    try ring.prepare(Read(file.descriptor, into: memory, at: .offset(index * DirectFile.readByteCount)), tag: index)
                }
                for tag in 100..<104 {
                    try ring.prepare(Read(pipe.first, into: BuriedMemory(graveyard, byteCapacity: 4096)), tag: tag)
                    try ring.prepare(Receive(sockets.first, into: BuriedMemory(graveyard, byteCapacity: 4096)), tag: tag)
                }
                try ring.submit()
                #expect(ring.inFlightCount == DirectFile.readCount + 8)
            }
            // Everything is released by now, and what arrives goes nowhere.
            #expect(graveyard.count == DirectFile.readCount + 8)
            #expect(!file.descriptor.isHeld && !pipe.first.isHeld && !sockets.first.isHeld)
            send([1, 2, 3, 4, 5, 6, 7, 8], to: sockets.second)
            _ = try pipe.second.unowned.fileDescriptor.writeAll([1, 2, 3, 4, 5, 6, 7, 8])
            try file.passReads(on: &clock)
            #expect(graveyard.lateWriteCount() == 0, "round \(round)")
            recent.append(graveyard)
            if recent.count > 8 { #expect(recent.removeFirst().lateWriteCount() == 0, "after round \(round)") }
        }
        for graveyard in recent { #expect(graveyard.lateWriteCount() == 0) }
    }

    @Test func closingReportsWhatIsNotBackAndFreesNothingOfIt() throws {
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 64)), tag: 0)
        try ring.submit()
        let leftovers = ring.close(deadline: .zero)
        #expect(leftovers.leakedOperations == 1 && !leftovers.isEmpty)
        // Leaked on purpose: the memory lives, and the descriptor stays open.
        #expect(ledger.aliveCount == 1 && pipe.first.isHeld)
    }

    @Test func closingWithTimeLeavesNothing() throws {
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        for tag in 0..<8 { try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 64)), tag: tag) }
        try ring.submit()
        for tag in 0..<4 { try ring.prepare(BoxedNop(ledger.life()), tag: tag) }
        #expect(ledger.aliveCount == 12)
        let leftovers = ring.close(deadline: .seconds(10))
        #expect(leftovers.isEmpty)
        #expect(ledger.isSettled && !pipe.first.isHeld)
    }

    @Test func closingAnIdleRingNeedsNoTime() throws {
        var ring = try Ring<Int>(entries: 8)
        _ = try ring.run(Nop())
        let leftovers = ring.close(deadline: .zero)
        #expect(leftovers.isEmpty)
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func aMultishotInFlightEndsWithItsRing(options: RingOptions) throws {
        let ledger = Ledger()
        let events = try EventCounter()
        do {
            var ring = try Ring<Int>(entries: 8, options: options)
            try ring.prepare(WatchEvents(events, ledger.life()), tag: 0)
            try ring.submit()
            for _ in 0..<20 { try events.add() }
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.hasMore == true)
            _ = consume completion
            try events.add()
        }
        #expect(ledger.isSettled && !events.descriptor.isHeld)
    }
}
