// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct PollTests {
    @Test func eventsHaveTheNumbersOfPollAndEpoll() {
        let poll: [(PollEvents, Int32)] = [
            (.input, POLLIN), (.priority, POLLPRI), (.output, POLLOUT), (.error, POLLERR), (.hangUp, POLLHUP), (.invalid, POLLNVAL),
            (.normalInput, POLLRDNORM), (.bandInput, POLLRDBAND), (.normalOutput, POLLWRNORM), (.bandOutput, POLLWRBAND),
        ]
        for (events, number) in poll { #expect(events.rawValue == UInt32(number)) }
        #expect(PollEvents.message.rawValue == REFERENCE_EPOLLMSG)
        #expect(PollEvents.readHangUp.rawValue == REFERENCE_EPOLLRDHUP)
        #expect(PollEvents.exclusive.rawValue == REFERENCE_EPOLLEXCLUSIVE)
    }

    private let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
    private let events: PollEvents = [.input, .priority, .readHangUp, .exclusive]
    private let token = AnyToken(userData: 0x1234_5678_9abc_def0, ringIdentity: 3)

    @Test func encodesPollsLikeLiburing() {
        unsafe expectEncoding(of: Poll(file, for: events)) { entry, _, _ in unsafe reference_prep_poll_add(entry, 7, events.rawValue) }
    }

    @Test func encodesMultishotsLikeLiburing() {
        unsafe expectEncoding(of: PollMultishot(file, for: events)) { entry, _, _ in
            unsafe reference_prep_poll_multishot(entry, 7, events.rawValue)
        }
    }

    @Test func encodesUpdatesLikeLiburing() {
        unsafe expectEncoding(of: PollUpdate(Token<Poll>(any: token), events: events), ringIdentity: 3) { entry, _, _ in
            unsafe reference_prep_poll_update(entry, token.userData, 0, events.rawValue, 2)
        }
        unsafe expectEncoding(of: PollUpdate(Token<PollMultishot>(any: token), events: events), ringIdentity: 3) { entry, _, _ in
            unsafe reference_prep_poll_update(entry, token.userData, 0, events.rawValue, 3)
        }
    }

    @Test func trap1NoLevelTriggeredPollIsTaken() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        for flags in [CURING_POLL_ADD_LEVEL, CURING_POLL_ADD_LEVEL | CURING_POLL_ADD_MULTI] {
            var level = RawEntry(.pollAdd)
            level.length = flags
            level.operationFlags = PollEvents.input.rawValue
            let errno = try unsafe ring.run(RawOperation(level, on: pipe.first, owning: ())).entry.errno
            #expect(errno == .invalidArgument)
        }
    }

    @Test func waitsUntilAPipeCanBeRead() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        try write(1, to: pipe.second)
        let events = try ring.nextCompletionWaiting().take(token).result.get()
        #expect(events == .input)
    }

    @Test func reportsAHangUpThatWasNotAskedFor() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Poll(pipe.first, for: []), tag: 1)
        try ring.submit()
        _ = try pipe.second.close()
        let events = try ring.nextCompletionWaiting().take(token).result.get()
        #expect(events == .hangUp)
    }

    @Test func failsOnADescriptorThatIsNotOpen() throws {
        var ring = try Ring<Int>(entries: 8)
        let nothing = UnownedDescriptor(FileDescriptor(rawValue: -1))
        let poll = try ring.run(Poll(nothing, for: .input)).entry.errno
        #expect(poll == .badFileDescriptor)
        try ring.prepare(PollMultishot(nothing, for: .input), tag: 0)
        guard case .finished(let completed) = try ring.nextCompletionWaiting().event(PollMultishot.self) else {
            Issue.record("a poll of nothing goes on")
            return
        }
        #expect(completed.ending == .failed(.badFileDescriptor))
    }

    @Test func aMultishotReportsEveryEvent() throws {
        let counter = try EventCounter()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(PollMultishot(counter, for: .input), tag: 7)
        try ring.submit()
        for _ in 0..<5 {
            try ring.expectNoCompletion()
            try counter.add()
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == 7)
            guard case .more(let result) = completion.event(PollMultishot.self) else {
                Issue.record("the poll ended")
                return
            }
            #expect(try result.get() == .input)
        }
        try ring.prepare(Cancel(token), tag: 8)
        try expectEnd(of: &ring, tag: 7, ending: .cancelled, request: 8)
    }

    @Test func anUpdateChangesWhatAnArmedPollReports() throws {
        // The poll waits for input, which never comes, and is told to wait for output, for which there is room already.
        let sockets = try DescriptorPair.sockets()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Poll(sockets.first, for: .input), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        try ring.prepare(PollUpdate(token, events: .output), tag: 2)
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 1 {
                #expect(try completion.take(token).result.get() == .output)
            } else {
                #expect(try completion.take(PollUpdate.self).result.get() == .found)
            }
        }
        #expect(seen == [1, 2])
    }

    @Test func anUpdateChangesWhatAMultishotReportsAndItGoesOn() throws {
        let sockets = try DescriptorPair.sockets()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(PollMultishot(sockets.first, for: .priority), tag: 1)
        try ring.submit()
        try write(1, to: sockets.second)
        try ring.expectNoCompletion()
        try ring.prepare(PollUpdate(token, events: .input), tag: 2)
        var updated = false
        var reported = 0
        while !updated || reported == 0 {
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == 2 {
                updated = try completion.take(PollUpdate.self).result.get() == .found
                #expect(updated)
            } else if case .more(let result) = completion.event(PollMultishot.self) {
                #expect(try result.get() == .input)
                reported += 1
            } else {
                Issue.record("the poll ended")
                return
            }
        }
        // It still is a multishot.
        try write(1, to: sockets.second)
        guard case .more(let result) = try ring.nextCompletionWaiting().event(PollMultishot.self) else {
            Issue.record("the poll ended")
            return
        }
        #expect(try result.get() == .input)
    }

    @Test func aRemovedPollEndsCancelled() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        try ring.submit()
        try ring.prepare(Cancel(token), tag: 2)
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 1 {
                #expect(completion.take(token).entry.errno == .canceled)
            } else {
                #expect(try completion.take(Cancel.self).result.get() == .found)
            }
        }
        #expect(seen == [1, 2])
    }

    @Test(arguments: [false, true]) func aPollIsReplacedByAnotherInOneGo(isHard: Bool) throws {
        let sockets = try DescriptorPair.sockets()
        var ring = try Ring<Int>(entries: 8)
        let old = try ring.prepare(Poll(sockets.first, for: .input), tag: 1)
        try ring.submit()
        // The second time there is nothing to remove: only a hard link arms the new poll all the same.
        for round in 0..<2 {
            try ring.chain(flag: isHard ? CURING_SQE_IO_HARDLINK : CURING_SQE_IO_LINK) { chain in
                try chain.prepare(Cancel(old), tag: 2)
                try chain.prepare(Poll(sockets.first, for: .output), tag: 3)
            }
            for _ in 0..<(round == 0 ? 3 : 2) {
                let completion = try ring.nextCompletionWaiting()
                switch completion.tag {
                case 1: #expect(completion.take(old).entry.errno == .canceled)
                case 2: #expect(try completion.take(Cancel.self).result.get() == (round == 0 ? .found : .notFound))
                default:
                    let armed = completion.take(Poll.self)
                    #expect(armed.cancelledByLink == (round == 1 && !isHard))
                    #expect((armed.entry.errno == nil) == (round == 0 || isHard))
                }
            }
            #expect(ring.inFlightCount == 0)
        }
    }

    @Test func aPollThatHasEndedIsNotFound() throws {
        let counter = try EventCounter()
        try counter.add()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Poll(counter, for: .input), tag: 1)
        let events = try ring.nextCompletionWaiting().take(token).result.get()
        #expect(events == .input)
        let removal = try ring.run(Cancel(token)).result.get()
        #expect(removal == .notFound)
        let update = try ring.run(PollUpdate(token, events: .output)).result.get()
        #expect(update == .notFound)
    }

    @Test func droppingTheRingLetsGoOfThePolledFiles() throws {
        // Readers at the other ends see the end of file only once nobody has the write ends open any more.
        let one = try DescriptorPair.pipe(isNonBlocking: true)
        let oneReader = one.first
        let oneEnd = one.second
        let other = try DescriptorPair.pipe(isNonBlocking: true)
        let otherReader = other.first
        let otherEnd = other.second
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Poll(oneEnd, for: []), tag: 1)
            try ring.prepare(PollMultishot(otherEnd, for: []), tag: 2)
            try ring.submit()
            try expectDeferred(closing: oneEnd)
            try expectDeferred(closing: otherEnd)
            #expect(readError(of: oneReader) == .resourceTemporarilyUnavailable)
            #expect(readError(of: otherReader) == .resourceTemporarilyUnavailable)
            let leftovers = ring.close()
            #expect(leftovers.isEmpty)
        }
        #expect(try readByte(from: oneReader) == nil)
        #expect(try readByte(from: otherReader) == nil)
    }

    /// Closes a descriptor that an operation holds, which therefore stays open.
    private func expectDeferred(closing file: consuming Descriptor) throws {
        let isClosed = try file.close()
        #expect(!isClosed)
    }

    /// The error of reading a byte, if there is one.
    private func readError(of file: borrowing Descriptor) -> Errno? {
        do {
            _ = try readByte(from: file)
            return nil
        } catch {
            return error as? Errno
        }
    }

    /// Expects a multishot poll's end and the answer to the request that ended it, in any order.
    private func expectEnd(of ring: inout Ring<Int>, tag: Int, ending: MultishotEnding, request: Int) throws {
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == request {
                #expect(try completion.take(Cancel.self).result.get() == .found)
            } else if case .finished(let completed) = completion.event(PollMultishot.self) {
                #expect(completed.ending == ending)
            } else {
                Issue.record("the poll goes on")
            }
        }
        #expect(seen == [tag, request])
    }
}
