// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import SystemPackage
import Testing

@testable import URing

@Suite struct NotificationTagTests {
    typealias Send = SendZeroCopy<CountedMemory>

    @Test func theNotificationHasATagOfItsOwn() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        let memory = CountedMemory(ledger, byteCapacity: 65536, filledWith: 3)
        try ring.prepare(SendZeroCopy(connection.sender, from: memory), tag: 1, notificationTag: 2)
        let first = try ring.nextCompletionWaiting()
        #expect(first.tag == 1 && first.hasMore)
        _ = try connection.drain(65536)
        let last = try ring.nextCompletionWaiting()
        // The result's is not touched by the notification.
        #expect(first.tag == 1 && last.tag == 2 && !last.hasMore)
        #expect(try first.event(Send.self).expectMore() == 65536)
        drop(try last.event(Send.self).expectFinished())
        #expect(ledger.isSettled && ring.inFlightCount == 0)
        // The slot's next operation has the tag that it is given.
        try ring.prepare(Nop(), tag: 3)
        #expect(try ring.nextCompletionWaiting().tag == 3)
    }

    @Test func anOnlyCompletionHasTheNotificationsTag() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        let refused = SendZeroCopy(pair.client, from: CountedMemory(ledger, byteCapacity: 10, filledWith: 1))
        try ring.prepare(RefusedSend(base: refused), tag: 1, notificationTag: 2)
        let only = try ring.nextCompletionWaiting()
        #expect(only.tag == 2 && !only.hasMore)
        drop(only)
        #expect(ledger.isSettled)
    }

    @Test func tagsOfAnySizeAndAlignmentArriveWhole() throws {
        try expectTags(false, true)
        try expectTags(7 as UInt8, 255)
        try expectTags(SIMD4<UInt64>(1, 2, 3, 4), SIMD4<UInt64>(5, 6, 7, 8))
    }

    private func expectTags<Tag: BitwiseCopyable & Equatable>(
        _ tag: Tag, _ notificationTag: Tag, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var ring = try Ring<Tag>(entries: 8)
        let pair = try TCPPair()
        for _ in 0..<3 {
            try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1, 2])), tag: tag, notificationTag: notificationTag)
            let first = try ring.nextCompletionWaiting()
            #expect(first.tag == tag, sourceLocation: sourceLocation)
            drop(first)
            let last = try ring.nextCompletionWaiting()
            #expect(last.tag == notificationTag, sourceLocation: sourceLocation)
            drop(last)
        }
    }

    @Test func nothingIsAllocatedAgainAndNothingLeftBehind() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            let pair = try TCPPair()
            var allocated: Int?
            for round in 0..<40 {
                var ring = try Ring<Int>(entries: 64)
                for tag in 0..<40 {
                    try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: tag, notificationTag: -tag)
                    if tag == 19 {
                        for _ in 0..<40 { drop(try ring.nextCompletionWaiting()) }
                    }
                }
                // The other half goes with the ring, which the kernel has not seen.
                drop(ring)
                _ = pair.server.receiveBounded(100)
                if round == 10 { allocated = test_allocated_byte_count() }
            }
            // The allocator may keep a little for itself.
            let limit = try #require(allocated) + 4096
            try #require(test_allocated_byte_count() < limit, "something was allocated and kept")
        }
        #expect(result != nil)
    }
}
