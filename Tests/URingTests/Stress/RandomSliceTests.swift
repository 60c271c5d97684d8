// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import URing

/// Registered buffers that are taken, split, given back, replaced and cloned at random.
@Suite struct RandomSliceTests {
    /// Slices with bytes of their own, which nobody else may change.
    private struct Marked: ~Copyable {
        var slices = MemoryVector<RegisteredSlice>()
        private var marks: [UInt8] = []
        private var next: UInt8 = 0

        mutating func add(_ slice: consuming RegisteredSlice) {
            next &+= 1
            marks.append(next)
            slices.append(slice)
            mark(at: slices.count - 1)
        }

        private mutating func mark(at index: Int) {
            slices[index].truncate(to: 0)
            slices[index].append(repeating: marks[index], count: slices[index].byteCapacity)
        }

        mutating func split(at index: Int, using random: inout SeededGenerator) {
            let rest = slices[index].split(at: Int.random(in: 0...slices[index].byteCapacity, using: &random))
            expectUnchanged(index)
            add(rest)
        }

        mutating func remove(at index: Int) {
            expectUnchanged(index)
            guard let last = slices.popLast(), let mark = marks.popLast() else { return }
            if index == slices.count { return }
            marks[index] = mark
            drop(slices.replace(at: index, with: last))
        }

        func expectUnchanged(_ index: Int) {
            let isUnchanged = slices[index].copyBytes() == [UInt8](repeating: marks[index], count: slices[index].byteCapacity)
            precondition(isUnchanged, "a slice was changed by another")
        }
    }

    private static func use(seed: UInt64, stepCount: Int) throws {
        var random = SeededGenerator(seed: seed)
        var ring = try Ring<Int>(entries: 2)
        var other = try Ring<Int>(entries: 2)
        let buffers = try ring.makeRegisteredBuffers(count: 8, byteCount: 4096, slotCount: 12)
        let clones = try other.makeRegisteredBuffers(cloning: buffers, toSlot: 2)
        var marked = Marked()
        for _ in 0..<stepCount {
            let slot = Int.random(in: 0..<12, using: &random)
            let index = Int.random(in: 0..<max(marked.slices.count, 1), using: &random)
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<15: if let slice = buffers.take() { marked.add(slice) }
            case 15..<25: if let slice = clones.take() { marked.add(slice) }
            case 25..<35: if let slice = clones.take(slot: slot + 2) { marked.add(slice) }
            case 35..<55: if (1..<300).contains(marked.slices.count) { marked.split(at: index, using: &random) }
            case 55..<88: if marked.slices.count > 0 { marked.remove(at: index) }
            case 88..<93: try buffers.register(Buffer(byteCapacity: 4096), inSlot: slot)
            case 93..<96: try clones.unregister(slot: slot)
            case 96..<98: try clones.clone(slots: 3..<7, of: buffers, toSlot: slot - slot % 4)
            default: try buffers.clone(slots: slot..<(slot + 2), of: clones, toSlot: slot - slot % 2)
            }
        }
        for index in 0..<marked.slices.count { marked.expectUnchanged(index) }
        if seed % 2 == 0 {
            drop(marked)
            precondition(buffers.freeCount == buffers.count && clones.freeCount == clones.count, "a buffer did not come back")
        } else {
            drop(buffers)
            drop(clones)
        }
    }

    @Test func slicesNeverOverlapAndNothingIsLeaked() async {
        await #expect(processExitsWith: .success) {
            // What is kept for reuse has its size after some of them.
            for seed in 1...8 as ClosedRange<UInt64> { try RandomSliceTests.use(seed: seed, stepCount: 3000) }
            // So many buffers are registered that a few of them would show.
            try requireNothingIsLeaked(but: 40_000) {
                for seed in 9...16 as ClosedRange<UInt64> { try RandomSliceTests.use(seed: seed, stepCount: 3000) }
            }
        }
    }
}
