// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import SystemPackage
import Testing

@testable import URing

@Suite struct CancelTests {
    @Test func encodesLikeLiburing() {
        let token = AnyToken(userData: 0x1234_5678_9abc_def0, ringIdentity: 3)
        unsafe expectEncoding(of: Cancel(token), ringIdentity: 3) { entry, _, _ in
            unsafe reference_prep_cancel64(entry, token.userData, 0)
        }
        unsafe expectEncoding(of: Cancel(Token<Nop>(any: token)), ringIdentity: 3) { entry, _, _ in
            unsafe reference_prep_cancel64(entry, token.userData, 0)
        }
    }

    @Test(arguments: [
        (Int32(0), Result<TargetOutcome, Errno>.success(.found)), (1, .success(.found)),
        (-Errno.noSuchFileOrDirectory.rawValue, .success(.notFound)), (-Errno.alreadyInProcess.rawValue, .success(.alreadyRunning)),
        (-Errno.invalidArgument.rawValue, .failure(.invalidArgument)),
    ]) func tellsItsOutcomeFromTheResult(result: Int32, outcome: Result<TargetOutcome, Errno>) {
        var cancel = Cancel(AnyToken(userData: 0, ringIdentity: 0))
        let actual = unsafe cancel.complete(CompletionEntry(result: result), kernelData: NoKernelData())
        #expect(actual == outcome)
    }

    @Test func givesBackTheBufferOfAReadThatWaited() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        var buffer = Buffer(byteCapacity: 64)
        buffer.append(repeating: 7, count: 3)
        let token = try ring.prepare(Read(pipe.first, into: buffer), tag: 1)
        try ring.submit()
        expectHeld(pipe.first)
        try ring.prepare(Cancel(token), tag: 2)
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 2 {
                #expect(try completion.take(Cancel.self).result.get() == .found)
            } else {
                let completed = completion.take(token)
                #expect(completed.entry.errno == .canceled)
                #expect(completed.operation.memory.copyBytes() == [7, 7, 7])
            }
        }
        #expect(seen == [1, 2])
        expectHeld(pipe.first, false)
    }

    @Test func doesNotFindWhatHasEnded() throws {
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Nop(), tag: 1)
        _ = try ring.nextCompletionWaiting().take(token)
        let outcome = try ring.run(Cancel(token)).result.get()
        #expect(outcome == .notFound)
        let untyped = try ring.run(Cancel(AnyToken(token))).result.get()
        #expect(untyped == .notFound)
    }

    @Test func endsAMultishot() throws {
        let counter = try EventCounter()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(PollMultishot(counter, for: .input), tag: 1)
        try ring.submit()
        try ring.prepare(Cancel(token), tag: 2)
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 1 {
                guard case .finished(let completed) = completion.event(PollMultishot.self) else {
                    Issue.record("the poll goes on")
                    return
                }
                #expect(completed.ending == .cancelled)
            }
        }
        #expect(seen == [1, 2])
    }

    @Test func aTokenOfAnotherRingTraps() async {
        expectSentence(
            "This token belongs to another ring; cancel or update an operation through the ring that prepared it.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var one = try Ring<Int>(entries: 8)
                var other = try Ring<Int>(entries: 8)
                let token = try one.prepare(Nop(), tag: 1)
                try other.prepare(Cancel(token), tag: 2)
            })
    }

    @Test func isDroppedWithItsRing() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 64)), tag: 1)
        try ring.submit()
        try ring.prepare(Cancel(token), tag: 2)
        try ring.submit()
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        expectHeld(pipe.first, false)
    }
}
