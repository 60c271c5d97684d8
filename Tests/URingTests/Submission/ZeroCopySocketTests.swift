// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

/// A zero-copy send lets go of its socket with its result: the notification may not come before the socket is closed.
@Suite struct ZeroCopySocketTests {
    private typealias Send = SendZeroCopy<Buffer>

    private static let byteCount = 100_000

    /// Prepares a send of which most stays in the sender's queue.
    private func send(on socket: borrowing some FileResource & ~Copyable) -> Send {
        SendZeroCopy(socket, from: Buffer(copying: [UInt8](repeating: 3, count: Self.byteCount)))
    }

    /// Takes the notification of a send whose socket is closed, and expects that the operation finds no socket any more.
    private func expectNoSocket(
        afterNotificationOn ring: inout Ring<Int>, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let completed = try ring.nextCompletionWaiting().event(Send.self).expectFinished()
        let sent = completed.result
        #expect(sent == .success(Self.byteCount), sourceLocation: sourceLocation)
        try expectNoSocket(for: completed.operation, on: &ring, sourceLocation: sourceLocation)
    }

    private func expectNoSocket(
        for operation: consuming Send, on ring: inout Ring<Int>, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        // Whoever gets the number now is no socket, so that a send to it would fail otherwise.
        let stranger = try DescriptorPair.pipe()
        let again = try ring.runToNotification(operation, tag: 9)
        #expect(again.entry.flags.contains(.notification), sourceLocation: sourceLocation)
        let result = again.result
        #expect(result == .failure(.badFileDescriptor), sourceLocation: sourceLocation)
        drop(stranger)
    }

    /// How many bytes come until the stream has ended, or no more for a while.
    private func byteCountUntilEnd(of receiver: borrowing Descriptor) -> Int {
        var count = 0
        while let part = receiver.receiveBounded(65536), !part.isEmpty { count += part.count }
        return count
    }

    @Test(arguments: [false, true]) func aSocketThatIsDroppedIsClosedWithTheResult(isDroppedBefore: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        try ring.prepare(send(on: connection.sender), tag: 0)
        let receiver: Descriptor
        if isDroppedBefore {
            receiver = connection.dropSender()
            #expect(try ring.nextCompletionWaiting().event(Send.self).expectMore() == Self.byteCount)
        } else {
            #expect(try ring.nextCompletionWaiting().event(Send.self).expectMore() == Self.byteCount)
            expectHeld(connection.sender, false)
            receiver = connection.dropSender()
        }
        try ring.expectNoCompletion()
        // The stream has ended, before anybody has looked at the notification.
        #expect(byteCountUntilEnd(of: receiver) == Self.byteCount)
        try expectNoSocket(afterNotificationOn: &ring)
    }

    /// Nobody reads, and each end is closed: only that brings the notifications.
    @Test func aConnectionThatBothEndsHaveSentOnAndDroppedEnds() throws {
        var ring = try Ring<Int>(entries: 8)
        let ledger = Ledger()
        let pair = try TCPPair()
        for tag in 0..<2 {
            let memory = CountedMemory(ledger, byteCapacity: 16 << 20, filledWith: 1)
            try ring.prepare(SendZeroCopy(tag == 0 ? pair.client.hold() : pair.server.hold(), from: memory), tag: tag)
        }
        for _ in 0..<2 { _ = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectMore() }
        try ring.expectNoCompletion()
        drop(pair)
        for _ in 0..<2 { drop(try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectFinished()) }
        #expect(ledger.isSettled && ring.inFlightCount == 0)
    }

    @Test func aConnectionThatIsResetGivesTheMemoryBackAtOnce() throws {
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        try ring.prepare(send(on: connection.sender), tag: 0)
        #expect(try ring.nextCompletionWaiting().event(Send.self).expectMore() == Self.byteCount)
        try ring.expectNoCompletion()
        try connection.sender.resetWhenClosed()
        let receiver = connection.dropSender()
        drop(try ring.nextCompletionWaiting().event(Send.self).expectFinished())
        // What had come is there still.
        var received = 0
        #expect(throws: Errno.connectionReset) {
            while received < Self.byteCount {
                received += try ring.run(Receive(receiver, into: Buffer(byteCapacity: Self.byteCount))).result.get()
            }
        }
        #expect(received < Self.byteCount)
    }

    @Test(arguments: [false, true]) func aResultThatNobodyTakesLetsGoAsWell(isMerged: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        if isMerged {
            try ring.prepare(MergedNotification(send(on: connection.sender)), tag: 0)
            try ring.submit()
            try ring.expectNoCompletion()
        } else {
            try ring.prepare(send(on: connection.sender), tag: 0)
            drop(try ring.nextCompletionWaiting())
        }
        #expect(ring.outstandingNotifications == 1)
        expectHeld(connection.sender, false)
        _ = try connection.drain(Self.byteCount)
        let last = try ring.nextCompletionWaiting()
        if isMerged {
            drop(last.take(MergedNotification<Send>.self))
        } else {
            drop(try last.event(Send.self).expectFinished())
        }
        #expect(ring.inFlightCount == 0)
    }

    /// The number may be another file's when the close is done, so nobody takes hold of it while that is in flight.
    @Test func aSocketThatIsBeingClosedIsNotFoundAgain() throws {
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        try ring.prepare(send(on: connection.sender), tag: 0)
        #expect(try ring.nextCompletionWaiting().event(Send.self).expectMore() == Self.byteCount)
        try ring.prepare(Close(connection.sender), tag: 1)
        var received = 0
        while received < Self.byteCount, let part = connection.receiver.receiveBounded(65536) { received += part.count }
        // Without submitting what is to close it.
        for _ in 0..<5000 where ring.readyCount == 0 {
            try ring.processPending()
            usleep(1000)
        }
        guard let notification = ring.nextCompletion() else { throw NoCompletion() }
        let completed = try notification.event(Send.self).expectFinished()
        #expect(try ring.nextCompletionWaiting().take(Close<Descriptor>.self).result.get() == .closed)
        try expectNoSocket(for: completed.operation, on: &ring)
    }

    /// Whoever makes results of their own finds no file in a hold that has let go.
    @Test func aHoldThatHasLetGoStandsForNoFile() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1)
        let pipe = try DescriptorPair.pipe()
        let direct = try ring.run(RegisterDescriptor(pipe.first, into: table.anySlot)).result.get()
        try write(7, to: pipe.second)
        for isDirect in [false, true] {
            var hold = isDirect ? direct.hold() : pipe.first.hold()
            var record = ZeroCopyRecord()
            _ = record.result(of: CompletionEntry(result: 1, flags: .more), reportsUsage: false, on: &hold)
            for _ in 0..<2 {
                let read = try ring.run(Read(hold, into: Buffer(byteCapacity: 8)))
                let result = read.result
                #expect(result == .failure(.badFileDescriptor))
            }
            _ = record.result(of: CompletionEntry(result: 0, flags: .notification), reportsUsage: false, on: &hold)
            #expect(hold.number == (isDirect ? Int32(direct.slot) : pipe.first.unowned.fileDescriptor.rawValue))
        }
        #expect(try ring.run(Read(pipe.first, into: Buffer(byteCapacity: 8))).result.get() == 1)
    }

    @Test func aSlotThatIsDroppedIsFreeWithTheResult() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1)
        let connection = try StalledConnection()
        let socket = try ring.run(RegisterDescriptor(connection.sender, into: table.anySlot)).result.get()
        let receiver = connection.dropSender()
        try ring.prepare(send(on: socket), tag: 0)
        #expect(try ring.nextCompletionWaiting().event(Send.self).expectMore() == Self.byteCount)
        #expect(table.usedCount == 1)
        drop(socket)
        #expect(table.usedCount == 0)
        #expect(byteCountUntilEnd(of: receiver) == Self.byteCount)
        try expectNoSocket(afterNotificationOn: &ring)
    }
}
