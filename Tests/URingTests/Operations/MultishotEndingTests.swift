// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// Why multishot operations on pools and queues end; the endings that only one of them has are tested with it.
@Suite struct MultishotEndingTests {
    /// A ring with room for four completions.
    private func smallRing() throws -> Ring<Int> {
        var options = RingOptions.recommended
        options.completionQueueEntries = 4
        return try Ring<Int>(entries: 4, options: options)
    }

    /// Leaves no room in the completion queue, for an operation in flight.
    private func fill(_ ring: inout Ring<Int>) throws {
        try ring.submit()
        for _ in 0..<4 { try ring.prepare(Nop(), tag: 0) }
        try ring.submit()
    }

    /// Takes what the queue was filled with, and the next completion.
    private func nextCompletion(of ring: inout Ring<Int>) throws -> Completion<Int> {
        try ring.processPending()
        for _ in 0..<4 {
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == 0)
        }
        return try ring.nextCompletionWaiting()
    }

    @Test func aFullCompletionQueueEndsAReceiveWithItsResult() throws {
        var ring = try smallRing()
        let pool = try ring.makeBufferRing(count: 4, byteCount: 16)
        let pair = try DescriptorPair.sockets(.datagram)
        try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
        try fill(&ring)
        #expect(pair.second.sendNow([7]) == 1)
        let ended = try nextCompletion(of: &ring).event(ReceiveMultishot.self).expectFinished()
        #expect(ended.ending == .completionQueueFull)
        let lease = try ended.result.get()
        #expect(lease.copyBytes() == [7])
    }

    @Test func aFullCompletionQueueEndsAReadWithItsResult() throws {
        var ring = try smallRing()
        let pool = try ring.makeBufferRing(count: 4, byteCount: 16)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(ReadMultishot(pipe.first, into: pool), tag: 1)
        try fill(&ring)
        try write(7, to: pipe.second)
        let ended = try nextCompletion(of: &ring).event(ReadMultishot.self).expectFinished()
        // Which the kernel does not tell from a worker that has read once.
        #expect(ended.ending == .rearm)
        let lease = try ended.result.get()
        #expect(lease.copyBytes() == [7])
    }

    @Test func aFullCompletionQueueEndsMessagesWithTheirResult() throws {
        var ring = try smallRing()
        let pool = try ring.makeBufferRing(count: 4, byteCount: 256)
        let pair = try DescriptorPair.sockets(.datagram)
        try ring.prepare(ReceiveMessageMultishot(pair.first, into: pool), tag: 1)
        try fill(&ring)
        #expect(pair.second.sendNow([7]) == 1)
        let ended = try nextCompletion(of: &ring).event(ReceiveMessageMultishot.self).expectFinished()
        #expect(ended.ending == .completionQueueFull)
        let message = try ended.result.get()
        #expect(message.payload.copyBytes() == [7])
    }

    @Test func aFullCompletionQueueIsAReasonToGoOnWithBundles() throws {
        var ring = try smallRing()
        let pool = try ring.makeBufferRing(count: 4, byteCount: 16)
        let pair = try DescriptorPair.sockets()
        try ring.prepare(ReceiveBundleMultishot(pair.first, into: pool), tag: 1)
        try fill(&ring)
        #expect(pair.second.sendNow([7]) == 1)
        let ended = try nextCompletion(of: &ring).event(ReceiveBundleMultishot.self).expectFinished()
        #expect(ended.ending == .rearm)
        let bytes = try ended.result.get().copyBytes()
        #expect(bytes == [7])
    }

    @Test func aFullCompletionQueueIsAReasonToGoOnSending() throws {
        var ring = try smallRing()
        let pair = try DescriptorPair.sockets()
        var queue = try ring.makeSendQueue(of: Buffer.self, count: 512)
        // More than the kernel takes for one completion.
        for index in 0..<300 { queue.append(Buffer(copying: [UInt8(truncatingIfNeeded: index)])) }
        try fill(&ring)
        try ring.prepare(SendBundle(pair.first, from: queue), tag: 1)
        try ring.submit()
        let ended = try nextCompletion(of: &ring).event(SendBundle<Buffer>.self).expectFinished()
        #expect(ended.ending == .rearm && ended.entry.result == 256)
        let unsent = ended.operation.queue.unsentCount
        #expect(unsent == 44)
        try ring.prepare(ended.operation, tag: 1)
        let rest = try ring.nextCompletionWaiting().event(SendBundle<Buffer>.self).expectFinished()
        #expect(rest.ending == .outOfBuffers && rest.entry.result == 44)
        #expect(pair.second.receiveBounded(400) == (0..<300).map { UInt8(truncatingIfNeeded: $0) })
    }

    @Test func aReadEndsForWantOfBuffersOrWhenCancelled() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(ReadMultishot(pipe.first, into: pool), tag: 1)
        _ = try ring.run(Write(pipe.second, from: Buffer(copying: pattern(40))), tag: 2).result.get()
        var leases = LeaseStack()
        for _ in 0..<2 { leases.append(try ring.nextCompletionWaiting().event(ReadMultishot.self).expectMore()) }
        let ended = try ring.nextCompletionWaiting().event(ReadMultishot.self).expectFinished()
        #expect(ended.ending == .outOfBuffers && pool.canRearm == false)
        leases.removeAll()
        let token = try ring.prepare(ended.operation, tag: 1)
        let rest = try ring.nextCompletionWaiting().event(ReadMultishot.self).expectMore()
        #expect(rest.copyBytes() == Array(pattern(40)[32...]))
        try ring.prepare(Cancel(token), tag: 2)
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        var endings: [MultishotEnding] = []
        while let completion = ring.nextCompletion() {
            if completion.tag == 1 { endings.append(try completion.event(ReadMultishot.self).expectFinished().ending) }
        }
        #expect(endings == [.cancelled])
    }
}
