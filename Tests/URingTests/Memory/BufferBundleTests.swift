// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

@Suite struct BufferBundleTests {
    private typealias Place = (identifier: Int, count: Int)

    /// What a pool has to do, worked out buffer by buffer.
    private struct Model {
        let byteCount = 32
        /// The buffers that the kernel has, in its order.
        var queue = Array(0..<8)
        var leaseCounts = [Int](repeating: 0, count: 8)

        var room: Int { queue.count * byteCount }

        /// Receives so many bytes: what the kernel says of them, and where they have to be leased.
        mutating func receive(_ count: Int) -> (entry: CompletionEntry, places: [Place]) {
            let first = queue[0]
            var places: [Place] = []
            var remaining = count
            repeat {
                let here = min(remaining, byteCount)
                places.append((queue[0], here))
                leaseCounts[queue.removeFirst()] += 1
                remaining -= here
            } while remaining > 0
            return (named(first, result: Int32(count)), places)
        }

        /// A lease is dropped.
        mutating func giveBack(_ identifier: Int) {
            leaseCounts[identifier] -= 1
            if leaseCounts[identifier] == 0 { queue.append(identifier) }
        }
    }

    private final class Kept {
        let identifier: Int
        let lease: BufferLease

        init(_ identifier: Int, _ lease: consuming BufferLease) {
            self.identifier = identifier
            self.lease = lease
        }
    }

    private func address(_ lease: borrowing BufferLease) -> Int { unsafe Int(bitPattern: lease.kernelBytes.baseAddress) }

    @Test func everyByteIsLeasedWhereItIs() throws {
        var ring = try Ring<Int>(entries: 8)
        // Made-up completions, so that all there can be come, in any order with leases that go back.
        let pool = try ring.makeBufferRing(count: 8, byteCount: 32)
        var generator = SeededGenerator(seed: 3)
        var model = Model()
        var kept: [Kept] = []
        let memory = unsafe Int(pool.state.registration.entries[0].addr)
        for _ in 0..<20_000 {
            if model.room > 0, Bool.random(using: &generator) {
                let (entry, places) = model.receive(Int.random(in: 1...min(model.room, 100), using: &generator))
                let taken = Int.random(in: 0...places.count, using: &generator)
                var bundle = pool.state.bundle(entry)
                #expect(bundle.count == places.count && bundle.byteCount == Int(entry.result))
                for place in places[..<taken] {
                    guard let lease = bundle.next() else { throw NoCompletion() }
                    #expect(address(lease) - memory == place.identifier * 32 && lease.count == place.count)
                    kept.append(Kept(place.identifier, lease))
                }
                #expect(bundle.count == places.count - taken)
                drop(bundle)
                for place in places[taken...] { model.giveBack(place.identifier) }
            } else if !kept.isEmpty {
                let index = Int.random(in: 0..<kept.count, using: &generator)
                model.giveBack(kept[index].identifier)
                kept.remove(at: index)
            }
            #expect(pool.availableCount == model.queue.count && pool.leaseCount == model.leaseCounts.reduce(0, +))
        }
        kept.removeAll()
        #expect(pool.availableCount == 8 && pool.leaseCount == 0)
    }

    @Test func nothingIsABundleOfNothing() {
        var bundle = BufferBundle()
        #expect(bundle.count == 0 && bundle.count == 0)
        if bundle.next() != nil { Issue.record("a lease of nothing") }
    }

    @Test func moreThanTheKernelHadTraps() async {
        expectSentence(
            "The kernel filled more buffers than it had.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
                drop(pool.state.bundle(named(0, result: 129)))
            })
    }

    @Test func aShortenedEntryIsFullEarlier() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
        // As the kernel leaves it when it wanted only a part of the buffer, and then nothing.
        unsafe pool.state.registration.entries[0].len = 24
        let counts = pool.state.bundle(named(0, result: 40)).byteCounts()
        #expect(counts == [24, 16])
    }

    /// Its entry is another buffer's by then.
    @Test(arguments: [(24, 64, [24, 16]), (64, 24, [40])])
    func aBundleThatIsTakenLateLiesWhereItLay(_ lengthThen: UInt32, _ lengthNow: UInt32, _ expected: [Int]) throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 64)
        let pair = try DescriptorPair.sockets()
        try ring.prepare(ReceiveBundleMultishot(pair.first, into: pool), tag: 0)
        // The completion of buffers 0 and perhaps 1 is kept, while buffer 2 goes back into the entry of buffer 0.
        unsafe pool.state.registration.entries[0].len = lengthThen
        drop(pool.state.bundle(named(2, result: 64)))
        unsafe #expect(pool.state.registration.entries[0].bid == 2 && pool.state.registration.entries[0].len == 64)
        unsafe pool.state.registration.entries[0].len = lengthNow
        let counts = pool.state.bundle(named(0, result: 40)).byteCounts()
        #expect(counts == expected && pool.availableCount == 4)
    }
}
