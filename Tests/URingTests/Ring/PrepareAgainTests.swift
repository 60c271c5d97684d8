// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

@Suite struct PrepareAgainTests {
    @Test func readsOnFromWhereItIs() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let first = try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 3)), tag: 7)
        var bytes: [UInt8] = []
        var token = first
        for byte: UInt8 in 1...3 {
            try ring.submit()
            try write(byte, to: pipe.second)
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == 7)
            if byte < 3 {
                let next = try ring.prepareAgain(completion, as: Read<Buffer>.self) { read, result in
                    let count = try result.get()
                    #expect(count == 1)
                    read.start += count
                }
                #expect(next != token)
                token = next
            } else {
                // Only the last token names the operation that is in flight.
                let completed = completion.take(token)
                bytes = completed.operation.memory.copyBytes()
            }
        }
        #expect(bytes == [1, 2, 3] && token != first)
        #expect(ring.inFlightCount == 0)
        expectHeld(pipe.first, false)
    }

    @Test func theOldTokenNamesNothing() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let old = try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1)
        try write(1, to: pipe.second)
        try ring.prepareAgain(ring.nextCompletionWaiting(), as: Read<Buffer>.self) { _, _ in }
        let outcome = try ring.run(Cancel(old), tag: 2).result.get()
        #expect(outcome == .notFound)
        try write(2, to: pipe.second)
        let completed = try ring.nextCompletionWaiting().take(Read<Buffer>.self)
        #expect(completed.operation.memory.copyBytes() == [2])
    }

    @Test func aBoxedOperationAndItsDataStayInPlace() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        try ring.prepare(BoxedNop(ledger.life()), tag: 1)
        try ring.prepare(DataNop(ledger.life()), tag: 2)
        var counts = [0, 0]
        for _ in 0..<100 {
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == 1 {
                try ring.prepareAgain(completion, as: BoxedNop.self) { operation, _ in
                    #expect(operation.number == 0)
                    counts[0] += 1
                }
            } else {
                try ring.prepareAgain(completion, as: DataNop.self) { operation, _ in
                    #expect(operation.number == 1)
                    counts[1] += 1
                }
            }
        }
        #expect(counts == [50, 50] && ledger.aliveCount == 2 && ring.inFlightCount == 2)
        drop(ring)
        #expect(ledger.isSettled)
    }

    @Test func anOperationWhoseChangeThrowsIsDropped() throws {
        struct Stop: Error {}
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        for operation in 0..<2 {
            try ring.prepare(BoxedNop(ledger.life()), tag: operation)
            let completion = try ring.nextCompletionWaiting()
            var thrown = false
            do {
                try ring.prepareAgain(completion, as: BoxedNop.self) { _, _ in throw Stop() }
            } catch is Stop {
                thrown = true
            }
            #expect(thrown && ledger.isSettled && ring.inFlightCount == 0 && ring.core.table.usedCount == 0)
        }
    }

    @Test func withoutRoomItThrowsAndDropsTheOperation() throws {
        var options = RingOptions.recommended
        options.submitsWhenFull = false
        var ring = try Ring<Int>(entries: 2, options: options)
        let ledger = Ledger()
        try ring.prepare(InlineNop(ledger.life()), tag: 1)
        let completion = try ring.nextCompletionWaiting()
        for _ in 0..<2 { try ring.prepare(Nop(), tag: 2) }
        var error: Errno?
        do {
            try ring.prepareAgain(completion, as: InlineNop.self) { _, _ in Issue.record("there is no room") }
        } catch let errno as Errno {
            error = errno
        }
        #expect(error == .resourceTemporarilyUnavailable && ledger.isSettled && ring.inFlightCount == 2)
    }

    @Test func aMultishotThatHasEndedGoesOn() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        let events = try EventCounter()
        let token = try ring.prepare(WatchEvents(events, ledger.life()), tag: 5)
        try ring.submit()
        _ = try ring.run(CancelOther(AnyToken(token)), tag: 6)
        let last = try ring.nextCompletionWaiting()
        #expect(last.tag == 5)
        var ending: Errno?
        try ring.prepareAgain(last, as: WatchEvents.self) { _, result in
            if case .failure(let errno) = result { ending = errno }
        }
        #expect(ending == .canceled)
        try events.add()
        let event = try ring.nextCompletionWaiting().event(WatchEvents.self).expectMore()
        #expect(event == 1)
        drop(ring)
        #expect(ledger.isSettled && !events.descriptor.isHeld)
    }

    @Test func aReadPreparedAgainIsDroppedWithItsRing() throws {
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 8)), tag: 1)
            try write(1, to: pipe.second)
            try ring.prepareAgain(ring.nextCompletionWaiting(), as: Read<CountedMemory>.self) { _, _ in }
            try ring.submit()
            #expect(ring.inFlightCount == 1 && ledger.aliveCount == 1)
            expectHeld(pipe.first)
        }
        #expect(ledger.isSettled)
        expectHeld(pipe.first, false)
    }

    @Test func trapsOnMisuse() async {
        expectSentence(
            "This completion is of a Nop, not of a Read<Buffer>",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                try ring.prepare(Nop(), tag: 0)
                try ring.prepareAgain(ring.nextCompletionWaiting(), as: Read<Buffer>.self) { _, _ in }
            })
        expectSentence(
            "This completion is of another ring.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var other = try Ring<Int>(entries: 8)
                try ring.prepare(Nop(), tag: 0)
                try other.prepareAgain(ring.nextCompletionWaiting(), as: Nop.self) { _, _ in }
            })
        expectSentence(
            "More completions of this operation are to come",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let events = try EventCounter()
                try ring.prepare(WatchEvents(events, Ledger().life()), tag: 0)
                try ring.submit()
                try events.add()
                try ring.prepareAgain(ring.nextCompletionWaiting(), as: WatchEvents.self) { _, _ in }
            })
        expectSentence(
            "Take or drop the earlier completions of a multishot operation before its last one.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let events = try EventCounter()
                let token = try ring.prepare(WatchEvents(events, Ledger().life()), tag: 5)
                try ring.submit()
                try events.add()
                let first = try ring.nextCompletionWaiting()
                try ring.prepare(CancelOther(AnyToken(token)), tag: 6)
                var last = try ring.nextCompletionWaiting()
                if last.tag == 6 { last = try ring.nextCompletionWaiting() }
                try ring.prepareAgain(last, as: WatchEvents.self) { _, _ in }
                _ = first
            })
    }
}
