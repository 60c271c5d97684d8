// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// M9: memory that lies in the value itself moves with it until it is in its slot, so pointers are taken only there.
@Suite struct StorageThatMovesTests {
    @Test func aReadIntoAValueThatHoldsItsBytesLandsInIt() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        var bytes = InlineBytes<16>()
        for round in 1...3 {
            // It moves into the operation, then into the slot, then waits, and comes back by two moves more.
            let read = Read(pipe.first, into: bytes)
            let token = try ring.prepare(read, tag: round)
            try ring.submit()
            try write(UInt8(round), to: pipe.second)
            let completed = try ring.nextCompletionWaiting().take(token)
            #expect(try completed.result.get() == 1)
            bytes = completed.operation.memory
            #expect(bytes.array == [UInt8(round)])
        }
    }

    @Test func aReadIntoALargeValueLandsInItsBox() throws {
        let capacity = SlotLayout.capacity(payloadOffset: SlotLayout.payloadOffset(Int.self))
        #expect(PayloadLayout.isBoxed(Read<InlineBytes<4096>>.self, capacity: capacity))
        #expect(!PayloadLayout.isBoxed(Read<InlineBytes<16>>.self, capacity: capacity))
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Read(pipe.first, into: InlineBytes<4096>()), tag: 1)
        try ring.submit()
        let sent = pattern(4000)
        let written = try pipe.second.unowned.fileDescriptor.writeAll(sent)
        #expect(written == 4000)
        let completed = try ring.nextCompletionWaiting().take(token)
        #expect(try completed.result.get() == 4000)
        #expect(completed.operation.memory.array == sent)
    }

    @Test func aSlotStaysWhereItIsWhenTheTableGrows() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Read(pipe.first, into: InlineBytes<16>()), tag: -1)
        // More than a chunk of slots, all in flight.
        for tag in 0..<2000 { try ring.prepare(Timeout(after: .seconds(3600)), tag: tag) }
        try ring.submit()
        #expect(ring.inFlightCount == 2001)
        try write(42, to: pipe.second)
        let completed = try ring.nextCompletionWaiting().take(token)
        #expect(try completed.result.get() == 1)
        #expect(completed.operation.memory.array == [42])
    }
}

/// Room for bytes in the value itself.
private struct InlineBytes<let capacity: Int>: ByteDestination, ~Copyable {
    private var storage = InlineArray<capacity, UInt8>(repeating: 0)
    private(set) var initializedByteCount = 0

    var byteCapacity: Int { capacity }

    @unsafe var kernelRoom: UnsafeMutableRawBufferPointer {
        mutating get {
            // SAFETY: the operation asks for this where it lies until its last completion.
            unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0 }
        }
    }

    mutating func didInitialize(byteCount: Int) { initializedByteCount = byteCount }

    var array: [UInt8] { (0..<initializedByteCount).map { storage[$0] } }
}
