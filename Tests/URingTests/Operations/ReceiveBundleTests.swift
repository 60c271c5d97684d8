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
        unsafe expectEncoding(of: ReceiveBundle(file, into: pool), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_recv(entry, 9, nil, 0, 0)
            unsafe selectBuffer(in: entry, group: 5, ioPriority: 1 << 4)
        }
        unsafe expectEncoding(of: ReceiveBundleMultishot(file, into: pool, pollFirst: true), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_recv_multishot(entry, 9, nil, 0, 0)
            unsafe selectBuffer(in: entry, group: 5, ioPriority: 1 << 0 | 1 << 1 | 1 << 4)
        }
    }

    /// Sends so many bytes and receives them all with single bundles; how many bytes each lease had.
    private func receive(
        _ count: Int, through pair: borrowing DescriptorPair, into pool: borrowing BufferRing, with ring: inout Ring<Int>
    ) throws -> [Int] {
        #expect(pair.second.sendNow(pattern(count)) == count)
        var (counts, bytes): ([Int], [UInt8]) = ([], [])
        while bytes.count < count {
            var bundle = try ring.run(ReceiveBundle(pair.first, into: pool)).result.get()
            while let lease = bundle.next() {
                counts.append(lease.count)
                bytes += lease.copyBytes()
            }
        }
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

    @Test func goesOnInAnIncrementalBuffer() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 8, byteCount: 64, mode: .incremental())
        let pair = try DescriptorPair.sockets()
        #expect(try receive(10, through: pair, into: pool, with: &ring) == [10])
        #expect(try receive(200, through: pair, into: pool, with: &ring) == [54, 64, 64, 18])
        #expect(try receive(1, through: pair, into: pool, with: &ring) == [1])
        #expect(try receive(45, through: pair, into: pool, with: &ring) == [45])
        #expect(pool.leaseCount == 0)
        try expectWhole(pool)
    }

    @Test func leasesOfABundleGoBackOneByOneOrTogether() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 8, byteCount: 64)
        let pair = try DescriptorPair.sockets()
        _ = try receive(10, through: pair, into: pool, with: &ring)
        #expect(pair.second.sendNow(pattern(192)) == 192)
        var bundle = try ring.run(ReceiveBundle(pair.first, into: pool)).result.get()
        #expect(bundle.count == 3 && bundle.byteCount == 192 && pool.leaseCount == 3 && pool.availableCount == 5)
        let lease = bundle.next()
        #expect(lease?.copyBytes() == pattern(64))
        drop(bundle)
        #expect(pool.leaseCount == 1 && pool.availableCount == 7)
        #expect(lease?.copyBytes() == pattern(64))
        // The kernel has been shown all seven.
        #expect(pair.second.sendNow(pattern(7 * 64)) == 7 * 64)
        var leases = LeaseStack()
        while leases.count < 7 { leases.append(try ring.run(ReceiveBundle(pair.first, into: pool)).result.get()) }
        leases.removeAll()
        drop(lease)
        try expectWhole(pool)
        // A completion that nobody takes.
        #expect(pair.second.sendNow(pattern(192)) == 192)
        try ring.prepare(ReceiveBundle(pair.first, into: pool), tag: 1)
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
        let failed = try ring.run(ReceiveBundle(pair.first, into: pool), tag: 2)
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

    @Test func aBundleThatCouldHaveUsedTheLastBufferEndsWithoutNeed() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 1, byteCount: 64, mode: .incremental())
        let pair = try DescriptorPair.sockets()
        try ring.prepare(ReceiveBundleMultishot(pair.first, into: pool), tag: 1)
        try ring.submit()
        #expect(pair.second.sendNow([1]) == 1)
        let ended = try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self).expectFinished()
        // There is room in the buffer still, so it can be prepared again at once.
        #expect(ended.ending == .rearm && pool.canRearm == true)
        #expect(pair.second.sendNow([2]) == 1)
        try ring.prepare(ended.operation, tag: 1)
        let next = try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self).expectFinished()
        #expect(try next.result.get().copyBytes() == [2])
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
        let single = try ring.run(ReceiveBundle(pair.first, into: pool)).result.get()
        #expect(single.count == 0 && single.count == 0)
        try expectWhole(pool)
    }

    @Test func endsWithTheErrorOfTheSocket() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        let pipe = try DescriptorPair.pipe()
        let single = try ring.run(ReceiveBundle(pipe.first, into: pool))
        #expect(single.entry.errno == .notSocket)
        try ring.prepare(ReceiveBundleMultishot(pipe.first, into: pool), tag: 1)
        let multishot = try ring.nextCompletionWaiting().event(ReceiveBundleMultishot.self).expectFinished()
        #expect(multishot.ending == .failed(.notSocket))
        try expectWhole(pool)
    }

    /// The kernel may have told the first half of a bundle to take less than there is room for, and so has left a buffer early.
    @Test func aPoolWhoseBuffersEndEarlyTraps() async {
        let sentence = "The kernel does not say which buffers a bundle has left early; receive bundles into a pool without minimumLeft."
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                try withPool(.incremental(minimumLeft: 1)) { ring, pool, socket in
                    try ring.prepare(ReceiveBundle(socket, into: pool), tag: 1)
                }
            })
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                try withPool(.incremental(minimumLeft: 1)) { ring, pool, socket in
                    try ring.prepare(ReceiveBundleMultishot(socket, into: pool), tag: 1)
                }
            })
    }

    /// It takes the buffers of one bundle one by one, and others take those in between.
    @Test func aWorkerThatCouldReceiveABundleTraps() async {
        let sentence = "A worker thread may not receive a bundle: let it neither be asynchronous nor drain, and have it begin its chain."
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                try withPool { ring, pool, socket in
                    try ring.prepare(ReceiveBundle(socket, into: pool), tag: 1, options: .asynchronous)
                }
            })
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                try withPool { ring, pool, socket in
                    try ring.prepare(ReceiveBundle(socket, into: pool), tag: 1, options: .drain)
                }
            })
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                try withPool { ring, pool, socket in
                    try ring.hardLink { (chain: inout Chain<Int>) throws(ChainError) in
                        try chain.prepare(Nop(), tag: 1)
                        try chain.prepare(ReceiveBundle(socket, into: pool), tag: 2)
                    }
                }
            })
        expectSentence(
            "Behind an operation that drains, a worker thread may receive this; use a ReceiveBundleMultishot on this ring.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                try withPool { ring, pool, socket in
                    try ring.prepare(Nop(), tag: 1, options: .drain)
                    try ring.prepare(ReceiveBundle(socket, into: pool), tag: 2)
                }
            })
    }

    @Test func beginsAChain() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 8, byteCount: 16)
        let pair = try DescriptorPair.sockets()
        #expect(pair.second.sendNow(pattern(40)) == 40)
        try ring.link { (chain: inout Chain<Int>) throws(ChainError) in
            try chain.prepare(ReceiveBundle(pair.first, into: pool), tag: 1, timeout: .after(.seconds(5)))
            try chain.prepare(Nop(), tag: 2)
        }
        let received = try ring.nextCompletionWaiting().take(ReceiveBundle.self)
        // How many buffers it takes is the kernel's affair.
        let bytes = try received.result.get().copyBytes()
        #expect(!bytes.isEmpty && pattern(40).starts(with: bytes))
        #expect(try ring.nextCompletionWaiting().tag == 2)
    }

    /// Each connection gets its own bytes, while other operations take buffers of the same pool.
    @Test(arguments: [BufferRing.Mode.whole, .incremental()])
    func bundlesAndOperationsOfWorkersShareAPool(mode: BufferRing.Mode) throws {
        var ring = try Ring<Int>(entries: 32)
        let pool = try ring.makeBufferRing(count: 16, byteCount: 64, mode: mode)
        for round in 0..<100 {
            let first = try DescriptorPair.sockets()
            let second = try DescriptorPair.sockets()
            let third = try DescriptorPair.sockets()
            let counts = [70 + round, 170 - round, 10 + round / 2]
            #expect(first.second.sendNow(pattern(counts[0], seed: 1)) == counts[0])
            #expect(second.second.sendNow(pattern(counts[1], seed: 2)) == counts[1])
            #expect(third.second.sendNow(pattern(counts[2], seed: 3)) == counts[2])
            var bytes = [[UInt8]](repeating: [], count: 3)
            try ring.prepare(ReceiveBundle(first.first, into: pool), tag: 0)
            try ring.prepare(ReceiveBundle(second.first, into: pool), tag: 1)
            try ring.prepare(ReceiveProvided(third.first, into: pool), tag: 2, options: .asynchronous)
            while bytes.map(\.count) != counts {
                let completion = try ring.nextCompletionWaiting()
                let tag = completion.tag
                if tag == 2 {
                    bytes[tag] += try completion.take(ReceiveProvided.self).result.get().copyBytes()
                } else {
                    bytes[tag] += try completion.take(ReceiveBundle.self).result.get().copyBytes()
                }
                if bytes[tag].count >= counts[tag] { continue }
                switch tag {
                case 0: try ring.prepare(ReceiveBundle(first.first, into: pool), tag: 0)
                case 1: try ring.prepare(ReceiveBundle(second.first, into: pool), tag: 1)
                default: try ring.prepare(ReceiveProvided(third.first, into: pool), tag: 2, options: .asynchronous)
                }
            }
            for index in 0..<3 { #expect(bytes[index] == pattern(counts[index], seed: index + 1), "\(round), \(index)") }
            #expect(try pool.queryAvailableCount() == pool.availableCount)
        }
    }

    @Test func letsGoOfFileAndPoolWhenTheRingIsDropped() throws {
        let pair = try DescriptorPair.sockets()
        let other = try DescriptorPair.sockets()
        do {
            var ring = try Ring<Int>(entries: 8)
            let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
            try ring.prepare(ReceiveBundle(pair.first, into: pool), tag: 1)
            try ring.prepare(ReceiveBundleMultishot(other.first, into: pool), tag: 2)
            try ring.submit()
            expectHeld(pair.first)
            expectHeld(other.first)
        }
        expectHeld(pair.first, false)
        expectHeld(other.first, false)
    }
}

/// Has a ring, a pool of two buffers of it, and a socket to receive from.
private func withPool(
    _ mode: BufferRing.Mode = .whole, _ body: (inout Ring<Int>, borrowing BufferRing, borrowing Descriptor) throws -> Void
) throws {
    var ring = try Ring<Int>(entries: 8)
    let pool = try ring.makeBufferRing(count: 2, byteCount: 16, mode: mode)
    let pair = try DescriptorPair.sockets()
    try body(&ring, pool, pair.first)
}
