// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import SystemPackage
import Testing

@testable import URing

@Suite struct FutexTests {
    private let flags: UInt32 = 2 | 128

    @Test func encodesLikeLiburing() {
        let word = FutexWord(7)
        unsafe expectEncoding(of: FutexWait(word, while: 7, mask: 0xf0f0)) { entry, _, _ in
            unsafe reference_prep_futex_wait(entry, word.address, 7, 0xf0f0, flags, 0)
        }
        unsafe expectEncoding(of: FutexWake(word, count: 3, mask: 0x0f)) { entry, _, _ in
            unsafe reference_prep_futex_wake(entry, word.address, 3, 0x0f, flags, 0)
        }
        let vector = FutexVector([(word, 7), (FutexWord(), 0)])
        unsafe expectEncoding(of: FutexWaitVectored(vector)) { entry, payload, _ in
            unsafe reference_prep_futex_waitv(entry, payload.pointee.words.list, 2, 0)
        }
    }

    @Test func aWaitEndsWhenAThreadWakesIt() throws {
        var ring = try Ring<Int>(entries: 8)
        let word = FutexWord(1)
        try ring.prepare(FutexWait(word, while: 1), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        TestThread {
            word.value = 2
            #expect(word.wake() == 1)
        }.join()
        let completed = try ring.nextCompletionWaiting().take(FutexWait.self)
        #expect(completed.result == .success(.woken))
        #expect(word.value == 2)
        // Prepared again for the old number, it has nothing to wait for.
        let again = try ring.run(completed.operation, tag: 2)
        #expect(again.result == .success(.changed))
    }

    @Test func aRingWakesAThreadAndAnotherRing() throws {
        var ring = try Ring<Int>(entries: 8)
        let word = FutexWord()
        let outcome = Handed<FutexOutcome?>(nil)
        let hasBegun = FutexWord()
        let thread = TestThread {
            hasBegun.value = 1
            outcome.value = try? word.wait(while: 0, timeout: .seconds(60))
        }
        var woken = 0
        // The thread is about to wait, but may not yet.
        while woken == 0 { woken = try ring.run(FutexWake(word)).result.get() }
        thread.join()
        #expect(woken == 1 && outcome.value == .woken)

        var other = try Ring<Int>(entries: 8)
        for tag in 0..<5 { try other.prepare(FutexWait(word, while: 0), tag: tag) }
        try other.submit()
        let three = try ring.run(FutexWake(word, count: 3)).result.get()
        #expect(three == 3)
        var tags: Set<Int> = []
        for _ in 0..<3 { tags.insert(try other.nextCompletionWaiting().tag) }
        #expect(tags.count == 3)
        try other.expectNoCompletion()
        let rest = try ring.run(FutexWake(word, count: 100)).result.get()
        #expect(rest == 2)
    }

    @Test func onlyWakeUpsWithACommonBitCount() throws {
        var ring = try Ring<Int>(entries: 8)
        let word = FutexWord()
        try ring.prepare(FutexWait(word, while: 0, mask: 0b0110), tag: 1)
        try ring.submit()
        let none = try ring.run(FutexWake(word, count: 10, mask: 0b1001), tag: 2).result.get()
        #expect(none == 0)
        try ring.prepare(FutexWake(word, count: 10, mask: 0b0100), tag: 3)
        var tags: Set<Int> = []
        for _ in 0..<2 { tags.insert(try ring.nextCompletionWaiting().tag) }
        #expect(tags == [1, 3])
    }

    @Test func severalWordsAreWaitedForAtOnce() throws {
        var ring = try Ring<Int>(entries: 8)
        let words = (0..<128).map { FutexWord(UInt32($0)) }
        try ring.prepare(FutexWaitVectored(FutexVector(words.map { ($0, $0.value) })), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        #expect(words[100].wake() == 1)
        let completed = try ring.nextCompletionWaiting().take(FutexWaitVectored.self)
        #expect(completed.result == .success(.woken(index: 100)))
        #expect(completed.operation.words.count == 128 && completed.operation.words[100] === words[100])
        words[50].value = 1000
        var changed = try ring.run(completed.operation, tag: 2)
        #expect(changed.result == .success(.changed))
        changed.operation.words.setValue(1000, at: 50)
        try ring.prepare(changed.operation, tag: 3)
        try ring.submit()
        #expect(words[0].wake() == 1)
        let again = try ring.nextCompletionWaiting().take(FutexWaitVectored.self)
        #expect(again.result == .success(.woken(index: 0)))
    }

    @Test func aWaitHoldsUpTheRestOfItsChain() throws {
        var ring = try Ring<Int>(entries: 8)
        let word = FutexWord()
        try ring.link { chain in
            try chain.prepare(FutexWait(word, while: 0), tag: 1)
            try chain.prepare(Nop(), tag: 2)
        }
        try ring.submit()
        try ring.expectNoCompletion()
        #expect(word.wake() == 1)
        for expected in 1...2 {
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == expected)
        }
    }

    @Test func aCancelledWaitFails() throws {
        var ring = try Ring<Int>(entries: 8)
        let word = FutexWord()
        let token = try ring.prepare(FutexWait(word, while: 0), tag: 1)
        try ring.submit()
        try ring.prepare(Cancel(token), tag: 2)
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            switch completion.tag {
            case 1: #expect(completion.take(FutexWait.self).result == .failure(.canceled))
            default: #expect(completion.take(Cancel.self).result == .success(.found))
            }
        }
        #expect(word.wake() == 0)
    }

    @Test func waitsInFlightKeepTheirWordsUntilTheRingEnds() throws {
        var ring = try Ring<Int>(entries: 8)
        weak var first: FutexWord?
        weak var second: FutexWord?
        do {
            let words = [FutexWord(), FutexWord()]
            first = words[0]
            second = words[1]
            try ring.prepare(FutexWait(words[0], while: 0), tag: 1)
            try ring.prepare(FutexWaitVectored(FutexVector([(words[1], 0)])), tag: 2)
        }
        try ring.submit()
        #expect(first != nil && second != nil)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(first == nil && second == nil)
    }

    @Test func wordsAreAtomic() {
        let word = FutexWord()
        let threads = (0..<4).map { _ in
            TestThread {
                for _ in 0..<10_000 {
                    _ = word.wrappingAdd(1)
                    var seen = word.value
                    while true {
                        let original = word.compareExchange(expected: seen, desired: seen &+ 1)
                        if original == seen { break }
                        seen = original
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(word.value == 80_000)
        #expect(word.exchange(5) == 80_000)
        #expect(word.value == 5)
    }

    @Test func aThreadsWaitEndsWithTheTimeOrAtOnce() {
        let word = FutexWord(3)
        #expect(throws: Errno.timedOut) { try word.wait(while: 3, timeout: .milliseconds(5)) }
        #expect(throws: Never.self) {
            let outcome = try word.wait(while: 4)
            #expect(outcome == .changed)
        }
    }

    /// A counter that rings and threads take turns with: nobody's turn is lost.
    @Test func aRingAndAThreadTakeTurns() throws {
        let word = FutexWord()
        let turnCount: UInt32 = 20_000
        let thread = TestThread {
            do {
                while word.value < turnCount {
                    let turn = word.value
                    if turn % 2 == 0 {
                        try word.wait(while: turn, timeout: .seconds(60))
                    } else {
                        word.value = turn + 1
                        word.wake()
                    }
                }
            } catch {
                Issue.record(error)
            }
        }
        var ring = try Ring<Int>(entries: 8)
        while word.value < turnCount {
            let turn = word.value
            if turn % 2 == 0 {
                word.value = turn + 1
                _ = try ring.run(FutexWake(word)).result.get()
            } else {
                _ = try ring.run(FutexWait(word, while: turn)).result.get()
            }
        }
        word.wake()
        thread.join()
        #expect(word.value == turnCount)
    }

    @Test func wakingNobodyWakesNobody() throws {
        var ring = try Ring<Int>(entries: 8)
        let word = FutexWord()
        try ring.prepare(FutexWait(word, while: 0), tag: 1)
        try ring.submit()
        #expect(word.wake(count: 0) == 0)
        #expect(try ring.run(FutexWake(word, count: 0), tag: 2).result.get() == 0)
        try ring.expectNoCompletion()
        #expect(word.wake(count: 1) == 1)
    }

    @Test func aMaskWithoutABitTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(FutexWait(FutexWord(), while: 0, mask: 0), tag: 1)
        }
        expectSentence("A mask without a bit matches no wake-up.", of: result)
    }

    @Test func aCountThatCannotBeTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            FutexWord().wake(count: -1)
        }
        expectSentence("The number of those to wake is not negative, and less than 2^31.", of: result)
    }

    @Test(arguments: [0, 129]) func aNumberOfWordsTheKernelDoesNotTakeTraps(count: Int) async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [count] in
            _ = FutexVector((0..<count).map { _ in (FutexWord(), 0) })
        }
        expectSentence("The kernel waits for 1 to 128 words at once.", of: result)
    }

    /// The timeout has cancelled it, which the kernel says with another number than of other operations.
    @Test(arguments: RingKind.allCases) func aWaitWhoseTimeIsUpSaysSo(kind: RingKind) throws {
        try withRing(kind) { ring in
            try ring.prepare(FutexWait(FutexWord(1), while: 1), tag: 1, timeout: .after(.milliseconds(5)))
            try ring.prepare(FutexWaitVectored(FutexVector([(FutexWord(1), 1)])), tag: 2, timeout: .after(.milliseconds(5)))
            for _ in 0..<2 {
                let entry = try ring.nextCompletionWaiting().entry
                #expect(entry.errno == .canceled && entry.flags == .timedOut)
            }
            #expect(ring.inFlightCount == 0)
        }
    }

    @Test func aWordThatIsNotThereTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var vector = FutexVector([(FutexWord(), 0)])
            vector.setValue(1, at: 1)
        }
        expectSentence("There is no word with this index.", of: result)
    }
}
