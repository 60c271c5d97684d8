// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import SystemPackage
import Testing

@testable import URing

/// Row M6: a result that is a resource is released when nobody takes it.
@Suite struct M6UnclaimedResultTests {
    @Test func aDroppedCompletionReleasesItsResult() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        try ring.prepare(HandOver(first), tag: 0)
        let completion = try ring.nextCompletionWaiting()
        #expect(isPeerGone(second) == false)
        _ = consume completion
        #expect(peerGoes(second) == true)
    }

    @Test func aDroppedCompletedReleasesItsResult() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        let completed = try ring.run(HandOver(first))
        #expect(isPeerGone(second) == false)
        _ = consume completed
        #expect(peerGoes(second) == true)
    }

    @Test func aTakenResultLives() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        let completed = try ring.run(HandOver(first))
        switch consume completed.result {
        case .success(let descriptor):
            #expect(isPeerGone(second) == false)
            send([1], to: second)
            let read = try ring.run(Read(descriptor, into: Buffer(byteCapacity: 8)))
            #expect(read.result == .success(1))
        case .failure(let errno): Issue.record(errno)
        }
        #expect(peerGoes(second) == true)
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func aDroppedRingReleasesResultsThatNobodyReaped(options: RingOptions) throws {
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        do {
            var ring = try Ring<Int>(entries: 8, options: options)
            try ring.prepare(HandOver(first), tag: 0)
            try ring.submit()
            #expect(isPeerGone(second) == false)
        }
        #expect(peerGoes(second) == true)
    }

    @Test func aCompletionThatOutlivesItsRingReleasesItsResult() throws {
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        var completion: Completion<Int>?
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(HandOver(first), tag: 0)
            completion = try ring.nextCompletionWaiting()
        }
        #expect(isPeerGone(second) == false)
        completion = nil
        #expect(completion == nil && peerGoes(second))
    }

    private func listener() -> Descriptor { unsafe Descriptor(adopting: FileDescriptor(rawValue: test_listen())) }

    private func connect(to listener: borrowing Descriptor) -> Descriptor {
        unsafe Descriptor(adopting: FileDescriptor(rawValue: test_connect(listener.unowned.fileDescriptor.rawValue)))
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func connectionsThatWereAcceptedAndNotTakenAreClosedWithTheRing(options: RingOptions) throws {
        let ledger = Ledger()
        let listener = listener()
        let first = connect(to: listener)
        let second = connect(to: listener)
        let third = connect(to: listener)
        do {
            var ring = try Ring<Int>(entries: 8, options: options)
            try ring.prepare(AcceptAll(listener, ledger.life()), tag: 0)
            try ring.submit()
            let accepted = try ring.nextCompletionWaiting()
            #expect(!isPeerGone(first) && accepted.hasMore)
        }
        #expect(peerGoes(first) && peerGoes(second))
        // The third may still wait in the listener's queue; its peer goes with the listener.
        #expect(ledger.isSettled && !listener.isHeld)
        _ = consume listener
        #expect(peerGoes(third) == true)
    }

    @Test func aDroppedEventReleasesItsResultAndTheOperationGoesOn() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let listener = listener()
        try ring.prepare(AcceptAll(listener, ledger.life()), tag: 0)
        try ring.submit()
        for _ in 0..<10 {
            let peer = connect(to: listener)
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.hasMore && !isPeerGone(peer))
            _ = consume completion
            #expect(peerGoes(peer) == true)
        }
        let peer = connect(to: listener)
        switch try ring.nextCompletionWaiting().event(AcceptAll.self) {
        case .more(let result):
            #expect(isPeerGone(peer) == false)
            _ = consume result
            #expect(peerGoes(peer) == true)
        case .finished: Issue.record("it goes on")
        }
        #expect(ledger.aliveCount == 1)
    }
}
