// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct CompletionTests {
    @Test func knowsWhatItIsOf() throws {
        var ring = try Ring<Int>(entries: 8)
        let events = try EventCounter()
        let ledger = Ledger()
        try ring.prepare(Nop(), tag: 1)
        try ring.prepare(Read(events, into: Buffer(byteCapacity: 8)), tag: 2)
        try ring.submit()
        try events.add()
        let first = try ring.nextCompletionWaiting()
        let second = try ring.nextCompletionWaiting()
        try ring.prepare(Read(events, into: CountedMemory(ledger, byteCapacity: 8)), tag: 3)
        try ring.submit()
        try events.add()
        let third = try ring.nextCompletionWaiting()
        #expect(first.tag == 1 && first.is(Nop.self) && !first.is(Read<Buffer>.self) && !first.is(Read<CountedMemory>.self))
        #expect(second.tag == 2 && second.is(Read<Buffer>.self) && !second.is(Nop.self) && !second.is(Write<Buffer>.self))
        #expect(third.tag == 3 && third.is(Read<CountedMemory>.self) && !third.is(Read<Buffer>.self) && !third.is(Nop.self))
        #expect(!first.hasMore && !second.hasMore && !third.hasMore)
        let read = second.take(Read<Buffer>.self)
        #expect(read.result == .success(8))
        drop(third.take(Read<CountedMemory>.self))
        #expect(ledger.isSettled)
    }

    @Test func anEntryIsShownWithItsErrorAndFlags() {
        #expect("\(CompletionEntry(result: 11))" == "result 11, flags 0x0")
        #expect("\(CompletionEntry(result: -EINVAL, flags: [.more, .notification]))" == "result -22 (Invalid argument), flags 0xa")
    }

    @Test func takingTheWrongTypeTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Nop(), tag: 0)
            _ = try ring.nextCompletionWaiting().take(Read<Buffer>.self)
        }
        expectSentence("This completion is of a Nop, not of a Read<Buffer>; switch over its tag, or ask is(_:) first.", of: result)
    }

    @Test func takingAnEventOfTheWrongTypeTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Nop(), tag: 0)
            _ = try ring.nextCompletionWaiting().event(WatchEvents.self)
        }
        expectSentence("This completion is of a Nop, not of a WatchEvents", of: result)
    }

    @Test func anotherOperationsTokenTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            let events = try EventCounter()
            let pending = try ring.prepare(Read(events, into: Buffer(byteCapacity: 8)), tag: 0)
            try ring.submit()
            try ring.prepare(Read(UnownedDescriptor(FileDescriptor(rawValue: 9999)), into: Buffer(byteCapacity: 8)), tag: 0)
            _ = try ring.nextCompletionWaiting().take(pending)
        }
        expectSentence("This completion is of another operation than the token's.", of: result)
    }

    /// A token is kept while its slot is used so often that its generations begin anew.
    @Test func aTokenOfLongAgoThatNamesAnotherTypeTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            let token = Token<Read<Buffer>>(any: try ring.prepare(Nop(), tag: 0).any)
            _ = try ring.nextCompletionWaiting().take(token)
        }
        expectSentence("This completion is of a Nop, not of a Read<Buffer>; switch over its tag, or ask is(_:) first.", of: result)
    }

    @Test func anotherRingsTokenTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            var other = try Ring<Int>(entries: 8)
            try ring.prepare(Nop(), tag: 0)
            let foreign = try other.prepare(Nop(), tag: 0)
            _ = try ring.nextCompletionWaiting().take(foreign)
        }
        expectSentence("This completion is of another operation than the token's.", of: result)
    }

    @Test func cancellingThroughAnotherRingTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            var other = try Ring<Int>(entries: 8)
            let foreign = try other.prepare(Nop(), tag: 0)
            try ring.prepare(CancelOther(AnyToken(foreign)), tag: 0)
        }
        expectSentence("This token belongs to another ring", of: result)
    }

    @Test func aTokenOfAnOperationThatHasEndedNamesNothing() throws {
        var ring = try Ring<Int>(entries: 8)
        let events = try EventCounter()
        let ended = try ring.prepare(Nop(), tag: 0)
        _ = try ring.nextCompletionWaiting().take(ended)
        // It gets the same slot.
        try ring.prepare(Read(events, into: Buffer(byteCapacity: 8)), tag: 1)
        let cancelled = try ring.run(CancelOther(AnyToken(ended)), tag: 2)
        #expect(cancelled.entry.errno == .noSuchFileOrDirectory)
        #expect(ring.inFlightCount == 1)
        try events.add()
        let read = try ring.nextCompletionWaiting().take(Read<Buffer>.self)
        #expect(read.result == .success(8))
    }

    @Test func aMultishotGoesOnAndComesBack() throws {
        var ring = try Ring<Int>(entries: 8)
        let events = try EventCounter()
        let ledger = Ledger()
        let token = try ring.prepare(WatchEvents(events, ledger.life()), tag: 5)
        try ring.submit()
        for _ in 0..<3 {
            try events.add()
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == 5)
            switch completion.event(WatchEvents.self) {
            case .more(let result): #expect(result == .success(1))
            case .finished: Issue.record("it goes on")
            }
        }
        #expect(ring.inFlightCount == 1)
        try ring.prepare(CancelOther(AnyToken(token)), tag: 6)
        var hasFinished = false
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            guard completion.tag == 5 else { continue }
            switch completion.event(WatchEvents.self) {
            case .more: Issue.record("it has ended")
            case .finished(let completed):
                hasFinished = true
                #expect(completed.ending == .cancelled)
                #expect(ledger.aliveCount == 1)
            }
        }
        #expect(hasFinished)
        #expect(ledger.isSettled)
    }

    /// In which order a multishot's completions are let go: two with more to come, and the last.
    enum DropOrder: CaseIterable {
        case firstToLast, lastToFirst, lastInTheMiddle
    }

    @Test(arguments: DropOrder.allCases, [false, true]) func completionsAreDroppedInAnyOrder(order: DropOrder, ringGoesFirst: Bool) throws {
        let events = try EventCounter()
        let ledger = Ledger()
        do {
            var ring: Ring<Int>? = try Ring<Int>(entries: 8)
            let token = try #require(try ring?.prepare(WatchEvents(events, ledger.life()), tag: 5))
            try ring?.submit()
            try events.add()
            var first = try ring?.nextCompletionWaiting()
            try events.add()
            var second = try ring?.nextCompletionWaiting()
            try ring?.prepare(CancelOther(AnyToken(token)), tag: 6)
            var last = try ring?.nextCompletionWaiting()
            if last?.tag == 6 { last = try ring?.nextCompletionWaiting() } else { _ = try ring?.nextCompletionWaiting() }
            let (hadMore, isLast) = (first?.hasMore == true && second?.hasMore == true, last?.hasMore == false)
            #expect(hadMore && isLast)
            if ringGoesFirst { ring = nil }
            #expect(ledger.aliveCount == 1 && events.descriptor.isHeld)
            switch order {
            case .firstToLast:
                first = nil
                second = nil
                #expect(ledger.aliveCount == 1)
                last = nil
            case .lastToFirst:
                last = nil
                second = nil
                #expect(ledger.aliveCount == 1)
                first = nil
            case .lastInTheMiddle:
                first = nil
                last = nil
                #expect(ledger.aliveCount == 1)
                second = nil
            }
            #expect(ledger.isSettled && !events.descriptor.isHeld)
            if ring != nil {
                let result = try ring?.run(Nop(), tag: 1).entry.result
                #expect(result == 0)
            }
        }
    }

    @Test func anEarlierEventCanBeTakenAfterTheLastWasDropped() throws {
        var ring = try Ring<Int>(entries: 8)
        let events = try EventCounter()
        let ledger = Ledger()
        let token = try ring.prepare(WatchEvents(events, ledger.life()), tag: 5)
        try ring.submit()
        try events.add()
        let first = try ring.nextCompletionWaiting()
        try ring.prepare(CancelOther(AnyToken(token)), tag: 6)
        for _ in 0..<2 { _ = try ring.nextCompletionWaiting() }
        #expect(ledger.aliveCount == 1)
        switch first.event(WatchEvents.self) {
        case .more(let result): #expect(result == .success(1))
        case .finished: Issue.record("the last was another one")
        }
        #expect(ledger.isSettled)
        #expect(ring.inFlightCount == 0)
    }

    @Test func takingTheLastWhileAnEarlierOneIsOutTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            let events = try EventCounter()
            let token = try ring.prepare(WatchEvents(events, Ledger().life()), tag: 5)
            try ring.submit()
            try events.add()
            let first = try ring.nextCompletionWaiting()
            try ring.prepare(CancelOther(AnyToken(token)), tag: 6)
            var last = try ring.nextCompletionWaiting()
            if last.tag == 6 { last = try ring.nextCompletionWaiting() }
            _ = last.event(WatchEvents.self)
            _ = first
        }
        expectSentence("Take or drop the earlier completions of a multishot operation before its last one.", of: result)
    }

    @Test func completionsOutliveTheRing() throws {
        let ledger = Ledger()
        var taken: Completion<Int>?
        var dropped: Completion<Int>?
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(BoxedNop(ledger.life()), tag: 1)
            try ring.prepare(BoxedNop(ledger.life()), tag: 2)
            taken = try ring.nextCompletionWaiting()
            dropped = try ring.nextCompletionWaiting()
        }
        #expect(ledger.aliveCount == 2)
        dropped = nil
        #expect(ledger.aliveCount == 1)
        let number = taken.take()?.take(BoxedNop.self).operation.number
        #expect(number == 0)
        #expect(dropped == nil && ledger.isSettled)
    }

    @Test func anOperationIsArmedAgainInItsBox() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        var operation = BoxedNop(ledger.life())
        for _ in 0..<100 {
            let completed = try ring.run(operation)
            #expect(completed.operation.number == 0)
            operation = completed.operation
        }
        _ = consume operation
        #expect(ledger.bornCount == 1 && ledger.isSettled)
    }

    @Test func kernelDataIsStillThereAtTheEnd() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        for number in 0..<50 {
            let completed = try ring.run(DataNop(ledger.life()))
            #expect(completed.operation.number == number)
        }
        #expect(ledger.bornCount == 50 && ledger.isSettled)
    }
}
