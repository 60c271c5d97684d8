// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// P5: completions that do not fit into the queue are fetched, each of them once.
@Suite struct OverflowTests {
    /// Operations that are to complete all at once.
    enum Waiting: CaseIterable {
        case polls, reads
    }

    @Test(arguments: [RingOptions.recommended, RingOptions(), RingOptions([.cooperativeTaskRun, .showsPendingTaskRun])], Waiting.allCases)
    func overflowOfOperationsInFlightLosesAndDoublesNothing(options: RingOptions, waiting: Waiting) throws {
        var options = options
        options.completionQueueEntries = 2
        var ring = try Ring<Int>(entries: 2, options: options)
        let pipe = try DescriptorPair.pipe()
        let bytes = pattern(4000)
        for tag in bytes.indices {
            switch waiting {
            case .polls: try ring.prepare(Poll(pipe.first, for: .input), tag: tag)
            case .reads: try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 1)), tag: tag)
            }
        }
        try ring.submit()
        try ring.expectNoCompletion()
        #expect(ring.inFlightCount == bytes.count && ring.overflowCount == 0)
        _ = try pipe.second.unowned.fileDescriptor.writeAll(bytes)
        var seen = [Int](repeating: 0, count: bytes.count)
        var received: [UInt8] = []
        // The kernel shows that there are some, and asking for the next one is all it takes.
        while let completion = ring.nextCompletion() {
            seen[completion.tag] += 1
            switch waiting {
            case .polls: #expect(try completion.take(Poll.self).result.get() == .input)
            case .reads: received += completion.take(Read<Buffer>.self).operation.memory.copyBytes()
            }
        }
        #expect(seen.allSatisfy { $0 == 1 })
        // Which read gets which byte is the kernel's choice, but each byte is read by one.
        if waiting == .reads { #expect(received.sorted() == bytes.sorted()) }
        #expect(ring.overflowCount > 0 && ring.inFlightCount == 0)
        try ring.expectNoCompletion()
    }

    @Test func aSubmissionFetchesTheBacklogToo() throws {
        var options = RingOptions.recommended
        options.completionQueueEntries = 2
        var ring = try Ring<Int>(entries: 2, options: options)
        for tag in 0..<8 { try ring.prepare(Nop(), tag: tag) }
        try ring.submit()
        for tag in 0..<2 {
            let next = ring.nextTag()
            #expect(next == tag)
        }
        // With nothing to submit, and then with something.
        #expect(ring.readyCount == 0)
        let before = ring.overflowCount
        try ring.submit()
        #expect(ring.readyCount == 2 && ring.overflowCount == before + 1)
        for tag in 2..<4 {
            let next = ring.nextTag()
            #expect(next == tag)
        }
        try ring.prepare(Nop(), tag: 8)
        let result = try ring.submit()
        #expect(result == SubmitResult(submitted: 1))
        #expect(ring.readyCount == 2 && ring.overflowCount == before + 2)
        for tag in 4..<9 {
            let next = ring.nextTag()
            #expect(next == tag)
        }
        #expect(ring.inFlightCount == 0)
    }
}

extension Ring where Tag == Int {
    /// The tag of the next completion, without waiting for one.
    fileprivate mutating func nextTag() -> Int? {
        if let completion = nextCompletion() { return completion.tag }
        return nil
    }
}
