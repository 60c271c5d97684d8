// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

@Suite struct BufferBundleTests {
    private typealias Place = (identifier: Int, start: Int, count: Int)

    /// What a pool has to do, worked out buffer by buffer.
    private struct Model {
        let byteCount = 32
        let mode: BufferRing.Mode
        /// The buffers that the kernel has, in its order, with what is used of each.
        var queue: [(identifier: Int, used: Int)] = (0..<8).map { ($0, 0) }
        var leaseCounts = [Int](repeating: 0, count: 8)

        var room: Int { queue.reduce(0) { $0 + byteCount - $1.used } }

        /// Receives so many bytes: what the kernel says of them, and where they have to be leased.
        mutating func receive(_ count: Int) -> (entry: CompletionEntry, places: [Place]) {
            let first = queue[0].identifier
            var places: [Place] = []
            var remaining = count
            var flags: CompletionFlags = []
            repeat {
                let here = min(remaining, byteCount - queue[0].used)
                places.append((queue[0].identifier, queue[0].used, here))
                leaseCounts[queue[0].identifier] += 1
                queue[0].used += here
                remaining -= here
                let goesOn = mode.isIncremental && queue[0].used < byteCount
                flags = goesOn ? .bufferMore : []
                if !goesOn { queue.removeFirst() }
            } while remaining > 0
            return (named(first, result: Int32(count), flags), places)
        }

        /// A lease is dropped.
        mutating func giveBack(_ identifier: Int) {
            leaseCounts[identifier] -= 1
            if leaseCounts[identifier] == 0 && !queue.contains(where: { $0.identifier == identifier }) { queue.append((identifier, 0)) }
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

    @Test(arguments: [BufferRing.Mode.whole, .incremental()])
    func everyByteIsLeasedWhereItIs(mode: BufferRing.Mode) throws {
        var ring = try Ring<Int>(entries: 8)
        // Made-up completions, so that all there can be come, in any order with leases that go back.
        let pool = try ring.makeBufferRing(count: 8, byteCount: 32, mode: mode)
        var generator = SeededGenerator(seed: 3)
        var model = Model(mode: mode)
        var kept: [Kept] = []
        var read: [(entry: CompletionEntry, places: [Place])] = []
        let memory = unsafe Int(pool.state.registration.entries[0].addr)
        for _ in 0..<20_000 {
            if model.room > 0, Bool.random(using: &generator) {
                let (entry, places) = model.receive(Int.random(in: 1...min(model.room, 100), using: &generator))
                read.append((mode.isIncremental ? pool.state.record(entry) : entry, places))
            }
            // What was read of an incremental pool is taken at any time and in any order.
            if !read.isEmpty, !mode.isIncremental || Bool.random(using: &generator) {
                let (entry, places) = read.remove(at: Int.random(in: 0..<read.count, using: &generator))
                let taken = Int.random(in: 0...places.count, using: &generator)
                var bundle = pool.state.bundle(entry)
                #expect(bundle.count == places.count && bundle.byteCount == Int(entry.result))
                for place in places[..<taken] {
                    guard let lease = bundle.next() else { throw NoCompletion() }
                    #expect(address(lease) - memory == place.identifier * 32 + place.start && lease.count == place.count)
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
        for (entry, _) in read { drop(pool.state.bundle(entry)) }
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
}
