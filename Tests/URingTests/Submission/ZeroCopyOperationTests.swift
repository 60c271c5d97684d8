// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct ZeroCopyOperationTests {
    // MARK: The record

    @Test func theNotificationRepeatsTheResult() {
        var record = ZeroCopyRecord()
        var file = FileHold(unowned: -1)
        #expect(record.result(of: CompletionEntry(result: 700, flags: .more), reportsUsage: true, on: &file) == .success(700))
        #expect(record.usage == nil)
        #expect(record.result(of: CompletionEntry(result: 0, flags: .notification), reportsUsage: true, on: &file) == .success(700))
        #expect(record.usage == .zeroCopied)
    }

    @Test func theNotificationOfAFailureRepeatsTheFailure() {
        var record = ZeroCopyRecord()
        var file = FileHold(unowned: -1)
        #expect(record.result(of: CompletionEntry(result: -EPIPE, flags: .more), reportsUsage: true, on: &file) == .failure(.brokenPipe))
        // The usage makes the notification's own result negative, which is no error.
        #expect(
            record.result(of: CompletionEntry(result: .min, flags: .notification), reportsUsage: true, on: &file) == .failure(.brokenPipe))
        #expect(record.usage == .copied)
    }

    @Test func aUsageThatWasNotAskedForIsUnknown() {
        var record = ZeroCopyRecord()
        var file = FileHold(unowned: -1)
        _ = record.result(of: CompletionEntry(result: 1, flags: .more), reportsUsage: false, on: &file)
        #expect(record.result(of: CompletionEntry(result: 0, flags: .notification), reportsUsage: false, on: &file) == .success(1))
        #expect(record.usage == nil)
    }

    // MARK: The article

    @Test func theFirstListingOfTheArticleRuns() throws {
        let pair = try TCPPair()
        let socket = pair.client
        var buffer = Buffer(copying: pattern(100))
        var events: [String] = []

        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(SendZeroCopy(socket, from: buffer, reportsUsage: true), tag: 0)

        while ring.inFlightCount > 0 {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextCompletion() {
                switch completion.event(SendZeroCopy<Buffer>.self) {
                case .more(let result):
                    events.append("sent \(try result.get()) bytes")
                case .finished(let completed):
                    events.append("the memory is back, \(completed.operation.usage == .zeroCopied ? "never copied" : "copied after all")")
                    buffer = completed.operation.memory
                }
            }
        }
        #expect(events == ["sent 100 bytes", "the memory is back, copied after all"])
    }

    @Test func theSecondListingOfTheArticleRuns() throws {
        let firstPair = try TCPPair()
        let secondPair = try TCPPair()
        let header = Buffer(copying: pattern(10))
        let body = Buffer(copying: pattern(1000))
        var ring = try Ring<Int>(entries: 8)

        let group = ring.makeNotificationGroup()
        try ring.prepare(SendZeroCopy(firstPair.client, from: header), tag: 1, in: group)
        try ring.prepare(SendZeroCopy(secondPair.client, from: body), tag: 2, in: group)
        try ring.flush(group, tag: 3)

        var released = 0
        while ring.inFlightCount > 0 {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextCompletion() {
                if completion.tag == 3 {
                    var flushed = completion.take(FlushNotifications<Int>.self)
                    while let send = flushed.operation.group.nextCompletion() {
                        drop(send)
                        released += 1
                    }
                } else {
                    _ = completion.event(SendZeroCopy<Buffer>.self)
                }
            }
        }
        #expect(released == 2)
    }

    // MARK: Failures

    /// Expects that a send fails with both completions, and that its memory comes back once, with the second.
    private func expectFailure(
        _ errno: Errno, sendingOn socket: borrowing some FileResource & ~Copyable, byteCount: Int = 100,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let memory = CountedMemory(ledger, byteCapacity: byteCount, filledWith: 7)
        try ring.prepare(SendZeroCopy(socket, from: memory, reportsUsage: true), tag: 5)
        let first = try ring.nextCompletionWaiting()
        #expect(first.tag == 5 && first.hasMore, sourceLocation: sourceLocation)
        guard case .more(let result) = first.event(SendZeroCopy<CountedMemory>.self) else {
            Issue.record("the failure was taken for the end", sourceLocation: sourceLocation)
            return
        }
        #expect(result == .failure(errno), sourceLocation: sourceLocation)
        #expect(ledger.aliveCount == 1 && ring.inFlightCount == 1, sourceLocation: sourceLocation)
        let last = try ring.nextCompletionWaiting()
        #expect(last.tag == 5 && !last.hasMore, sourceLocation: sourceLocation)
        let completed = try last.event(SendZeroCopy<CountedMemory>.self).expectFinished()
        let (repeated, usage) = (completed.result, completed.operation.usage)
        #expect(repeated == .failure(errno) && usage != nil, sourceLocation: sourceLocation)
        #expect(ledger.aliveCount == 1 && ring.inFlightCount == 0, sourceLocation: sourceLocation)
        drop(completed)
        #expect(ledger.isSettled, sourceLocation: sourceLocation)
    }

    @Test func trap2AFailureWithMoreToComeIsNotTheEnd() throws {
        try expectFailure(.badFileDescriptor, sendingOn: UnownedDescriptor(FileDescriptor(rawValue: -1)))

        let closed = try TCPPair()
        #expect(shutdown(closed.client.unowned.fileDescriptor.rawValue, Int32(SHUT_WR)) == 0)
        try expectFailure(.brokenPipe, sendingOn: closed.client)

        let unix = try DescriptorPair.sockets()
        try expectFailure(.notSupportedOnSocket, sendingOn: unix.first)

        let datagrams = try Descriptor.socket(.ipv4, .datagram)
        try expectFailure(Errno(rawValue: EDESTADDRREQ), sendingOn: datagrams)
        try datagrams.connectBlocking(to: .ipv4Loopback(port: 9))
        try expectFailure(Errno(rawValue: EMSGSIZE), sendingOn: datagrams, byteCount: 70_000)

        let pipe = try DescriptorPair.pipe()
        try expectFailure(Errno(rawValue: ENOTSOCK), sendingOn: pipe.second)
    }

    @Test(arguments: RefusedSend.Reason.allCases) func aSendThatIsRefusedBeforehandHasOneCompletion(reason: RefusedSend.Reason) throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        let send = SendZeroCopy(pair.client, from: CountedMemory(ledger, byteCapacity: 10, filledWith: 1), reportsUsage: true)
        try ring.prepare(RefusedSend(base: send, reason: reason), tag: 1)
        let only = try ring.nextCompletionWaiting()
        if reason == .notificationUserData && only.hasMore { try Test.cancel("This kernel sends the notification where it is told.") }
        #expect(only.hasMore == false)
        let completed = try only.event(RefusedSend.self).expectFinished()
        let (result, usage) = (completed.result, completed.operation.usage)
        #expect(result == .failure(.invalidArgument) && usage == nil)
        #expect(ledger.aliveCount == 1 && ring.inFlightCount == 0)
        drop(completed)
        #expect(ledger.isSettled)
        // Nothing was sent.
        #expect(pair.client.sendNow([9]) == 1)
        #expect(pair.server.receiveBounded() == [9])
    }

    // MARK: The notification

    @Test func theMemoryComesBackWhenTheReceiverHasTakenAllOfIt() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        let byteCount = 100_000
        try ring.prepare(SendZeroCopy(connection.sender, from: CountedMemory(ledger, byteCapacity: byteCount, filledWith: 3)), tag: 0)
        let sent = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectMore()
        #expect(sent == byteCount)
        try ring.expectNoCompletion()
        #expect(ledger.aliveCount == 1)
        // The receiver has room for far less than the rest.
        var received = try connection.drain(byteCount / 5)
        try ring.expectNoCompletion()
        #expect(ledger.aliveCount == 1)
        received += try connection.drain(byteCount - byteCount / 5)
        #expect(received == [UInt8](repeating: 3, count: byteCount))
        let completed = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectFinished()
        #expect(ledger.aliveCount == 1)
        drop(completed)
        #expect(ledger.isSettled)
    }

    @Test func theMemoryComesBackWhenTheReceiverIsGone() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        try ring.prepare(SendZeroCopy(connection.sender, from: CountedMemory(ledger, byteCapacity: 100_000, filledWith: 3)), tag: 0)
        _ = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectMore()
        try ring.expectNoCompletion()
        let sender = connection.closeReceiver()
        drop(try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectFinished())
        #expect(ledger.isSettled && !sender.isHeld)
    }

    @Test func cancellingDoesNotBringTheMemoryBack() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        let byteCount = 100_000
        let token = try ring.prepare(
            SendZeroCopy(connection.sender, from: CountedMemory(ledger, byteCapacity: byteCount, filledWith: 3)), tag: 0)
        _ = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectMore()
        let outcome = try ring.run(Cancel(token), tag: 1).result.get()
        #expect(outcome == .notFound)
        try ring.expectNoCompletion()
        #expect(ledger.aliveCount == 1)
        _ = try connection.drain(byteCount)
        drop(try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectFinished())
        #expect(ledger.isSettled)
    }

    @Test func aCancelledSendComesBackWithBothCompletions() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection(sendBufferSize: 16384)
        // More than the socket takes: the rest waits for room.
        let memory = CountedMemory(ledger, byteCapacity: 1 << 20, filledWith: 3)
        let token = try ring.prepare(SendZeroCopy(connection.sender, from: memory, flags: .waitAll), tag: 0)
        try ring.submit()
        try ring.expectNoCompletion()
        try ring.prepare(Cancel(token), tag: 1)
        var sent: Int?
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == 1 {
                #expect(try completion.take(Cancel.self).result.get() == .found)
            } else {
                // What was sent by then counts.
                sent = try completion.event(SendZeroCopy<CountedMemory>.self).expectMore()
            }
        }
        let byteCount = try #require(sent)
        #expect(byteCount > 0 && byteCount < 1 << 20)
        try ring.expectNoCompletion()
        #expect(ledger.aliveCount == 1)
        #expect(try connection.drain(byteCount) == [UInt8](repeating: 3, count: byteCount))
        drop(try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectFinished())
        #expect(ledger.isSettled)
    }

    @Test func aShortSendKeepsAllOfItsMemoryAndGoesOnWithTheSameOperation() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection(sendBufferSize: 65536)
        let byteCount = 600_000
        var memory = CountedMemory(ledger, byteCapacity: byteCount)
        memory.buffer.append(Buffer(copying: pattern(byteCount)).bytes)
        var send = SendZeroCopy(connection.sender, from: memory)
        var received: [UInt8] = []
        var rounds = 0
        while received.count < byteCount {
            rounds += 1
            try ring.prepare(send, tag: rounds)
            let sent = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectMore()
            // The end of it, later, may fit the receiver's room.
            if rounds == 1 { try ring.expectNoCompletion() }
            #expect(ledger.aliveCount == 1)
            received += try connection.drain(sent)
            let completed = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectFinished()
            let repeated = completed.result
            #expect(repeated == .success(sent))
            send = completed.operation
            send.start = received.count
        }
        #expect(rounds > 1)
        let isComplete = received == pattern(byteCount)
        #expect(isComplete)
        drop(send)
        #expect(ledger.isSettled)
    }

    // MARK: Chains

    /// The kernel says of the send that no more is to come, and then posts the notification nevertheless.
    @Test(arguments: [nil, LinkedTimeout.after(.seconds(5))], [false, true])
    func aSendThatItsChainCutsOffEndsOnce(timeout: LinkedTimeout?, ringEnds: Bool) throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        try ring.link { chain in
            try chain.prepare(InjectedNop(result: -5), tag: 0)
            try chain.prepare(
                SendZeroCopy(pair.client, from: CountedMemory(ledger, byteCapacity: 3, filledWith: 7)), tag: 1, timeout: timeout)
        }
        try ring.submit(waitingFor: timeout == nil ? 3 : 4, timeout: .seconds(5))
        let first = try ring.nextCompletionWaiting()
        let second = try ring.nextCompletionWaiting()
        #expect(first.tag == 0 && second.tag == 1 && !second.hasMore)
        if ringEnds {
            #expect(ring.readyCount == 1)
            let leftovers = ring.close(deadline: .seconds(1))
            #expect(leftovers.isEmpty)
        } else {
            try ring.expectNoCompletion()
            #expect(ring.inFlightCount == 0 && ring.outstandingNotifications == 0 && ring.staleCompletionCount == 1)
        }
        #expect(ledger.aliveCount == 1)
        let send = try second.event(SendZeroCopy<CountedMemory>.self).expectFinished()
        let (result, isCutOff) = (send.result, send.cancelledByLink)
        #expect(result == .failure(.canceled) && isCutOff)
        drop(send)
        drop(first)
        #expect(ledger.isSettled)
    }
}
