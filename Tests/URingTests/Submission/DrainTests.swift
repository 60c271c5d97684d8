// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// Zero-copy sends beside what drains: they would wait for their own notifications, and nothing could end that.
@Suite struct DrainTests {
    private static let kinds: [RingKind] = [.plain, .deferred, .polled]

    @Test func aZeroCopySendDoesNotDrain() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        #expect(throws: Errno.notSupported) {
            try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 0, options: .drain)
        }
        #expect(throws: Errno.notSupported) {
            try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 0, timeout: .after(.seconds(1)), options: .drain)
        }
        #expect(throws: ChainError.failed(.notSupported)) {
            try ring.link { (chain) throws(ChainError) in
                _ = try chain.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 0, options: .drain)
            }
        }
        // What is taken back does not, either.
        #expect(throws: NoCompletion.self) {
            try ring.link { chain in
                try chain.prepare(Nop(), tag: 0, options: .drain)
                throw NoCompletion()
            }
        }
        // Nothing drained, so it can be sent.
        let count = try ring.runZeroCopy(SendZeroCopy(pair.client, from: Buffer(copying: [1, 2])), tag: 1)
        #expect(count == 2 && ring.inFlightCount == 0)
    }

    @Test(arguments: kinds) func whatDrainsComesBehindAZeroCopySend(kind: RingKind) throws {
        try withRing(kind) { ring in
            let pair = try TCPPair()
            try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1, 2, 3])), tag: 0)
            try ring.prepare(Nop(), tag: 1, options: .drain)
            let result = try ring.nextCompletionWaiting().event(SendZeroCopy<Buffer>.self).expectMore()
            #expect(result == 3)
            #expect(pair.server.receiveBounded(3)?.count == 3)
            let completed = try ring.nextCompletionWaiting().event(SendZeroCopy<Buffer>.self).expectFinished()
            #expect(completed.entry.flags.contains(.notification))
            let tag = try ring.nextCompletionWaiting().tag
            #expect(tag == 1)
        }
    }

    @Test(arguments: kinds) func noZeroCopySendComesBehindWhatDrains(kind: RingKind) throws {
        try withRing(kind) { ring in
            let pair = try TCPPair()
            let group = ring.makeNotificationGroup()
            try ring.prepare(Nop(), tag: 1, options: .drain)
            for isDone in [false, true] {
                if isDone { _ = try ring.nextCompletionWaiting() }
                #expect(throws: Errno.notSupported) {
                    try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 2)
                }
                #expect(throws: Errno.notSupported) {
                    try ring.prepare(MergedNotification(SendZeroCopy(pair.client, from: Buffer(copying: [1]))), tag: 2)
                }
                #expect(throws: Errno.notSupported) {
                    try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 2, options: .asynchronous)
                }
                #expect(throws: Errno.notSupported) {
                    try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 2, timeout: .after(.seconds(1)))
                }
                #expect(throws: Errno.notSupported) {
                    try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 2, in: group)
                }
                #expect(throws: Errno.notSupported) {
                    try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 2, notificationTag: 3)
                }
                #expect(throws: ChainError.failed(.notSupported)) {
                    try ring.link { (chain) throws(ChainError) in
                        _ = try chain.prepare(Nop(), tag: 4)
                        _ = try chain.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 2)
                    }
                }
            }
            #expect(ring.inFlightCount == 0)
            // What copies can be sent, and what kept the sends' completions is empty.
            let count = try ring.run(Send(pair.client, from: Buffer(copying: [1, 2])), tag: 5).result.get()
            #expect(count == 2 && group.outstandingCount == 0)
        }
    }

    @Test(arguments: [false, true]) func whatDrainsMayHaveALimitOrBeOfAChain(isOfChain: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        if isOfChain {
            try ring.link { chain in
                try chain.prepare(Nop(), tag: 1)
                try chain.prepare(Nop(), tag: 1, options: .drain)
            }
        } else {
            try ring.prepare(Nop(), tag: 1, timeout: .after(.seconds(60)), options: .drain)
        }
        #expect(throws: Errno.notSupported) {
            try ring.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 2)
        }
    }

    @Test func oneThatHasEndedIsNotPreparedAgainBehindWhatDrains() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        let ledger = Ledger()
        try ring.prepare(SendZeroCopy(pair.client, from: CountedMemory(ledger, byteCapacity: 8, filledWith: 7)), tag: 0)
        _ = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectMore()
        #expect(pair.server.receiveBounded(8)?.count == 8)
        let completion = try ring.nextCompletionWaiting()
        try ring.prepare(Nop(), tag: 1, options: .drain)
        var error: Errno?
        do { try ring.prepareAgain(completion, as: SendZeroCopy<CountedMemory>.self) { _, _ in } } catch let errno as Errno {
            error = errno
        }
        #expect(error == .notSupported)
        #expect(ledger.isSettled)
        let tag = try ring.nextCompletionWaiting().tag
        #expect(tag == 1 && ring.inFlightCount == 0)
    }

    @Test func whatDrainsWithinAChainWaitsForNoSendOfIts() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        #expect(throws: ChainError.failed(.notSupported)) {
            try ring.link { (chain) throws(ChainError) in
                _ = try chain.prepare(Nop(), tag: 0)
                _ = try chain.prepare(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 1)
                _ = try chain.prepare(Nop(), tag: 2, options: .drain)
            }
        }
        // The chain is not, so nothing drained.
        let count = try ring.runZeroCopy(SendZeroCopy(pair.client, from: Buffer(copying: [1, 2])), tag: 3)
        #expect(count == 2 && ring.inFlightCount == 0)
    }
}

extension Ring where Tag == Int {
    /// Sends, waits for the notification, and says how much was sent.
    fileprivate mutating func runZeroCopy(_ operation: consuming SendZeroCopy<Buffer>, tag: Int) throws -> Int {
        try prepare(operation, tag: tag)
        while true {
            if case .finished(let completed) = try nextCompletionWaiting().event(SendZeroCopy<Buffer>.self) {
                return try completed.result.get()
            }
        }
    }
}
