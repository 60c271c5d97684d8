// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct PrepareOptionsTests {
    @Test func theyAreInTheEntry() throws {
        var ring = try Ring<Int>(entries: 8)
        let personality = PersonalityIdentifier(rawValue: 7, ringIdentity: ring.core.table.identity)
        let options = PrepareOptions(drains: true, isAsynchronous: true, personality: personality)
        try ring.prepare(Nop(), tag: 0, options: options)
        try ring.prepare(Nop(), tag: 1, options: .none)
        try ring.prepare(Nop(), tag: 2, timeout: .after(.seconds(1)), options: .asynchronous)
        let entries = (0..<4).map { unsafe ring.core.submissions.entry(at: $0).pointee }
        #expect(entries.map(\.flags) == [CURING_SQE_IO_DRAIN | CURING_SQE_ASYNC, 0, CURING_SQE_IO_LINK | CURING_SQE_ASYNC, 0])
        #expect(entries.map(\.personality) == [7, 0, 0, 0])
    }

    @Test(arguments: [RingKind.plain, .deferred, .polled]) func aDrainWaitsForAllBeforeItAndHoldsUpAllAfterIt(kind: RingKind) throws {
        try withRing(kind) { ring in
            let pipe = try DescriptorPair.pipe()
            try ring.prepare(Poll(pipe.first, for: .input), tag: 0)
            try ring.prepare(Nop(), tag: 1, options: .drain)
            try ring.prepare(Nop(), tag: 2)
            try ring.submit()
            try ring.expectNoCompletion()
            try write(1, to: pipe.second)
            for expected in 0..<3 {
                let tag = try ring.nextCompletionWaiting().tag
                #expect(tag == expected)
            }
        }
    }

    @Test func aDrainInAChainHoldsUpTheWholeChain() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Poll(pipe.first, for: .input), tag: 0)
        try ring.link { chain in
            try chain.prepare(Nop(), tag: 1)
            try chain.prepare(Nop(), tag: 2, options: .drain)
        }
        try ring.submit()
        try ring.expectNoCompletion()
        try write(1, to: pipe.second)
        for expected in 0..<3 {
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == expected)
        }
    }

    /// P12.
    @Test func aCancelBehindADrainIsHeldUpAndASynchronousOneIsNot() throws {
        var ring = try Ring<Int>(entries: 8)
        let counter = try EventCounter()
        let armed = try ring.prepare(PollMultishot(counter, for: .input), tag: 0)
        try ring.prepare(Nop(), tag: 1, options: .drain)
        try ring.prepare(Cancel(armed), tag: 2)
        try ring.submit()
        try ring.expectNoCompletion()
        let outcome = try ring.cancel(armed)
        #expect(outcome == .found)
        let ended = try ring.nextCompletionWaiting().event(PollMultishot.self).expectFinished()
        #expect(ended.ending == .cancelled)
        let drained = try ring.nextCompletionWaiting().tag
        #expect(drained == 1)
        let late = try ring.nextCompletionWaiting().take(Cancel.self).result.get()
        #expect(late == .notFound)
    }

    @Test func anAsynchronousOperationIsNotDoneByTheThreadThatSubmits() throws {
        // What a worker has done is seen under deferred task run only when the thread asks for it.
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Nop(), tag: 0)
        try ring.submit()
        #expect(ring.readyCount == 1)
        try ring.prepare(Nop(), tag: 1, options: .asynchronous)
        try ring.submit()
        #expect(ring.readyCount == 1)
        for expected in 0..<2 {
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == expected)
        }
    }

    // MARK: Skipping the completion

    @Test(arguments: [RingKind.plain, .deferred, .polled]) func aSkippedSuccessGivesNoCompletion(kind: RingKind) throws {
        try withRing(kind, entries: 4) { ring in
            for _ in 0..<20 { try ring.prepareSkippingSuccess(Nop()) }
            #expect(ring.inFlightCount == 0)
            try ring.prepare(Nop(), tag: 1)
            #expect(ring.inFlightCount == 1)
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == 1)
            try ring.expectNoCompletion()
            #expect(ring.inFlightCount == 0 && ring.unreportedFailureCount == 0)
            #expect(ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
        }
    }

    @Test func anOperationThatOwnsSomethingTraps() async {
        expectSentence(
            "An operation that owns something has to come back; prepare it with a tag.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                try ring.prepareSkippingSuccess(InlineNop(Ledger().life()))
            })
    }

    @Test func aFailureIsCounted() throws {
        var ring = try Ring<Int>(entries: 8)
        let ended = try ring.prepare(Nop(), tag: 0)
        _ = try ring.nextCompletionWaiting()
        for _ in 0..<3 { try ring.prepareSkippingSuccess(Cancel(ended)) }
        try ring.prepareSkippingSuccess(Nop())
        try ring.prepare(Nop(), tag: 1)
        let tag = try ring.nextCompletionWaiting().tag
        #expect(tag == 1)
        #expect(ring.unreportedFailureCount == 3)
        #expect(ring.inFlightCount == 0 && ring.staleCompletionCount == 0 && ring.foreignCompletionCount == 0)
    }

    @Test func itDoesWhatItIsFor() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let waiting = try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 1)
        try ring.submit()
        try ring.prepareSkippingSuccess(Cancel(waiting))
        let completed = try ring.nextCompletionWaiting().take(waiting)
        #expect(completed.entry.errno == .canceled)
        try ring.expectNoCompletion()
    }

    @Test(arguments: [false, true]) func aRingIsDroppedWithSuchEntries(isSubmitted: Bool) throws {
        let ledger = Ledger()
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Read(pipe.first, into: CountedMemory(ledger, byteCapacity: 8)), tag: 1)
        for _ in 0..<3 { try ring.prepareSkippingSuccess(Nop()) }
        if isSubmitted { try ring.submit() }
        #expect(ring.inFlightCount == 1)
        let leftovers = ring.close(deadline: .seconds(5))
        #expect(leftovers.isEmpty)
        #expect(ledger.isSettled)
    }

    @Test func trap7ADrainAfterASkippedCompletionIsRefused() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        try ring.prepareSkippingSuccess(Nop())
        #expect(throws: Errno.notSupported) { try ring.prepare(BoxedNop(ledger.life()), tag: 0, options: .drain) }
        #expect(throws: Errno.notSupported) {
            try ring.prepare(BoxedNop(ledger.life()), tag: 0, timeout: .after(.seconds(1)), options: .drain)
        }
        #expect(throws: ChainError.failed(.notSupported)) {
            try ring.link { chain in try chain.prepare(BoxedNop(ledger.life()), tag: 0, options: .drain) }
        }
        #expect(ledger.bornCount == 3 && ledger.isSettled)
        #expect(ring.inFlightCount == 0)
        // What the kernel says.
        var entry = RawEntry(.nop)
        entry.flags = CURING_SQE_IO_DRAIN
        let refused = try unsafe ring.run(RawOperation(entry)).entry.errno
        #expect(refused == .notSupported)
    }

    @Test func aDrainThatWaitsAlreadyIsNotDisturbedByASkippedCompletion() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Poll(pipe.first, for: .input), tag: 0)
        try ring.prepare(Nop(), tag: 1, options: .drain)
        try ring.submit()
        try ring.prepareSkippingSuccess(Nop())
        try ring.submit()
        try ring.expectNoCompletion()
        try write(1, to: pipe.second)
        for expected in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == expected)
            #expect(completion.entry.errno == nil)
        }
    }

    // MARK: Personalities

    @Test func anUnregisteredPersonalityIsAnError() throws {
        var ring = try Ring<Int>(entries: 8)
        let personality = try ring.registerPersonality()
        let options = PrepareOptions.personality(personality)
        try ring.prepare(Nop(), tag: 0, options: options)
        let registered = try ring.nextCompletionWaiting().entry.errno
        #expect(registered == nil)
        drop(personality)
        try ring.prepare(Nop(), tag: 0, options: options)
        let dropped = try ring.nextCompletionWaiting().entry.errno
        #expect(dropped == .invalidArgument)
    }

    /// The other ring has credentials under the same number.
    @Test func anotherRingsPersonalityTraps() async {
        let sentence =
            "These credentials are registered with another ring; prepare an operation with them on the ring that registered them."
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var other = try Ring<Int>(entries: 8)
                let personality = try ring.registerPersonality()
                let others = try other.registerPersonality()
                try other.prepare(Nop(), tag: 0, options: .personality(personality))
                drop(others)
            })
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var other = try Ring<Int>(entries: 8)
                let personality = try ring.registerPersonality()
                try other.link { chain in _ = try chain.prepare(Nop(), tag: 0, options: .personality(personality)) }
            })
    }

    @Test func aPersonalityMayOutliveItsRing() throws {
        var ring = try Ring<Int>(entries: 8)
        let personality = try ring.registerPersonality()
        ring.close()
        drop(personality)
    }

    /// Registered as the superuser, used as nobody.
    @Test(.enabled(if: geteuid() == 0, "needs a superuser to begin with")) func anOperationIsCarriedOutWithTheRegisteredCredentials() async
    {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            drop(try directory.open("secret"))
            let path = directory.path.appending("secret")
            var ring = try Ring<Int>(entries: 8)
            let personality = try ring.registerPersonality()
            guard seteuid(65534) == 0 else { exit(2) }
            let refused = try ring.run(OpenAt(path)).entry.errno
            guard refused == .permissionDenied else { exit(3) }
            try ring.prepare(OpenAt(path), tag: 0, options: .personality(personality))
            let opened = try ring.nextCompletionWaiting().take(OpenAt<Descriptor>.self).entry.errno
            guard seteuid(0) == 0, opened == nil else { exit(4) }
        }
    }
}

// What anybody could write.
extension InlineNop: SkippableOperation {}
