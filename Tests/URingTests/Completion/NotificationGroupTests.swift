// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct NotificationGroupTests {
    typealias Send = SendZeroCopy<CountedMemory>

    /// Prepares a send of so many equal bytes in a group, and takes its result.
    private func send(
        _ byte: UInt8, count: Int = 65536, on connection: borrowing StalledConnection, _ ring: inout Ring<Int>, _ ledger: Ledger,
        in group: borrowing NotificationGroup<Int>, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let memory = CountedMemory(ledger, byteCapacity: count, filledWith: byte)
        try ring.prepare(SendZeroCopy(connection.sender, from: memory), tag: Int(byte), in: group)
        let completion = try ring.nextCompletionWaiting()
        #expect(completion.tag == Int(byte), sourceLocation: sourceLocation)
        let sent = try completion.event(Send.self).expectMore()
        #expect(sent == count, sourceLocation: sourceLocation)
    }

    /// Prepares the flush, and expects that it does not complete yet.
    private func flushEarly(_ group: consuming NotificationGroup<Int>, _ ring: inout Ring<Int>) throws {
        try ring.flush(group, tag: 1000)
        try ring.submit(waitingFor: 1)
        try ring.expectNoCompletion()
    }

    /// Waits until no more than so many notifications are out, and expects that no completion comes with them.
    private func waitForNotifications(_ ring: inout Ring<Int>, downTo count: Int) throws {
        for _ in 0..<100 where ring.outstandingNotifications > count {
            try ring.submit(waitingFor: 1, timeout: .milliseconds(200))
            try ring.expectNoCompletion()
        }
        #expect(ring.outstandingNotifications == count)
    }

    /// Takes the flush's completion, and gives the bytes of the sends that the group has kept, in order.
    private func bytesOfFlushed(_ ring: inout Ring<Int>) throws -> [UInt8] {
        let completion = try ring.nextCompletionWaiting()
        #expect(completion.tag == 1000)
        var completed = completion.take(FlushNotifications<Int>.self)
        try completed.result.get()
        return try bytesOfKept(&completed.operation.group)
    }

    private func bytesOfKept(_ group: inout NotificationGroup<Int>) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let completion = group.nextCompletion() {
            let tag = completion.tag
            let completed = try completion.event(Send.self).expectFinished()
            let byte = completed.operation.memory.buffer.copyBytes().first
            #expect(byte == UInt8(tag))
            bytes.append(UInt8(tag))
        }
        return bytes
    }

    // MARK: The event

    @Test func fourSendsToAStalledReceiverGiveOneEventAfterTheFourthRelease() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        let group = ring.makeNotificationGroup()
        for byte in 1...4 as ClosedRange<UInt8> { try send(byte, on: connection, &ring, ledger, in: group) }
        #expect(group.outstandingCount == 4 && group.keptCount == 0)
        try flushEarly(group, &ring)
        let wait = try ring.submit(waitingFor: 1, timeout: .milliseconds(150))
        #expect(wait.timedOut)
        try ring.expectNoCompletion()
        #expect(ring.outstandingNotifications == 4 && ledger.aliveCount == 4)
        for byte in 1...3 as ClosedRange<UInt8> {
            #expect(try connection.drain(65536) == [UInt8](repeating: byte, count: 65536))
            try waitForNotifications(&ring, downTo: 4 - Int(byte))
        }
        #expect(ledger.aliveCount == 4 && ring.inFlightCount == 1)
        #expect(try connection.drain(65536) == [UInt8](repeating: 4, count: 65536))
        #expect(try bytesOfFlushed(&ring) == [1, 2, 3, 4])
        #expect(ledger.isSettled && ring.inFlightCount == 0 && ring.outstandingNotifications == 0)
        try ring.expectNoCompletion()
    }

    @Test func sendsOnSeveralSocketsShareAGroupInTheOrderOfTheirRelease() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let first = try StalledConnection()
        let second = try StalledConnection()
        let third = try StalledConnection()
        let group = ring.makeNotificationGroup()
        try send(1, on: first, &ring, ledger, in: group)
        try send(2, on: second, &ring, ledger, in: group)
        try send(3, on: third, &ring, ledger, in: group)
        try flushEarly(group, &ring)
        _ = try second.drain(65536)
        try waitForNotifications(&ring, downTo: 2)
        _ = try third.drain(65536)
        try waitForNotifications(&ring, downTo: 1)
        _ = try first.drain(65536)
        #expect(try bytesOfFlushed(&ring) == [2, 3, 1])
        #expect(ledger.isSettled)
    }

    @Test func theCutLineIsTheCallers() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        let first = ring.makeNotificationGroup()
        var second = ring.makeNotificationGroup()
        try send(1, on: connection, &ring, ledger, in: first)
        try send(2, on: connection, &ring, ledger, in: first)
        try flushEarly(first, &ring)
        // What is sent from here on is not waited for.
        try send(3, on: connection, &ring, ledger, in: second)
        _ = try connection.drain(2 * 65536)
        #expect(try bytesOfFlushed(&ring) == [1, 2])
        #expect(second.outstandingCount == 1 && ledger.aliveCount == 1)
        _ = try connection.drain(65536)
        try waitForNotifications(&ring, downTo: 0)
        // Without a flush the group just keeps what comes.
        #expect(second.outstandingCount == 0 && second.keptCount == 1)
        #expect(try bytesOfKept(&second) == [3])
        #expect(second.keptCount == 0 && ledger.isSettled)
    }

    @Test func aFlushOfSendsThatAreOverComesAtOnce() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        let empty = ring.makeNotificationGroup()
        try ring.flush(empty, tag: 1000)
        #expect(try bytesOfFlushed(&ring) == [])
        let group = ring.makeNotificationGroup()
        try send(1, on: connection, &ring, ledger, in: group)
        try send(2, on: connection, &ring, ledger, in: group)
        _ = try connection.drain(2 * 65536)
        try waitForNotifications(&ring, downTo: 0)
        try ring.flush(group, tag: 1000)
        #expect(try bytesOfFlushed(&ring) == [1, 2])
        #expect(ledger.isSettled)
    }

    /// Flushes a group that has kept one send, which did not get as far as the socket.
    private func flushARefusedSend(_ ring: inout Ring<Int>, _ ledger: Ledger) throws -> Completed<FlushNotifications<Int>> {
        let pair = try TCPPair()
        let group = ring.makeNotificationGroup()
        let refused = SendZeroCopy(pair.client, from: CountedMemory(ledger, byteCapacity: 10, filledWith: 1))
        try ring.prepare(RefusedSend(base: refused), tag: 1, in: group)
        try ring.flush(group, tag: 1000)
        return try ring.nextCompletionWaiting().take(FlushNotifications<Int>.self)
    }

    @Test func aSendThatIsRefusedBeforehandIsKeptAsWell() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        var completed = try flushARefusedSend(&ring, ledger)
        #expect(ring.outstandingNotifications == 0)
        guard let completion = completed.operation.group.nextCompletion() else {
            Issue.record("the group has kept nothing")
            return
        }
        let send = try completion.event(RefusedSend.self).expectFinished()
        let result = send.result
        #expect(result == .failure(.invalidArgument) && ledger.aliveCount == 1)
        drop(send)
        #expect(ledger.isSettled)
    }

    /// Optimised, Swift 6.3.1 takes the end for a completion if the call that says so is neither inlined nor specialised.
    @Test func theEndOfWhatWasKeptIsNil() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        var completed = try flushARefusedSend(&ring, ledger)
        var count = 0
        while completed.operation.group.nextCompletion() != nil && count < 10 { count += 1 }
        #expect(count == 1)
        #expect(ledger.isSettled)
    }

    @Test func aFailedSendIsKeptWithItsFailure() throws {
        var ring = try Ring<Int>(entries: 8)
        let unix = try DescriptorPair.sockets()
        let group = ring.makeNotificationGroup()
        try ring.prepare(SendZeroCopy(unix.first, from: Buffer(copying: [1])), tag: 1, in: group)
        try ring.flush(group, tag: 1000)
        guard case .more(let result) = try ring.nextCompletionWaiting().event(SendZeroCopy<Buffer>.self) else {
            Issue.record("the result was kept")
            return
        }
        #expect(result == .failure(.notSupportedOnSocket))
        var completed = try ring.nextCompletionWaiting().take(FlushNotifications<Int>.self)
        #expect(completed.operation.group.keptCount == 1)
        if let kept = completed.operation.group.nextCompletion() {
            let send = try kept.event(SendZeroCopy<Buffer>.self).expectFinished()
            let repeated = send.result
            #expect(repeated == .failure(.notSupportedOnSocket))
        }
    }

    // MARK: Steady state

    @Test func aGroupIsUsedAgainWithoutAllocating() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 64)
            let receiver = try Descriptor.socket(.ipv4, .datagram)
            try receiver.bind(to: .ipv4Loopback(port: 0))
            let sender = try Descriptor.socket(.ipv4, .datagram)
            try sender.connectBlocking(to: try receiver.localAddress())
            var group = ring.makeNotificationGroup()
            for index in 0..<40 {
                try ring.prepare(SendZeroCopy(sender, from: Buffer(copying: [1, 2, 3])), tag: index, in: group)
            }
            var allocated: Int?
            for round in 0..<200 {
                try ring.flush(group, tag: 1000)
                while true {
                    let completion = try ring.nextCompletionWaiting()
                    if completion.tag == 1000 {
                        let flushed = completion.take(FlushNotifications<Int>.self)
                        group = flushed.operation.group
                        break
                    }
                    _ = try completion.event(SendZeroCopy<Buffer>.self).expectMore()
                }
                precondition(group.keptCount == 40)
                for _ in 0..<40 {
                    guard let completion = group.nextCompletion() else { fatalError("too few are kept") }
                    let tag = completion.tag
                    try ring.prepare(
                        completion.event(SendZeroCopy<Buffer>.self).expectFinished().operation, tag: tag, in: group)
                }
                if round == 10 { allocated = test_allocated_byte_count() }
            }
            // The allocator may keep a little for itself.
            let limit = try #require(allocated) + 4096
            try #require(test_allocated_byte_count() < limit, "something was allocated and kept")
        }
        #expect(result != nil)
    }

    @Test func countsOutstandingNotifications() throws {
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        #expect(ring.outstandingNotifications == 0)
        for tag in 1...3 {
            try ring.prepare(SendZeroCopy(connection.sender, from: Buffer(copying: [UInt8](repeating: 1, count: 65536))), tag: tag)
            #expect(ring.outstandingNotifications == tag - 1)
            drop(try ring.nextCompletionWaiting())
            #expect(ring.outstandingNotifications == tag)
        }
        _ = try connection.drain(65536)
        drop(try ring.nextCompletionWaiting())
        #expect(ring.outstandingNotifications == 2 && ring.inFlightCount == 2)
        _ = try connection.drain(2 * 65536)
        drop(try ring.nextCompletionWaiting())
        drop(try ring.nextCompletionWaiting())
        #expect(ring.outstandingNotifications == 0 && ring.inFlightCount == 0)
        // Neither a failure nor an operation of another kind leaves anything behind.
        drop(try ring.runToNotification(SendZeroCopy(UnownedDescriptor(FileDescriptor(rawValue: -1)), from: Buffer(copying: [1])), tag: 0))
        _ = try ring.run(Nop())
        #expect(ring.outstandingNotifications == 0)
    }

    @Test func countsOutstandingNotificationsOfEveryWayToPrepare() throws {
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        func bytes() -> Buffer { Buffer(copying: [UInt8](repeating: 1, count: 65536)) }
        try ring.prepare(SendZeroCopy(connection.sender, from: bytes()), tag: 1, options: .asynchronous)
        drop(try ring.nextCompletionWaiting())
        #expect(ring.outstandingNotifications == 1)
        try ring.prepare(SendZeroCopy(connection.sender, from: bytes()), tag: 2, timeout: .after(.seconds(3600)))
        drop(try ring.nextCompletionWaiting())
        #expect(ring.outstandingNotifications == 2)
        try ring.hardLink { chain in
            for tag in 3...4 { try chain.prepare(SendZeroCopy(connection.sender, from: bytes()), tag: tag) }
        }
        for count in 3...4 {
            drop(try ring.nextCompletionWaiting())
            #expect(ring.outstandingNotifications == count)
        }
        _ = try connection.drain(4 * 65536)
        for _ in 0..<4 { drop(try ring.nextCompletionWaiting()) }
        #expect(ring.outstandingNotifications == 0 && ring.inFlightCount == 0)
    }

    // MARK: Dropped at any moment

    @Test func aGroupThatIsDroppedLetsGoOfItsSendsAsTheKernelDoes() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        do {
            let group = ring.makeNotificationGroup()
            for byte in 1...3 as ClosedRange<UInt8> { try send(byte, on: connection, &ring, ledger, in: group) }
            _ = try connection.drain(65536)
            try waitForNotifications(&ring, downTo: 2)
            // One is kept, and two are out.
            #expect(group.keptCount == 1 && ledger.aliveCount == 3)
        }
        #expect(ledger.aliveCount == 2 && ring.inFlightCount == 2)
        _ = try connection.drain(2 * 65536)
        try waitForNotifications(&ring, downTo: 0)
        #expect(ledger.isSettled && ring.inFlightCount == 0)
        expectHeld(connection.sender, false)
    }

    @Test func groupsThatAreDroppedBeforeTheirSendsAreFreed() async {
        await #expect(processExitsWith: .success) {
            var ring = try Ring<Int>(entries: 8)
            let pair = try DescriptorPair.sockets()
            func use() throws {
                for _ in 0..<1000 {
                    let group = ring.makeNotificationGroup()
                    // A Unix socket refuses it, which ends it all the same.
                    try ring.prepare(SendZeroCopy(pair.first, from: Buffer(copying: [1])), tag: 0, in: group)
                    drop(group)
                    while ring.inFlightCount > 0 {
                        try ring.submit(waitingFor: 1, timeout: .seconds(5))
                        while let result = ring.nextCompletion() { drop(result) }
                    }
                }
            }
            try use()
            try requireNothingIsLeaked(but: 10_000) { try use() }
        }
    }

    @Test func aFlushWhoseCompletionIsDroppedLetsGoOfEverything() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        let group = ring.makeNotificationGroup()
        for byte in 1...3 as ClosedRange<UInt8> { try send(byte, on: connection, &ring, ledger, in: group) }
        try flushEarly(group, &ring)
        _ = try connection.drain(3 * 65536)
        let completion = try ring.nextCompletionWaiting()
        #expect(completion.tag == 1000 && ledger.aliveCount == 3)
        drop(completion)
        #expect(ledger.isSettled)
        // The slots are free again, and good.
        let result = try ring.run(Nop()).entry.result
        #expect(result == 0)
    }

    @Test func whatWasOnlyPreparedLeavesItsGroupWithTheRing() throws {
        let ledger = Ledger()
        let connection = try StalledConnection()
        var ring = try Ring<Int>(entries: 8)
        let group = ring.makeNotificationGroup()
        for tag in 0..<3 {
            let memory = CountedMemory(ledger, byteCapacity: 100, filledWith: 1)
            try ring.prepare(SendZeroCopy(connection.sender, from: memory), tag: tag, in: group)
        }
        #expect(group.outstandingCount == 3)
        drop(ring)
        #expect(ledger.isSettled && group.outstandingCount == 0 && group.keptCount == 0)
    }

    @Test func aFlushThatWasOnlyPreparedGoesWithTheRing() throws {
        let ledger = Ledger()
        let connection = try StalledConnection()
        do {
            var ring = try Ring<Int>(entries: 8)
            let group = ring.makeNotificationGroup()
            try ring.prepare(
                SendZeroCopy(connection.sender, from: CountedMemory(ledger, byteCapacity: 100, filledWith: 1)), tag: 0, in: group)
            try ring.flush(group, tag: 1000)
        }
        #expect(ledger.isSettled)
        expectHeld(connection.sender, false)
    }

    @Test func keptCompletionsOutliveTheRing() throws {
        let ledger = Ledger()
        let connection = try StalledConnection()
        var ring = try Ring<Int>(entries: 8)
        var group = ring.makeNotificationGroup()
        for byte in 1...3 as ClosedRange<UInt8> { try send(byte, on: connection, &ring, ledger, in: group) }
        _ = try connection.drain(65536)
        try waitForNotifications(&ring, downTo: 2)
        // The others come while the ring ends.
        drop(connection.closeReceiver())
        drop(ring)
        #expect(group.keptCount == 3 && group.outstandingCount == 0 && ledger.aliveCount == 3)
        guard let completion = group.nextCompletion() else { return }
        #expect(try completion.event(Send.self).expectFinished().operation.memory.buffer.copyBytes().first == 1)
        #expect(ledger.aliveCount == 2)
        drop(group)
        #expect(ledger.isSettled)
    }

    @Test func aFlushInFlightEndsWithItsRing() throws {
        let ledger = Ledger()
        let connection = try StalledConnection()
        var ring = try Ring<Int>(entries: 8)
        let group = ring.makeNotificationGroup()
        for byte in 1...3 as ClosedRange<UInt8> { try send(byte, on: connection, &ring, ledger, in: group) }
        try flushEarly(group, &ring)
        drop(connection.closeReceiver())
        drop(ring)
        #expect(ledger.isSettled)
    }

    @Test func aGroupOutlivesARingThatLeaks() throws {
        let ledger = Ledger()
        let connection = try StalledConnection()
        var ring = try Ring<Int>(entries: 8)
        let group = ring.makeNotificationGroup()
        for byte in 1...3 as ClosedRange<UInt8> { try send(byte, on: connection, &ring, ledger, in: group) }
        _ = try connection.drain(65536)
        try waitForNotifications(&ring, downTo: 2)
        let leftovers = ring.close(deadline: .milliseconds(20))
        #expect(leftovers.leakedOperations == 2)
        #expect(group.outstandingCount == 2 && group.keptCount == 1)
        drop(group)
        // What was kept is released; what the receiver keeps is not.
        #expect(ledger.aliveCount == 2)
        expectHeld(connection.sender, false)
    }

    @Test func resultsMayBeHeldWhileTheGroupGoes() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        let group = ring.makeNotificationGroup()
        let memory = CountedMemory(ledger, byteCapacity: 1000, filledWith: 1)
        try ring.prepare(SendZeroCopy(connection.sender, from: memory), tag: 1, in: group)
        let held = try ring.nextCompletionWaiting()
        _ = try connection.drain(1000)
        try waitForNotifications(&ring, downTo: 0)
        #expect(group.keptCount == 1)
        drop(group)
        // The send is over and was let go, but for its result.
        #expect(ledger.aliveCount == 1)
        #expect(try held.event(Send.self).expectMore() == 1000)
        #expect(ledger.isSettled)
    }

    // MARK: Misuse

    @Test func misuseTraps() async {
        expectSentence(
            "This notification group belongs to another ring.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                var other = try Ring<Int>(entries: 2)
                let group = other.makeNotificationGroup()
                try ring.prepare(SendZeroCopy(UnownedDescriptor.standardInput, from: Buffer(copying: [1])), tag: 0, in: group)
            })
        expectSentence(
            "This notification group belongs to another ring.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                var other = try Ring<Int>(entries: 2)
                try ring.flush(other.makeNotificationGroup(), tag: 0)
            })
        expectSentence(
            "A notification group is flushed with flush(_:tag:), each time.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                try ring.flush(ring.makeNotificationGroup(), tag: 0)
                let completed = try ring.nextCompletionWaiting().take(FlushNotifications<Int>.self)
                try ring.prepare(completed.operation, tag: 0)
            })
        expectSentence(
            "A notification group cannot make room for a negative number of sends.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                drop(ring.makeNotificationGroup(minimumCapacity: -1))
            })
    }
}
