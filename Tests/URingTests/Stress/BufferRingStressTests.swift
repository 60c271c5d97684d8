// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

/// A million messages through pools whose leases are dropped, kept, cut, sent on and handed to other threads at random, while
/// receives are cancelled and rings end: every buffer comes back once, and none is written to while it is leased.
@Suite(.serialized) struct BufferRingStressTests {
    static let messagesPerSeed = 250_000

    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func everyBufferComesBackOnce(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var received = 0
        var totals = BufferRingStress.Counts()
        while received < Self.messagesPerSeed {
            let count = min(Int.random(in: 1000...40_000, using: &random), Self.messagesPerSeed - received)
            totals.add(try BufferRingStress.run(count, random: &random))
            received += count
        }
        #expect(totals.received == Self.messagesPerSeed)
        #expect(totals.exhausted > 10 && totals.cancelled > 100 && totals.handedOver > 10_000 && totals.sentOn > 1000)
    }
}

/// One ring, its pool, and what becomes of its messages, each of which is its number.
private struct BufferRingStress: ~Copyable {
    struct Counts {
        var received = 0
        var exhausted = 0
        var cancelled = 0
        var handedOver = 0
        var sentOn = 0

        mutating func add(_ other: Counts) {
            received += other.received
            exhausted += other.exhausted
            cancelled += other.cancelled
            handedOver += other.handedOver
            sentOn += other.sentOn
        }
    }

    /// A lease that is kept, and the number that has to be in it until it is dropped.
    private final class Kept {
        let number: UInt32
        let lease: BufferLease

        init(_ number: UInt32, _ lease: consuming BufferLease) {
            self.number = number
            self.lease = lease
        }

        var isIntact: Bool { BufferRingStress.hasNumber(number, lease) }
    }

    /// The same, for another thread.
    private final class Handed: Sendable {
        let number: UInt32
        let lease: TransferableBufferLease

        init(_ number: UInt32, _ lease: consuming TransferableBufferLease) {
            self.number = number
            self.lease = lease
        }

        var isIntact: Bool { BufferRingStress.hasNumber(number, lease) }
    }

    private enum Tag: BitwiseCopyable { case receive, cancel, write }

    private static let bufferCount = 1024
    private static let byteCount = 32

    private static func hasNumber(_ number: UInt32, _ lease: borrowing some ByteSource & ~Copyable) -> Bool {
        let bytes = lease.bytes
        // SAFETY: any four bytes are a number, and there are four.
        return bytes.byteCount == 4 ? unsafe bytes.unsafeLoadUnaligned(as: UInt32.self) == number : false
    }

    private var ring: Ring<Tag>
    private let pool: BufferRing
    private let sockets: DescriptorPair
    private let nowhere: Descriptor
    private var token: Token<ReceiveMultishot>?
    private var sent: UInt32 = 0
    private var kept: [Kept] = []
    private var pile: [Handed] = []
    private var thread: TestThread?
    private let damageCount: Flag
    private var counts = Counts()

    private init(isIncremental: Bool, isKernelMapped: Bool) throws {
        var newRing = try Ring<Tag>(entries: 64)
        let newPool = try newRing.makeBufferRing(
            count: Self.bufferCount, byteCount: Self.byteCount, mode: isIncremental ? .incremental(minimumLeft: 4) : .whole,
            isKernelMapped: isKernelMapped)
        let newSockets = try DescriptorPair.sockets(.datagram)
        let newNowhere = try Descriptor(opening: "/dev/null", .writeOnly)
        ring = newRing
        pool = newPool
        sockets = newSockets
        nowhere = newNowhere
        damageCount = Flag()
    }

    /// Receives so many messages and ends the ring in the middle of something.
    static func run(_ count: Int, random: inout SeededGenerator) throws -> Counts {
        var stress = try BufferRingStress(
            isIncremental: Bool.random(using: &random), isKernelMapped: Bool.random(using: &random))
        for _ in 0..<1_000_000 where stress.counts.received < count { try stress.step(count, &random) }
        require(stress.counts.received == count, "messages are lost")
        let isSettled = Bool.random(using: &random)
        if isSettled { try stress.settle() }
        return stress.end(isSettled: isSettled)
    }

    private mutating func step(_ count: Int, _ random: inout SeededGenerator) throws {
        if token == nil {
            // What other threads have is not back before they are done, and a buffer not before the last of its leases.
            for _ in 0..<10_000 where !pool.canRearm {
                dropSome(&random, atLeast: 1)
                handOver()
            }
            require(pool.canRearm, "no buffer comes back")
            token = try ring.prepare(ReceiveMultishot(sockets.first, into: pool), tag: .receive)
        }
        try send(min(count - counts.received - outstanding, Int.random(in: 1...100, using: &random)))
        if Int.random(in: 0..<20, using: &random) == 0, let token {
            try ring.prepare(Cancel(token), tag: .cancel)
            counts.cancelled += 1
        }
        try ring.submit(waitingFor: 1, timeout: .seconds(5))
        while let completion = ring.nextCompletion() {
            switch completion.tag {
            case .receive: try receive(completion, &random)
            case .cancel: drop(completion)
            case .write: drop(completion)
            }
        }
        if Int.random(in: 0..<10, using: &random) == 0 { dropSome(&random, atLeast: 0) }
        if pile.count > 500 { handOver() }
    }

    /// How many messages are in the socket, or in completions.
    private var outstanding: Int { Int(sent) - counts.received }

    private mutating func send(_ count: Int) throws {
        for _ in 0..<max(count, 0) {
            var number = sent
            let result = unsafe withUnsafeBytes(of: &number) { bytes in
                unsafe Glibc.send(sockets.second.unowned.fileDescriptor.rawValue, bytes.baseAddress, 4, Int32(MSG_DONTWAIT))
            }
            // The socket is full.
            if result < 0 { return }
            sent += 1
        }
    }

    private mutating func receive(_ completion: consuming Completion<Tag>, _ random: inout SeededGenerator) throws {
        let number = UInt32(counts.received)
        if completion.entry.result > 0 {
            counts.received += 1
        }
        if !completion.hasMore { token = nil }
        if completion.entry.errno == .noBufferSpace { counts.exhausted += 1 }
        // Now and then nobody takes it.
        if Int.random(in: 0..<16, using: &random) == 0 { return drop(completion) }
        switch completion.event(ReceiveMultishot.self) {
        case .more(let result): try use(try result.get(), number, &random)
        case .finished(let completed):
            let ending = completed.ending
            switch consume completed.result {
            case .success(let lease): try use(lease, number, &random)
            case .failure: require(ending == .outOfBuffers || ending == .cancelled, "a receive ended otherwise")
            }
        }
    }

    private mutating func use(_ lease: consuming BufferLease, _ number: UInt32, _ random: inout SeededGenerator) throws {
        require(Self.hasNumber(number, lease), "a message is not the one that was sent")
        switch Int.random(in: 0..<16, using: &random) {
        case 0..<6: drop(lease)
        case 6..<11: kept.append(Kept(number, lease))
        case 11..<13: pile.append(Handed(number, lease.transfer()))
        case 13:
            // A part of it is handed over, so that it comes back from both sides.
            var lease = lease
            drop(lease.split(at: 1).transfer())
            drop(lease)
        default:
            if ring.availableEntries > 1 {
                try ring.prepare(Write(nowhere, from: lease), tag: .write)
                counts.sentOn += 1
            }
        }
    }

    private mutating func dropSome(_ random: inout SeededGenerator, atLeast minimum: Int) {
        var remaining = Int.random(in: min(minimum, kept.count)...kept.count, using: &random)
        while remaining > 0, let last = kept.indices.last {
            // In any order.
            kept.swapAt(Int.random(in: 0...last, using: &random), last)
            drop(kept.removeLast())
            remaining -= 1
        }
    }

    private func drop(_ one: consuming Kept) {
        if !one.isIntact { damageCount.set() }
    }

    private func drop<Value: ~Copyable>(_: consuming Value) {}

    /// Has another thread drop what is for it, while this one goes on; the one before has to be done.
    private mutating func handOver() {
        thread?.join()
        counts.handedOver += pile.count
        let handed = URingTests.Handed(pile)
        pile = []
        let damageCount = damageCount
        thread = TestThread {
            while let one = handed.value.popLast() {
                if !one.isIntact { damageCount.set() }
            }
        }
    }

    /// Gives everything back, and expects the kernel to have each buffer once.
    private mutating func settle() throws {
        if let token {
            try ring.prepare(Cancel(token), tag: .cancel)
        }
        for _ in 0..<1000 where ring.inFlightCount > 0 {
            try ring.submit(waitingFor: 1, timeout: .milliseconds(100))
            while let completion = ring.nextCompletion() { drop(completion) }
        }
        require(ring.inFlightCount == 0, "something does not end")
        while let one = kept.popLast() { drop(one) }
        handOver()
        thread?.join()
        thread = nil
        try expectWhole(pool)
    }

    /// Ends the ring before the pool, or after it, with leases in several hands.
    private consuming func end(isSettled: Bool) -> Counts {
        let (counts, damageCount) = (counts, damageCount)
        if !isSettled { handOver() }
        let thread = thread
        let kept = kept
        finish()
        // What is kept is as it was, although ring and pool are gone.
        let isIntact = kept.allSatisfy { $0.isIntact }
        #expect(isIntact)
        thread?.join()
        #expect(!damageCount.value)
        return counts
    }

    /// Drops the ring and the pool.
    private consuming func finish() {}
}
