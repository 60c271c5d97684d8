// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct SendProvidedTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 9))

    /// A queue with buffers of so many bytes, each with a pattern of its own.
    private func queue(
        _ counts: [Int], capacity: Int = 16, keepsSent: Bool = true, of ring: inout Ring<Int>
    ) throws -> (queue: Box, bytes: [UInt8]) {
        var queue = try ring.makeSendQueue(of: Buffer.self, count: capacity, keepsSent: keepsSent)
        var bytes: [UInt8] = []
        for (index, count) in counts.enumerated() {
            queue.append(Buffer(copying: pattern(count, seed: index)))
            bytes += pattern(count, seed: index)
        }
        return (Box(queue), bytes)
    }

    /// A queue on its way out of a function with something else.
    private final class Box {
        private var queue: SendQueue<Buffer>?

        init(_ queue: consuming SendQueue<Buffer>) { self.queue = consume queue }

        func take() throws -> SendQueue<Buffer> {
            guard let queue = queue.take() else { throw NoCompletion() }
            return queue
        }
    }

    /// Sends what is in a queue until all of it is sent, and gives the queue back.
    private func sendAll(
        _ queue: consuming SendQueue<Buffer>, over socket: borrowing Descriptor, with ring: inout Ring<Int>
    ) throws -> SendQueue<Buffer> {
        var operation: SendBundle<Buffer>? = SendBundle(socket, from: queue)
        for _ in 0..<1000 {
            guard let next = operation.take() else { continue }
            try ring.prepare(next, tag: 1)
            while operation == nil {
                switch try ring.nextCompletionWaiting().event(SendBundle<Buffer>.self) {
                case .more(let result): _ = try result.get()
                case .finished(let completed):
                    if completed.ending == .outOfBuffers { return completed.operation.queue }
                    #expect(completed.ending == .rearm)
                    operation = consume completed.operation
                }
            }
        }
        throw NoCompletion()
    }

    /// Receives so many bytes without a ring.
    private func receive(_ count: Int, from socket: borrowing Descriptor) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count, let part = socket.receiveBounded(count - bytes.count), !part.isEmpty { bytes += part }
        return bytes
    }

    @Test func encodesLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let identity = ring.core.table.identity
        let flags = Int32(MSG_NOSIGNAL | MSG_WAITALL | MSG_MORE)
        let first = try ring.makeSendQueue(of: Buffer.self, count: 4, group: 5)
        unsafe expectEncoding(of: SendBundle(file, from: first, flags: .more, pollFirst: true), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_send_bundle(entry, 9, 0, flags)
            unsafe selectBuffer(in: entry, group: 5, ioPriority: 1 << 0 | 1 << 4)
        }
        let second = try ring.makeSendQueue(of: Buffer.self, count: 4, group: 6)
        unsafe expectEncoding(of: SendProvided(file, from: second, flags: .more, pollFirst: true), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_send(entry, 9, nil, 0, flags)
            unsafe selectBuffer(in: entry, group: 6, ioPriority: 1 << 0)
        }
    }

    @Test func sendsBufferByBuffer() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let made = try queue([10, 20, 30], of: &ring)
        var queue = try made.queue.take()
        for (index, count) in [10, 20, 30].enumerated() {
            #expect(queue.unsentCount == 3 - index && queue.sentCount == index)
            let completed = try ring.run(SendProvided(pair.first, from: queue))
            #expect(completed.entry.result == count)
            #expect(pair.second.receiveBounded() == pattern(count, seed: index))
            queue = completed.operation.queue
        }
        // The buffers come back in order.
        for (index, count) in [10, 20, 30].enumerated() {
            let sent = queue.takeSent()
            #expect(sent?.copyBytes() == pattern(count, seed: index))
        }
        #expect(queue.sentCount == 0)
        let empty = try ring.run(SendProvided(pair.first, from: queue))
        #expect(empty.entry.errno == .noBufferSpace)
    }

    /// Optimised, Swift 6.3.1 takes the end for a buffer if the call that says so is neither inlined nor specialised.
    @Test func theEndOfWhatWasSentIsNil() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let made = try queue([10, 20, 30], of: &ring)
        var queue = try sendAll(try made.queue.take(), over: pair.first, with: &ring)
        var count = 0
        while queue.takeSent() != nil && count < 10 { count += 1 }
        #expect(count == 3)
    }

    @Test func sendsAllAtOnce() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let made = try queue([10, 1, 300, 7], of: &ring)
        var queue = try made.queue.take()
        #expect(queue.unsentByteCount == 318)
        try ring.prepare(SendBundle(pair.first, from: queue), tag: 1)
        let ended = try ring.nextCompletionWaiting().event(SendBundle<Buffer>.self).expectFinished()
        #expect(ended.entry.result == 318 && ended.ending == .outOfBuffers)
        #expect(receive(318, from: pair.second) == made.bytes)
        queue = ended.operation.queue
        #expect(queue.unsentCount == 0 && queue.unsentByteCount == 0 && queue.sentCount == 4)
        // With nothing to be sent there is only an error, and the ending is the same.
        try ring.prepare(SendBundle(pair.first, from: queue), tag: 1)
        let empty = try ring.nextCompletionWaiting().event(SendBundle<Buffer>.self).expectFinished()
        #expect(empty.entry.errno == .noBufferSpace && empty.ending == .outOfBuffers)
    }

    @Test func placesAreUsedInTurn() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        var queue = try ring.makeSendQueue(of: Buffer.self, count: 4, keepsSent: true)
        #expect(queue.capacity == 4)
        for round in 0..<50 {
            // Three of four, so that they begin somewhere else each time; what was sent before is dropped for them.
            var bytes: [UInt8] = []
            for index in 0..<3 {
                let part = pattern(5 + index, seed: round)
                queue.append(Buffer(copying: part))
                bytes += part
            }
            #expect(queue.unsentCount == 3 && queue.sentCount == (round == 0 ? 0 : 1))
            queue = try sendAll(queue, over: pair.first, with: &ring)
            #expect(receive(bytes.count, from: pair.second) == bytes)
        }
    }

    @Test(arguments: [false, true])
    func whatWasSentIsDroppedUnlessItIsKept(keepsSent: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let ledger = Ledger()
        var queue = try ring.makeSendQueue(of: CountedMemory.self, count: 4, keepsSent: keepsSent)
        for value in 1...3 { queue.append(CountedMemory(ledger, byteCapacity: 10, filledWith: UInt8(value))) }
        queue = try ring.run(SendProvided(pair.first, from: queue)).operation.queue
        #expect(ledger.aliveCount == (keepsSent ? 3 : 2) && queue.unsentCount == 2)
        try ring.prepare(SendBundle(pair.first, from: queue), tag: 1)
        try ring.submit(waitingFor: 1)
        // It is sent, but nobody has been told.
        #expect(ledger.aliveCount == (keepsSent ? 3 : 2))
        let completed = try ring.nextCompletionWaiting().event(SendBundle<CountedMemory>.self).expectFinished()
        #expect(ledger.aliveCount == (keepsSent ? 3 : 0))
        queue = completed.operation.queue
        #expect(queue.sentCount == (keepsSent ? 3 : 0))
        // Their places are needed.
        for value in 4...6 { queue.append(CountedMemory(ledger, byteCapacity: 10, filledWith: UInt8(value))) }
        #expect(ledger.aliveCount == (keepsSent ? 4 : 3))
        drop(queue)
        #expect(ledger.isSettled && ledger.bornCount == 6)
        #expect(receive(30, from: pair.second) == (1...3).flatMap { [UInt8](repeating: $0, count: 10) })
    }

    @Test func leasesAreSentOnAndGoBackWithTheCompletion() throws {
        var ring = try Ring<Int>(entries: 8)
        let incoming = try DescriptorPair.sockets()
        let outgoing = try DescriptorPair.sockets()
        let pool = try ring.makeBufferRing(count: 4, byteCount: 16)
        var queue = try ring.makeSendQueue(of: BufferLease.self, count: 4, group: 1)
        #expect(incoming.second.sendNow(pattern(50)) == 50)
        for _ in 0..<4 { queue.append(try ring.run(ReceiveProvided(incoming.first, into: pool)).result.get()) }
        #expect(queue.unsentByteCount == 50 && pool.availableCount == 0)
        try ring.prepare(SendBundle(outgoing.first, from: queue), tag: 1)
        try ring.submit(waitingFor: 1)
        #expect(pool.leaseCount == 4)
        let completed = try ring.nextCompletionWaiting().event(SendBundle<BufferLease>.self).expectFinished()
        #expect(completed.entry.result == 50 && completed.ending == .outOfBuffers)
        try expectWhole(pool)
        #expect(receive(50, from: outgoing.second) == pattern(50))
    }

    private func append(_ bundle: consuming BufferBundle, to queue: inout SendQueue<BufferLease>) {
        while let lease = bundle.next() { queue.append(lease) }
    }

    @Test func aStreamIsPassedOnInBundlesThroughFourBuffers() throws {
        var ring = try Ring<Int>(entries: 8)
        let incoming = try DescriptorPair.sockets()
        let outgoing = try DescriptorPair.sockets()
        let pool = try ring.makeBufferRing(count: 4, byteCount: 1000)
        // One is filled while the other is sent.
        var queue = try ring.makeSendQueue(of: BufferLease.self, count: 4, group: 1)
        var idle: SendQueue<BufferLease>? = try ring.makeSendQueue(of: BufferLease.self, count: 4, group: 2)
        var ended: ReceiveBundleMultishot?
        let bytes = pattern(2_000_003)
        var received: [UInt8] = []
        try ring.prepare(Send(incoming.second, from: Buffer(copying: bytes), flags: .waitAll), tag: 1)
        try ring.prepare(ReceiveBundleMultishot(incoming.first, into: pool), tag: 2)
        try ring.prepare(Receive(outgoing.second, into: Buffer(byteCapacity: 1500)), tag: 4)
        while received.count < bytes.count {
            let completion = try ring.nextCompletionWaiting()
            switch completion.tag {
            case 1: #expect(try completion.take(Send<Buffer>.self).result.get() == bytes.count)
            case 2:
                switch completion.event(ReceiveBundleMultishot.self) {
                case .more(let result): append(try result.get(), to: &queue)
                case .finished(let completed):
                    ended = consume completed.operation
                    append(try completed.result.get(), to: &queue)
                }
            case 3:
                let completed = try completion.event(SendBundle<BufferLease>.self).expectFinished()
                guard completed.ending == .outOfBuffers else { throw UnexpectedEvent() }
                idle = consume completed.operation.queue
            default:
                let buffer = completion.take(Receive<Buffer>.self).operation.memory
                received += buffer.copyBytes()
                try ring.prepare(Receive(outgoing.second, into: Buffer(byteCapacity: 1500)), tag: 4)
            }
            if pool.canRearm, let receive = ended.take() { try ring.prepare(receive, tag: 2) }
            if queue.unsentCount > 0, let empty = idle.take() {
                try ring.prepare(SendBundle(outgoing.first, from: queue), tag: 3)
                queue = empty
            }
        }
        #expect(received == bytes)
    }

    @Test func moreThanTheKernelTakesAtOnceComesInSeveralResults() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let made = try queue([Int](repeating: 11, count: 1000), capacity: 1024, of: &ring)
        let queue = try sendAll(try made.queue.take(), over: pair.first, with: &ring)
        #expect(queue.sentCount == 1000)
        #expect(receive(11_000, from: pair.second) == made.bytes)
    }

    @Test(arguments: [false, true])
    func whatACancelledSendLeftIsSentWithTheNext(isBundle: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        try sendInParts(isBundle: isBundle, with: &ring)
    }

    /// Its head is asked for, which changes nothing and so needs no permission of its own.
    @Test func aRestrictedRingSendsWhatIsLeftInItsOrder() throws {
        var options = RingOptions.recommended
        options.flags.insert(.startsDisabled)
        var ring = try Ring<Int>(entries: 8, options: options)
        try ring.restrict(to: RingRestrictions(operations: [.send, .asyncCancel], registrations: [.bufferRings]))
        try ring.enable()
        try sendInParts(isBundle: false, with: &ring)
    }

    /// Sends much with sends that are cancelled in the middle, and looks at every byte.
    private func sendInParts(isBundle: Bool, with ring: inout Ring<Int>) throws {
        let pair = try DescriptorPair.sockets()
        // Much more than fits into the socket.
        let made = try queue([300_000, 300_000, 1, 300_000], of: &ring)
        var queue = try made.queue.take()
        var (received, cancelledCount): ([UInt8], Int) = ([], 0)
        for _ in 0..<1000 {
            if queue.unsentCount == 0 { break }
            let token: AnyToken
            if isBundle {
                token = try ring.prepare(SendBundle(pair.first, from: queue), tag: 1).any
            } else {
                token = try ring.prepare(SendProvided(pair.first, from: queue), tag: 1).any
            }
            try ring.submit()
            try ring.prepare(CancelOther(token), tag: 2)
            try ring.submit(waitingFor: 2, timeout: .seconds(5))
            var back: SendQueue<Buffer>?
            while let completion = ring.nextCompletion() {
                if completion.tag == 2 { continue }
                if isBundle {
                    let ended = try completion.event(SendBundle<Buffer>.self).expectFinished()
                    let ending = ended.ending
                    #expect(ending == .rearm || ending == .cancelled || ending == .outOfBuffers)
                    back = consume ended.operation.queue
                } else {
                    back = completion.take(SendProvided<Buffer>.self).operation.queue
                }
            }
            guard let next = back.take() else { throw NoCompletion() }
            queue = next
            if queue.unsentCount > 0 { cancelledCount += 1 }
            #expect(received.count + queue.unsentByteCount <= made.bytes.count)
            received += receive(made.bytes.count - queue.unsentByteCount - received.count, from: pair.second)
        }
        #expect(cancelledCount > 1)
        #expect(received == made.bytes)
    }

    @Test func whatIsSentInPartEndsItsChain() throws {
        for count in [10, 200_000] {
            var ring = try Ring<Int>(entries: 8)
            let pair = try DescriptorPair.sockets()
            try pair.first.setOption(.sendBufferSize, to: 1)
            let made = try queue([count], of: &ring)
            let waiting = try ring.link { chain in
                let token = try chain.prepare(SendProvided(pair.first, from: try made.queue.take()), tag: 1)
                try chain.prepare(Poll(pair.first, for: .input), tag: 2)
                return token
            }
            try ring.submit()
            _ = try ring.cancel(waiting)
            let sent = try ring.nextCompletionWaiting().take(SendProvided<Buffer>.self).result.get()
            #expect(sent > 0 && (sent == count) == (count == 10))
            if sent == count { try ring.cancelAll(on: pair.first) }
            let next = try ring.nextCompletionWaiting().take(Poll.self)
            #expect(next.entry.errno == .canceled && next.cancelledByLink == (sent < count))
        }
    }

    @Test func whatACutConnectionDidNotTakeGoesToAnother() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let other = try DescriptorPair.sockets()
        let made = try queue([100, 200, 300], of: &ring)
        drop(pair.second)
        try ring.prepare(SendBundle(pair.first, from: try made.queue.take()), tag: 1)
        let failed = try ring.nextCompletionWaiting().event(SendBundle<Buffer>.self).expectFinished()
        #expect(failed.ending == .failed(.brokenPipe))
        let unsent = failed.operation.queue.unsentByteCount
        #expect(unsent == 600)
        let queue = try sendAll(failed.operation.queue, over: other.first, with: &ring)
        #expect(queue.sentCount == 3)
        #expect(receive(600, from: other.second) == made.bytes)
    }

    @Test func lettingGoOfAQueueFreesItsGroup() throws {
        var ring = try Ring<Int>(entries: 8)
        let kept = try ring.makeSendQueue(of: Buffer.self, count: 4, group: 3)
        #expect(throws: BufferRingError(.fileExists, group: 3, of: ring.core.anchor)) {
            _ = try ring.makeSendQueue(of: Buffer.self, count: 4, group: 3)
        }
        #expect(throws: BufferRingError(.count(5))) { _ = try ring.makeSendQueue(of: Buffer.self, count: 5, group: 4) }
        drop(kept)
        _ = try ring.makeSendQueue(of: Buffer.self, count: 4, group: 3)
    }

    @Test func trapsOnMisuse() async {
        expectSentence(
            "The queue is full of what is to be sent; make it for more.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var queue = try ring.makeSendQueue(of: Buffer.self, count: 2)
                for _ in 0..<3 { queue.append(Buffer(copying: [1])) }
            })
        expectSentence(
            "What a send queue takes has from 1 to 0x7ffff000 bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var queue = try ring.makeSendQueue(of: Buffer.self, count: 2)
                queue.append(Buffer(byteCapacity: 100))
            })
        expectSentence(
            "This queue belongs to another ring",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var other = try Ring<Int>(entries: 8)
                let pair = try DescriptorPair.sockets()
                try other.prepare(SendBundle(pair.first, from: try ring.makeSendQueue(of: Buffer.self, count: 2)), tag: 1)
            })
        expectSentence(
            "A send queue has to ask the kernel where it is; prepare it on its ring's thread, and have restrictions allow `bufferRings`.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var options = RingOptions.recommended
                options.flags.insert(.startsDisabled)
                var ring = try Ring<Int>(entries: 8, options: options)
                var queue = try ring.makeSendQueue(of: Buffer.self, count: 2)
                try ring.restrict(to: RingRestrictions(operations: [.send]))
                try ring.enable()
                let pair = try DescriptorPair.sockets()
                queue.append(Buffer(copying: pattern(2_000_000)))
                let left = try ring.run(SendProvided(pair.first, from: queue, flags: .doNotWait), tag: 1)
                try ring.prepare(SendProvided(pair.first, from: left.operation.queue), tag: 1)
            })
        expectSentence(
            "The kernel sent more than it was given.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var queue = try ring.makeSendQueue(of: Buffer.self, count: 2)
                queue.append(Buffer(copying: [1]))
                queue.end(CompletionEntry(result: 2))
            })
    }

    @Test(arguments: [false, true])
    func letsGoOfFileAndQueueWhenTheRingIsDropped(isBundle: Bool) throws {
        let pair = try DescriptorPair.sockets()
        do {
            var ring = try Ring<Int>(entries: 8)
            let made = try queue([1_000_000], of: &ring)
            if isBundle {
                try ring.prepare(SendBundle(pair.first, from: try made.queue.take()), tag: 1)
            } else {
                try ring.prepare(SendProvided(pair.first, from: try made.queue.take()), tag: 1)
            }
            try ring.submit()
            try ring.expectNoCompletion()
            expectHeld(pair.first)
        }
        expectHeld(pair.first, false)
    }

    @Test func leasesInFlightGoBackWhenTheRingIsDropped() throws {
        var ring = try Ring<Int>(entries: 8)
        let incoming = try DescriptorPair.sockets()
        let outgoing = try DescriptorPair.sockets()
        let pool = try ring.makeBufferRing(count: 4, byteCount: 16)
        var queue = try ring.makeSendQueue(of: BufferLease.self, count: 4, group: 1)
        // There is no room in the socket.
        let filled = try ring.run(Send(outgoing.first, from: Buffer(copying: pattern(10_000_000))))
        #expect(filled.entry.result < 10_000_000)
        #expect(incoming.second.sendNow(pattern(32)) == 32)
        for _ in 0..<2 { queue.append(try ring.run(ReceiveProvided(incoming.first, into: pool)).result.get()) }
        try ring.prepare(SendBundle(outgoing.first, from: queue), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        #expect(pool.leaseCount == 2)
        drop(ring)
        #expect(pool.leaseCount == 0 && pool.availableCount == 4)
    }
}
