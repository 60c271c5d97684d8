// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// Row M13: a descriptor's number must not come to mean another file while an operation is on its way to it.
@Suite struct M13DescriptorReuseTests {
    @Test func aReadGoesToTheRightFileThoughItsDescriptorWasDroppedBeforehand() throws {
        let directory = try TemporaryDirectory()
        let right = try directory.file("right", containing: Array(repeating: 1 as UInt8, count: 100))
        let wrong = try directory.file("wrong", containing: Array(repeating: 2 as UInt8, count: 100))
        var ring = try Ring<Int>(entries: 8)
        for _ in 0..<100 {
            let file = try Descriptor(opening: right)
            let number = file.unowned.fileDescriptor.rawValue
            try ring.prepare(Read(file, into: Buffer(byteCapacity: 200), at: 0), tag: 0)
            _ = consume file
            // The lowest free number is what the next file gets.
            let other = try Descriptor(opening: wrong)
            #expect(other.unowned.fileDescriptor.rawValue != number)
            #expect(target(of: number) == right.string)
            let completed = try ring.nextCompletionWaiting().take(Read<Buffer>.self)
            #expect(completed.operation.memory.copyBytes() == Array(repeating: 1, count: 100))
            #expect(target(of: number) == right.string)
            _ = consume completed
            #expect(target(of: number) != right.string)
            #expect(target(of: other.unowned.fileDescriptor.rawValue) == wrong.string)
        }
    }

    @Test func aPendingReadKeepsItsSocketOpen() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        let number = first.unowned.fileDescriptor.rawValue
        let file = target(of: number)
        try ring.prepare(Read(first, into: Buffer(byteCapacity: 8)), tag: 0)
        try ring.submit()
        let isClosed = try first.close()
        #expect(!isClosed && target(of: number) == file)
        #expect(isPeerGone(second) == false)
        #expect(send([4, 5], to: second) == 2)
        let completed = try ring.nextCompletionWaiting().take(Read<Buffer>.self)
        #expect(completed.operation.memory.copyBytes() == [4, 5])
        #expect(isPeerGone(second) == false)
        _ = consume completed
        #expect(peerGoes(second) && target(of: number) != file)
    }

    @Test func aRingsEndClosesWhatOnlyItsOperationsHeld() throws {
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Read(first, into: Buffer(byteCapacity: 8)), tag: 0)
            try ring.submit()
            try ring.prepare(Read(first, into: Buffer(byteCapacity: 8)), tag: 1)
            _ = consume first
            #expect(isPeerGone(second) == false)
        }
        #expect(peerGoes(second) == true)
    }
}
