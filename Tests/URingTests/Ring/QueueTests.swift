// SPDX-License-Identifier: Apache-2.0

import CURing
import Testing

@testable import URing

/// Memory that stands in for a mapped ring, with its counters where a test wants them.
@safe private struct StandInRing: ~Copyable {
    static let entryCount: UInt32 = 8
    let words = UnsafeMutablePointer<UInt32>.allocate(capacity: 5)
    let submissions = UnsafeMutablePointer<curing_sqe>.allocate(capacity: 8)
    let completions = UnsafeMutablePointer<curing_cqe>.allocate(capacity: 8)

    init(startingAt start: UInt32) {
        unsafe words.initialize(repeating: start, count: 4)
        unsafe (words + 4).initialize(to: 0)
        unsafe submissions.initialize(repeating: curing_sqe(), count: 8)
        unsafe completions.initialize(repeating: curing_cqe(), count: 8)
    }

    deinit {
        unsafe words.deallocate()
        unsafe submissions.deallocate()
        unsafe completions.deallocate()
    }

    @safe var ring: curing_ring {
        var ring = unsafe curing_ring()
        unsafe ring.sq_head = words
        unsafe ring.sq_tail = words + 1
        unsafe ring.cq_head = words + 2
        unsafe ring.cq_tail = words + 3
        unsafe ring.sq_flags = words + 4
        unsafe ring.sqes = submissions
        unsafe ring.cqes = completions
        unsafe ring.sq_entries = StandInRing.entryCount
        unsafe ring.cq_entries = StandInRing.entryCount
        unsafe ring.sq_mask = StandInRing.entryCount - 1
        unsafe ring.cq_mask = StandInRing.entryCount - 1
        return unsafe ring
    }

    /// Consumes entries as the kernel does; their user data.
    func consume(_ count: UInt32) -> [UInt64] {
        (0..<count).map { _ in
            let head = unsafe words[0]
            let userData = unsafe submissions[Int(head & 7)].user_data
            unsafe words[0] = head &+ 1
            return userData
        }
    }

    /// Posts a completion as the kernel does.
    func post(_ userData: UInt64, flags: UInt32 = 0) {
        let tail = unsafe words[3]
        unsafe completions[Int(tail & 7)] = curing_cqe(user_data: userData, res: Int32(truncatingIfNeeded: userData), flags: flags)
        unsafe words[3] = tail &+ 1
    }
}

/// The queues alone, in memory that no kernel looks at, with counters close to their wrap.
@Suite struct QueueTests {
    @Test(arguments: [0, 5, .max - 100, .max - 7, .max] as [UInt32])
    func submissionsGoAcrossTheWrap(start: UInt32) {
        let standIn = StandInRing(startingAt: start)
        var queue = unsafe SubmissionQueue(standIn.ring)
        var random = SeededGenerator(seed: UInt64(start))
        var prepared: UInt64 = 0
        var consumed: UInt64 = 0
        var published: UInt64 = 0
        for _ in 0..<1000 {
            #expect(UInt64(queue.room) == 8 - (prepared - consumed))
            for _ in 0..<Int.random(in: 0...9, using: &random) {
                guard queue.hasRoom() else { break }
                let entry = unsafe queue.nextEntry()
                #expect(unsafe entry.pointee.user_data == 0)
                unsafe entry.pointee.user_data = prepared + 1
                queue.advance()
                prepared += 1
            }
            #expect(queue.hasRoom() == (prepared - consumed < 8))
            #expect(queue.unpublishedUserData == (published..<prepared).map { $0 + 1 })
            let visible = queue.publish()
            published = prepared
            #expect(UInt64(visible) == published - consumed)
            #expect(queue.unpublishedUserData.isEmpty)
            let count = UInt32.random(in: 0...visible, using: &random)
            #expect(standIn.consume(count) == (0..<UInt64(count)).map { consumed + $0 + 1 })
            consumed += UInt64(count)
        }
        #expect(prepared > 1000)
    }

    @Test(arguments: [0, .max - 2, .max] as [UInt32])
    func withdrawnEntriesWereNeverThere(start: UInt32) {
        let standIn = StandInRing(startingAt: start)
        var queue = unsafe SubmissionQueue(standIn.ring)
        for number in 1...6 as ClosedRange<UInt64> {
            unsafe queue.nextReservedEntry().pointee.user_data = number
            queue.advance()
            if number == 2 { #expect(queue.publish() == 2) }
        }
        #expect(queue.unpublishedUserData == [3, 4, 5, 6])
        queue.withdrawUnpublished()
        #expect(queue.unpublishedUserData.isEmpty)
        #expect(queue.publish() == 2)
        // Their places are free again, up to those that the kernel has not consumed.
        for number in 7...12 as ClosedRange<UInt64> {
            unsafe queue.nextReservedEntry().pointee.user_data = number
            queue.advance()
        }
        #expect(!queue.hasRoom() && queue.publish() == 8)
        #expect(standIn.consume(8) == [1, 2, 7, 8, 9, 10, 11, 12])
        #expect(queue.hasRoom() && queue.room == 8)
    }

    @Test(arguments: [0, 5, .max - 7, .max] as [UInt32])
    func allPlacesAreFreeWhenAllIsConsumed(start: UInt32) {
        let standIn = StandInRing(startingAt: start)
        var queue = unsafe SubmissionQueue(standIn.ring)
        for round in 0..<20 as Range<UInt64> {
            // A queue that is full ends with its memory now and then, so every kind of end is met.
            for number in 0..<(1 + round % 8) {
                unsafe queue.nextReservedEntry().pointee.user_data = number + 1
                queue.advance()
            }
            let count = queue.publish()
            #expect(standIn.consume(count) == (1...(1 + round % 8)).map { $0 })
            queue.noteAllConsumed()
            #expect(queue.room == 8)
        }
        for number in 1...8 as ClosedRange<UInt64> {
            guard queue.hasRoom() else { break }
            unsafe queue.nextEntry().pointee.user_data = number
            queue.advance()
        }
        #expect(!queue.hasRoom() && queue.unpublishedUserData == Array(1...8))
    }

    @Test(arguments: [0, 5, .max - 100, .max - 7, .max] as [UInt32])
    func completionsComeAcrossTheWrap(start: UInt32) {
        let standIn = StandInRing(startingAt: start)
        var queue = unsafe CompletionQueue(standIn.ring)
        var random = SeededGenerator(seed: UInt64(start))
        var posted: UInt64 = 0
        var read: UInt64 = 0
        for _ in 0..<1000 {
            for _ in 0..<Int.random(in: 0...8 - Int(posted - read), using: &random) {
                posted += 1
                standIn.post(posted)
            }
            #expect(UInt64(queue.readyCount) == posted - read)
            for _ in 0..<Int.random(in: 0...9, using: &random) {
                guard let completion = queue.next() else {
                    #expect(read == posted)
                    break
                }
                read += 1
                #expect(completion.userData == read && completion.entry.result == Int32(read))
            }
            #expect(unsafe standIn.words[2] == start &+ UInt32(read))
        }
        #expect(read > 1000)
    }

    @Test(arguments: [0, 5, .max - 100, .max - 7, .max] as [UInt32])
    func whatIsInFlightIsCountedAcrossTheWrap(start: UInt32) {
        let standIn = StandInRing(startingAt: start)
        var submissions = unsafe SubmissionQueue(standIn.ring)
        var completions = unsafe CompletionQueue(standIn.ring)
        for round in 1...100 as ClosedRange<UInt64> {
            for inFlight in 1...8 {
                unsafe submissions.nextReservedEntry().pointee.user_data = round
                submissions.advance()
                #expect(submissions.inFlightCount(completions) == inFlight)
            }
            #expect(standIn.consume(submissions.publish()).count == 8)
            for inFlight in (0..<8).reversed() {
                standIn.post(round)
                #expect(completions.next()?.userData == round)
                #expect(submissions.inFlightCount(completions) == inFlight)
            }
            // A completion with more to come ends no entry.
            standIn.post(round)
            #expect(completions.next() != nil)
            completions.extraCount &+= 1
            #expect(submissions.inFlightCount(completions) == 0)
        }
    }

    // From the last one on, the entry ends at the queue's start, as it can when the queue was made smaller.
    @Test(arguments: [.max - 2, .max] as [UInt32])
    func fillersAreSkippedAndLargeEntriesTakeTwoPlaces(start: UInt32) {
        let standIn = StandInRing(startingAt: start)
        var queue = unsafe CompletionQueue(standIn.ring)
        standIn.post(1, flags: CURING_CQE_F_32)
        standIn.post(99)
        standIn.post(0, flags: CURING_CQE_F_SKIP)
        standIn.post(2)
        let first = queue.next()?.userData
        let second = queue.next()?.userData
        let third = queue.next()?.userData
        #expect(first == 1 && second == 2 && third == nil)
        #expect(queue.readyCount == 0)
    }
}
