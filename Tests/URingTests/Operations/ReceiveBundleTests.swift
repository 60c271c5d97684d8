// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import SystemPackage
import Testing

@testable import URing

@Suite struct ReceiveBundleTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 9))

    @Test func encodesLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let identity = ring.core.table.identity
        let pool = try ring.makeBufferRing(count: 4, byteCount: 8, group: 5)
        unsafe expectEncoding(of: ReceiveBundleMultishot(file, into: pool), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_recv_multishot(entry, 9, nil, 0, 0)
            unsafe selectBuffer(in: entry, group: 5, ioPriority: 1 << 1 | 1 << 4)
        }
        unsafe expectEncoding(of: ReceiveBundleMultishot(file, into: pool, pollFirst: true), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_recv_multishot(entry, 9, nil, 0, 0)
            unsafe selectBuffer(in: entry, group: 5, ioPriority: 1 << 0 | 1 << 1 | 1 << 4)
        }
    }

    private func endAll(on file: borrowing Descriptor, of ring: inout Ring<Int>) throws {
        try ring.cancelAll(on: file)
        while ring.inFlightCount > 0 { drop(try ring.nextCompletionWaiting()) }
    }

    /// Receives the first bundle that comes, and has nothing in flight then; there may be no more than that.
    private func receiveBundle(
        from file: borrowing Descriptor, into pool: borrowing BufferRing, with ring: inout Ring<Int>
    ) throws -> BufferBundle {
        try ring.prepare(ReceiveBundleMultishot(file, into: pool), tag: 0)
        switch try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self) {
        case .finished(let completed): return try completed.result.get()
        case .more(let result):
            let bundle = try result.get()
            try endAll(on: file, of: &ring)
            return bundle
        }
    }

    /// Sends so many bytes and receives them all in bundles; how many bytes each lease had.
    private func receive(
        _ count: Int, through pair: borrowing DescriptorPair, into pool: borrowing BufferRing, with ring: inout Ring<Int>
    ) throws -> [Int] {
        #expect(pair.second.sendNow(pattern(count)) == count)
        var (counts, bytes): ([Int], [UInt8]) = ([], [])
        var waiting: ReceiveBundleMultishot? = ReceiveBundleMultishot(pair.first, into: pool)
        while bytes.count < count {
            if let receive = waiting.take() { try ring.prepare(receive, tag: 0) }
            var bundle: BufferBundle?
            switch try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self) {
            case .more(let result): bundle = try result.get()
            case .finished(let completed):
                waiting = consume completed.operation
                if case .success(let last) = consume completed.result { bundle = consume last }
            }
            while let lease = bundle?.next() {
                counts.append(lease.count)
                bytes += lease.copyBytes()
            }
        }
        try endAll(on: pair.first, of: &ring)
        #expect(bytes == pattern(count))
        return counts
    }

    @Test func fillsSeveralBuffersAtOnce() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 8, byteCount: 64)
        let pair = try DescriptorPair.sockets()
        for count in [10, 64, 65, 200, 500, 3000] {
            let counts = try receive(count, through: pair, into: pool, with: &ring)
            // Whole buffers are full, but for the last of a bundle.
            #expect(counts.reduce(0, +) == count && counts.count >= (count + 63) / 64)
        }
        try expectWhole(pool)
    }

    @Test func leasesOfABundleGoBackOneByOneOrTogether() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 8, byteCount: 64)
        let pair = try DescriptorPair.sockets()
        _ = try receive(10, through: pair, into: pool, with: &ring)
        #expect(pair.second.sendNow(pattern(192)) == 192)
        var bundle = try receiveBundle(from: pair.first, into: pool, with: &ring)
        #expect(bundle.count == 3 && bundle.byteCount == 192 && pool.leaseCount == 3 && pool.availableCount == 5)
        let lease = bundle.next()
        #expect(lease?.copyBytes() == pattern(64))
        drop(bundle)
        #expect(pool.leaseCount == 1 && pool.availableCount == 7)
        #expect(lease?.copyBytes() == pattern(64))
        // The kernel has been shown all seven.
        #expect(pair.second.sendNow(pattern(7 * 64)) == 7 * 64)
        var leases = LeaseStack()
        while leases.count < 7 { leases.append(try receiveBundle(from: pair.first, into: pool, with: &ring)) }
        leases.removeAll()
        drop(lease)
        try expectWhole(pool)
        // A completion that nobody takes.
        #expect(pair.second.sendNow(pattern(192)) == 192)
        try ring.prepare(ReceiveBundleMultishot(pair.first, into: pool), tag: 1)
        drop(try ring.nextCompletionWaiting())
        try expectWhole(pool)
    }

    @Test func outOfBuffersIsAnErrorOrTheEndOfAMultishot() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        let pair = try DescriptorPair.sockets()
        #expect(pair.second.sendNow(pattern(200)) == 200)
        try ring.prepare(ReceiveBundleMultishot(pair.first, into: pool), tag: 1)
        var leases = LeaseStack()
        var operation: ReceiveBundleMultishot?
        while operation == nil {
            switch try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self) {
            case .more(let result): leases.append(try result.get())
            case .finished(let completed):
                // It ends with bytes, and without an error.
                #expect(completed.ending == .outOfBuffers && completed.entry.result > 0)
                #expect(pool.exhaustionCount == 0 && pool.canRearm == false)
                operation = consume completed.operation
                leases.append(try completed.result.get())
            }
        }
        #expect(leases.count == 2)
        let failed = try ring.run(ReceiveProvided(pair.first, into: pool), tag: 2)
        #expect(failed.entry.errno == .noBufferSpace && pool.exhaustionCount == 1)
        leases.removeAll()
        guard let again = operation.take() else { return }
        try ring.prepare(again, tag: 1)
        // What is left, and then the end of the pool once more.
        var rest = 0
        while rest < 72 {
            switch try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self) {
            case .more(let result): rest += (try result.get()).byteCount
            case .finished(let completed):
                rest += Int(completed.entry.result)
                let ending = completed.ending
                #expect(ending == .rearm || ending == .outOfBuffers)
            }
        }
        #expect(rest == 72)
        try expectWhole(pool)
    }

    @Test func aBundleThatUsedTheLastBufferIsReceivedAgainWhenOneIsBack() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        let pair = try DescriptorPair.sockets()
        #expect(pair.second.sendNow([1]) == 1)
        let kept = try receiveBundle(from: pair.first, into: pool, with: &ring)
        #expect(pair.second.sendNow([2]) == 1)
        try ring.prepare(ReceiveBundleMultishot(pair.first, into: pool), tag: 1)
        try ring.submit(waitingFor: 1)
        // It has ended, and nobody has looked at that.
        drop(kept)
        let ended = try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self).expectFinished()
        #expect(ended.ending == .rearm && pool.canRearm == true)
        #expect(pair.second.sendNow([3]) == 1)
        try ring.prepare(ended.operation, tag: 1)
        let next = try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self).expectFinished()
        #expect(try next.result.get().copyBytes() == [3])
    }

    @Test func theEndOfTheStreamIsAnEmptyBundle() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        let pair = try DescriptorPair.sockets()
        try ring.prepare(ReceiveBundleMultishot(pair.first, into: pool), tag: 1)
        try ring.submit()
        drop(pair.second)
        let ended = try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self).expectFinished()
        #expect(ended.ending == .endOfStream)
        #expect(try ended.result.get().count == 0)
        try expectWhole(pool)
    }

    @Test func endsWithTheErrorOfTheSocket() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(ReceiveBundleMultishot(pipe.first, into: pool), tag: 1)
        let multishot = try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self).expectFinished()
        #expect(multishot.ending == .failed(.notSocket))
        try expectWhole(pool)
    }

    /// What the first half of a bundle has received may vanish without a word, and with it how far a buffer is filled.
    @Test func anIncrementalPoolTraps() async {
        expectSentence(
            "The kernel does not always say what it has put into incremental buffers in bundles; receive bundles into a pool of whole buffers.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 2, byteCount: 16, mode: .incremental())
                let pair = try DescriptorPair.sockets()
                try ring.prepare(ReceiveBundleMultishot(pair.first, into: pool), tag: 1)
            })
    }

    /// Made up, as the kernel posts it when another has taken what was to be the second half of a bundle.
    @Test func bytesWithoutABufferAreAnErrorAndNotTheEnd() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
        var receive = ReceiveBundleMultishot(file, into: pool)
        // SAFETY: nothing is in flight, and the operation has no kernel data.
        for flags in [CompletionFlags.more, []] {
            let lost = CompletionEntry(result: 20, flags: flags)
            #expect(throws: Errno.ioError) { _ = try unsafe receive.complete(lost, kernelData: NoKernelData()).get() }
            #expect(receive.ending(lost) == .failed(.ioError))
        }
        try expectWhole(pool)
    }

    /// The other is faster, or takes the second half of a bundle: what the kernel then does not tell is lost, and nothing else.
    @Test func noByteIsAnothersThoughAnotherReceivesFromTheSocket() throws {
        var ring = try Ring<Int>(entries: 64)
        let pool = try ring.makeBufferRing(count: 64, byteCount: 1000)
        let pairs = [try Handed(DescriptorPair.sockets()), try Handed(DescriptorPair.sockets())]
        let isOver = Flag()
        let sockets = pairs.map { $0.value.first.unowned }
        let thread = TestThread {
            while !isOver.value { for socket in sockets { socket.takeNow(3000) } }
        }
        defer {
            isOver.set()
            thread.join()
        }
        var (isArmed, received) = ([false, false], 0)
        for _ in 0..<3000 {
            for tag in 0..<2 where !isArmed[tag] && pool.canRearm {
                try ring.prepare(ReceiveBundleMultishot(pairs[tag].value.first, into: pool), tag: tag)
                isArmed[tag] = true
            }
            for tag in 0..<2 { _ = pairs[tag].value.second.sendNow([UInt8](repeating: UInt8(tag + 1), count: 5000)) }
            try ring.submit()
            while let completion = ring.nextCompletion() {
                let tag = completion.tag
                switch completion.event(ReceiveBundleMultishot.self) {
                case .more(let result):
                    guard case .success(let bundle) = consume result else { break }
                    let bytes = bundle.copyBytes()
                    received += bytes.count
                    #expect(bytes.allSatisfy { $0 == UInt8(tag + 1) })
                case .finished: isArmed[tag] = false
                }
            }
            // All buffers may be lost.
            if ring.inFlightCount == 0 && pool.canRearm == false { break }
        }
        #expect(received > 0)
    }

    /// Each connection gets its own bytes, while operations that get to workers take buffers of the same pool.
    @Test(arguments: [PrepareOptions.none, .asynchronous]) func bundlesAndOperationsOfWorkersShareAPool(options: PrepareOptions) throws {
        var ring = try Ring<Int>(entries: 32)
        let pool = try ring.makeBufferRing(count: 32, byteCount: 64)
        let first = try DescriptorPair.sockets()
        let second = try DescriptorPair.sockets()
        // After 128 receives that found nothing, for another was faster, the kernel has a worker do it.
        for _ in 0..<4 { try ring.prepare(ReceiveProvided(first.first, into: pool), tag: 0, options: options) }
        try ring.prepare(ReceiveBundleMultishot(second.first, into: pool), tag: 1)
        for round in 0..<400 {
            let counts = [1 + round % 150, 1 + round % 500]
            #expect(first.second.sendNow([UInt8](repeating: 1, count: counts[0])) == counts[0])
            #expect(second.second.sendNow([UInt8](repeating: 2, count: counts[1])) == counts[1])
            var received = [0, 0]
            while received != counts {
                let completion = try ring.nextCompletionWaiting()
                let tag = completion.tag
                let bytes: [UInt8]
                if tag == 0 {
                    bytes = try completion.take(ReceiveProvided.self).result.get().copyBytes()
                    try ring.prepare(ReceiveProvided(first.first, into: pool), tag: 0, options: options)
                } else {
                    switch completion.event(ReceiveBundleMultishot.self) {
                    case .more(let result): bytes = try result.get().copyBytes()
                    case .finished(let completed):
                        bytes = try completed.result.get().copyBytes()
                        try ring.prepare(completed.operation, tag: 1)
                    }
                }
                received[tag] += bytes.count
                #expect(bytes.allSatisfy { $0 == UInt8(tag + 1) }, "\(round), \(tag): \(bytes)")
                if received[tag] > counts[tag] { throw UnexpectedEvent() }
            }
        }
    }

    @Test func letsGoOfFileAndPoolWhenTheRingIsDropped() throws {
        let pair = try DescriptorPair.sockets()
        let other = try DescriptorPair.sockets()
        do {
            var ring = try Ring<Int>(entries: 8)
            let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
            try ring.prepare(ReceiveProvided(pair.first, into: pool), tag: 1)
            try ring.prepare(ReceiveBundleMultishot(other.first, into: pool), tag: 2)
            try ring.submit()
            expectHeld(pair.first)
            expectHeld(other.first)
        }
        expectHeld(pair.first, false)
        expectHeld(other.first, false)
    }
}
