// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import URing

/// Counts how often each of the values it gave a life to has ended.
final class Ledger {
    private(set) var endings: [UInt8] = []

    /// A life for a value: what owns it ends when it ends.
    func life() -> Life {
        endings.append(0)
        return Life(ledger: self, number: endings.count - 1)
    }

    fileprivate func end(_ number: Int) { endings[number] += 1 }

    var bornCount: Int { endings.count }

    var aliveCount: Int { endings.count { $0 == 0 } }

    /// Whether each value has ended, and none twice.
    var isSettled: Bool { endings.allSatisfy { $0 == 1 } }
}

/// One value's life, as its ledger counts it.
struct Life: ~Copyable {
    let ledger: Ledger
    let number: Int

    deinit {
        ledger.end(number)
    }
}

/// Memory whose end is counted.
struct CountedMemory: ~Copyable, ByteSource, ByteDestination {
    let life: Life
    var buffer: Buffer

    init(_ ledger: Ledger, byteCapacity: Int, filledWith byte: UInt8? = nil) {
        life = ledger.life()
        buffer = Buffer(byteCapacity: byteCapacity)
        if let byte { buffer.append(repeating: byte, count: byteCapacity) }
    }

    @unsafe var kernelBytes: UnsafeRawBufferPointer { unsafe buffer.kernelBytes }

    @unsafe var kernelRoom: UnsafeMutableRawBufferPointer { mutating get { unsafe buffer.kernelRoom } }

    var initializedByteCount: Int { buffer.initializedByteCount }

    var byteCapacity: Int { buffer.byteCapacity }

    mutating func didInitialize(byteCount: Int) { unsafe buffer.didInitialize(byteCount: byteCount) }
}

/// Takes over memory whose owner has let go of it, and finds writes that come later.
@safe final class Graveyard {
    private static let pattern: UInt8 = 0xa5
    private var graves: [UnsafeMutableRawBufferPointer] = unsafe []

    var count: Int { unsafe graves.count }

    fileprivate func bury(_ memory: UnsafeMutableRawBufferPointer) {
        if let start = memory.baseAddress { unsafe memset(start, Int32(Graveyard.pattern), memory.count) }
        unsafe graves.append(memory)
    }

    /// How much was written after its owner had let go, as far as the starts of the blocks show it.
    func lateWriteCount() -> Int {
        var count = 0
        // A look at every block of the disk's is enough, and the memory is large.
        let expected = UInt64(Graveyard.pattern) * 0x0101_0101_0101_0101
        for index in unsafe graves.indices {
            let grave = unsafe graves[index]
            for offset in stride(from: 0, to: grave.count, by: 512)
            where unsafe grave.load(fromByteOffset: offset, as: UInt64.self) != expected {
                count += 8
            }
        }
        return count
    }

    deinit {
        for index in unsafe graves.indices { unsafe graves[index].deallocate() }
    }
}

/// Memory that goes to a graveyard when its owner lets go; the byte count is a multiple of 512.
@safe struct BuriedMemory: ~Copyable, ByteDestination {
    private let graveyard: Graveyard
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var initializedByteCount = 0

    init(_ graveyard: Graveyard, byteCapacity: Int) {
        self.graveyard = graveyard
        unsafe memory = .allocate(byteCount: byteCapacity, alignment: 4096)
        if let start = unsafe memory.baseAddress { unsafe memset(start, 0, byteCapacity) }
    }

    deinit {
        unsafe graveyard.bury(memory)
    }

    @unsafe var kernelRoom: UnsafeMutableRawBufferPointer { mutating get { unsafe memory } }

    var byteCapacity: Int { unsafe memory.count }

    mutating func didInitialize(byteCount: Int) { initializedByteCount = byteCount }
}

/// A generator that gives the same numbers every time (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
