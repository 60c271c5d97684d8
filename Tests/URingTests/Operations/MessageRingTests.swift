// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import SystemPackage
import Testing

@testable import URing

/// What a message said, for comparing; descriptors are dropped.
private enum Said: Equatable {
    case value(UInt64, label: UInt16)
    case descriptor(UInt32)
    case directDescriptor(UInt32)

    init(_ message: consuming RingMessage) {
        switch consume message {
        case .value(let value, let label): self = .value(value, label: label)
        case .descriptor(_, let value): self = .descriptor(value)
        case .directDescriptor(_, let value): self = .directDescriptor(value)
        }
    }
}

@Suite struct MessageRingTests {
    @Test func encodesLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        _ = try ring.makeHandle(messageTag: 0)
        let handle = try ring.makeHandle(messageTag: 1, receivingInto: table)
        let number = handle.state.number
        // The second inbox, above the kind; and in the upper half, that of the value.
        unsafe expectEncoding(of: SendRingMessage(0x1122_3344_5566_7788, to: handle)) { entry, _, _ in
            unsafe reference_prep_msg_ring(entry, number, 0x5566_7788, 0x1122_3344_0000_0018, 0)
        }
        unsafe expectEncoding(of: SendRingMessage(.max, to: handle, label: 0xabcd)) { entry, _, _ in
            unsafe reference_prep_msg_ring_cqe_flags(entry, number, .max, 0xffff_ffff_0000_0018, 0, 0xabcd_0000)
        }
        let sent = SendRingDescriptor(DirectDescriptor(received: 3, in: table.state), to: handle, value: 9)
        unsafe expectEncoding(of: sent, ringIdentity: ring.identity) { entry, _, _ in
            unsafe reference_prep_msg_ring_fd_alloc(entry, number, 3, 0x0000_0009_0000_001a, 0)
        }
    }

    @Test(arguments: [RingOptions.recommended, RingOptions(), RingOptions([.cooperativeTaskRun, .showsPendingTaskRun])])
    func valuesArriveWithTheTagOfTheirHandle(options: RingOptions) throws {
        var sender = try Ring<Int>(entries: 8)
        var receiver = try Ring<Int>(entries: 8, options: options)
        let handles = [try receiver.makeHandle(messageTag: 10), try receiver.makeHandle(messageTag: 20)]
        let values: [UInt64] = [0, 1, .max, 0x8000_0000, 0xffff_ffff, 1 << 32, 0x8000_0000_0000_0000]
        for (index, value) in values.enumerated() {
            let label = UInt16(index) &* 13_107
            let sent = try sender.run(SendRingMessage(value, to: handles[index % 2], label: label))
            try sent.result.get()
            let completion = try receiver.nextCompletionWaiting()
            #expect(completion.tag == (index % 2 == 0 ? 10 : 20))
            #expect(completion.isMessage && !completion.hasMore)
            #expect(Said(completion.takeMessage()) == .value(value, label: label))
        }
        #expect(receiver.inFlightCount == 0 && sender.inFlightCount == 0)
        #expect(receiver.foreignCompletionCount == 0 && receiver.staleCompletionCount == 0)
    }

    @Test func aRingSendsToItself() throws {
        var ring = try Ring<Int>(entries: 8)
        let handle = try ring.makeHandle(messageTag: 2)
        try ring.prepare(SendRingMessage(77, to: handle), tag: 1)
        var tags: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            tags.insert(completion.tag)
            if completion.tag == 2 {
                #expect(Said(completion.takeMessage()) == .value(77, label: 0))
            } else {
                try completion.take(SendRingMessage.self).result.get()
            }
        }
        #expect(tags == [1, 2] && ring.inFlightCount == 0)
    }

    @Test func aMessageAtTheEndOfAChainIsSentWhenTheRestIsDone() throws {
        var sender = try Ring<Int>(entries: 8)
        var receiver = try Ring<Int>(entries: 8)
        let handle = try receiver.makeHandle(messageTag: 5)
        let pipe = try DescriptorPair.pipe()
        try sender.link { chain in
            try chain.prepare(Poll(pipe.first, for: .input), tag: 1)
            try chain.prepare(SendRingMessage(9, to: handle), tag: 2)
        }
        try sender.submit()
        try receiver.expectNoCompletion()
        try write(1, to: pipe.second)
        for expected in 1...2 {
            let tag = try sender.nextCompletionWaiting().tag
            #expect(tag == expected)
        }
        #expect(Said(try receiver.nextCompletionWaiting().takeMessage()) == .value(9, label: 0))
    }

    @Test func aFileArrivesInTheOtherTableAndIsUsable() throws {
        var sender = try Ring<Int>(entries: 8)
        let source = try sender.makeFileTable(count: 4)
        var receiver = try Ring<Int>(entries: 8)
        let destination = try receiver.makeFileTable(count: 4)
        let handle = try receiver.makeHandle(messageTag: 5, receivingInto: destination)
        let listener = try Listener()
        try sender.prepare(AcceptMultishot(listener.descriptor, into: source), tag: 1)
        let client = try listener.connect()
        let connection = try sender.nextCompletionWaiting().event(AcceptMultishot<DirectDescriptor>.self).expectMore()
        try sender.prepare(SendRingDescriptor(connection, to: handle, value: 42), tag: 2)
        // The receiver's side of it runs when the receiver enters the kernel.
        try sender.submit()
        let completion = try receiver.nextCompletionWaiting()
        #expect(completion.tag == 5)
        let sent = try sender.nextCompletionWaiting().take(SendRingDescriptor.self)
        try sent.result.get()
        #expect(source.usedCount == 1)
        drop(sent)
        #expect(source.usedCount == 0)
        switch completion.takeMessage() {
        case .directDescriptor(let file, let value):
            #expect(value == 42 && destination.usedCount == 1)
            _ = try receiver.run(Send(file, from: Buffer(copying: [1, 2, 3])), tag: 6).result.get()
            #expect(client.receiveBounded() == [1, 2, 3])
        default: Issue.record("not a file")
        }
        #expect(destination.usedCount == 0)
        #expect(client.receiveBounded() == [])
    }

    @Test func aFileThatDoesNotFitComesBack() throws {
        var sender = try Ring<Int>(entries: 8)
        let source = try sender.makeFileTable(count: 4)
        var receiver = try Ring<Int>(entries: 8)
        let destination = try receiver.makeFileTable(count: 1)
        let handle = try receiver.makeHandle(messageTag: 5, receivingInto: destination)
        let listener = try Listener()
        try sender.prepare(AcceptMultishot(listener.descriptor, into: source), tag: 1)
        let clients = [try listener.connect().relinquish(), try listener.connect().relinquish()].map { UnownedDescriptor($0) }
        defer { for client in clients { try? client.fileDescriptor.close() } }
        for _ in 0..<2 {
            let connection = try sender.nextCompletionWaiting().event(AcceptMultishot<DirectDescriptor>.self).expectMore()
            try sender.prepare(SendRingDescriptor(connection, to: handle), tag: 2)
            try sender.submit()
            try receiver.processPending()
        }
        let first = try sender.nextCompletionWaiting().take(SendRingDescriptor.self)
        let second = try sender.nextCompletionWaiting().take(SendRingDescriptor.self)
        try first.result.get()
        let failure = second.entry.errno
        #expect(failure == .tooManyOpenFilesInSystem)
        // It can still be used here.
        _ = try sender.run(Send(second.operation.descriptor, from: Buffer(copying: [8])), tag: 3).result.get()
        #expect(source.usedCount == 2)
    }

    @Test func aFileNobodyTakesIsClosed() throws {
        var sender = try Ring<Int>(entries: 8)
        let source = try sender.makeFileTable(count: 4)
        var receiver = try Ring<Int>(entries: 8)
        let destination = try receiver.makeFileTable(count: 4)
        let handle = try receiver.makeHandle(messageTag: 5, receivingInto: destination)
        let listener = try Listener()
        try sender.prepare(AcceptMultishot(listener.descriptor, into: source), tag: 1)
        let dropped = try listener.connect()
        let first = try sender.nextCompletionWaiting().event(AcceptMultishot<DirectDescriptor>.self).expectMore()
        try sender.prepare(SendRingDescriptor(first, to: handle), tag: 2)
        try sender.submit()
        drop(try receiver.nextCompletionWaiting())
        drop(try sender.nextCompletionWaiting())
        #expect(dropped.receiveBounded() == [])
        #expect(destination.usedCount == 0)
        // Nor one that is met when the ring ends.
        let unread = try listener.connect()
        let second = try sender.nextCompletionWaiting().event(AcceptMultishot<DirectDescriptor>.self).expectMore()
        try sender.prepare(SendRingDescriptor(second, to: handle), tag: 2)
        try sender.submit()
        try receiver.submit(waitingFor: 1, timeout: .seconds(10))
        drop(try sender.nextCompletionWaiting())
        drop(destination)
        let leftovers = receiver.close()
        #expect(leftovers.isEmpty)
        #expect(unread.receiveBounded() == [])
    }

    @Test func aFileMessageOutlivesItsRing() throws {
        var sender = try Ring<Int>(entries: 8)
        let source = try sender.makeFileTable(count: 4)
        var receiver = try Ring<Int>(entries: 8)
        let destination = try receiver.makeFileTable(count: 4)
        let handle = try receiver.makeHandle(messageTag: 5, receivingInto: destination)
        let listener = try Listener()
        try sender.prepare(AcceptMultishot(listener.descriptor, into: source), tag: 1)
        let client = try listener.connect()
        let connection = try sender.nextCompletionWaiting().event(AcceptMultishot<DirectDescriptor>.self).expectMore()
        try sender.prepare(SendRingDescriptor(connection, to: handle), tag: 2)
        try sender.submit()
        let completion = try receiver.nextCompletionWaiting()
        drop(try sender.nextCompletionWaiting())
        drop(destination)
        receiver.close()
        #expect(client.receiveBounded() == [])
        #expect(Said(completion.takeMessage()) == .directDescriptor(0))
    }

    @Test func aRingThatHasEndedOrIsNotEnabledIsAnError() throws {
        var sender = try Ring<Int>(entries: 8)
        var options = RingOptions.recommended
        options.flags.insert(.startsDisabled)
        var receiver = try Ring<Int>(entries: 8, options: options)
        let handle = try receiver.makeHandle(messageTag: 1)
        let early = try sender.run(SendRingMessage(1, to: handle))
        #expect(early.entry.errno == .ringGone)
        #expect(throws: Errno.ringGone) { try handle.send(1) }
        try receiver.enable()
        let sent = try sender.run(SendRingMessage(1, to: handle))
        try sent.result.get()
        #expect(Said(try receiver.nextCompletionWaiting().takeMessage()) == .value(1, label: 0))
        receiver.close()
        let late = try sender.run(sent.operation, tag: 1).result
        #expect(throws: Errno.ringGone) { try late.get() }
    }

    @Test func aMessageThatWasPreparedBeforeTheRingEndedReachesNobodyElse() throws {
        // Tests beside this one open and close descriptors too, so the number is ours to take again only most of the time.
        var reused = false
        for _ in 0..<1000 where !reused { reused = try sendsToNobodyAfterTheRingEnded() }
        #expect(reused)
    }

    /// Sends to a ring that has ended, and returns whether another ring had its number by then.
    func sendsToNobodyAfterTheRingEnded() throws -> Bool {
        var sender = try Ring<Int>(entries: 8)
        var receiver = try Ring<Int>(entries: 8)
        let number = receiver.descriptor.fileDescriptor.rawValue
        try sender.prepare(SendRingMessage(1, to: receiver.makeHandle(messageTag: 1)), tag: 1)
        receiver.close()
        var others: [Handed<Ring<Int>>] = []
        for _ in 0..<20 { others.append(Handed(try Ring<Int>(entries: 2))) }
        let numbers = others.map { $0.value.descriptor.fileDescriptor.rawValue }
        let sent = try sender.nextCompletionWaiting().take(SendRingMessage.self)
        #expect(sent.entry.errno == .ringGone)
        for other in others { #expect(other.value.foreignCompletionCount == 0 && other.value.readyCount == 0) }
        return numbers.contains(number)
    }

    @Test func aFileForARingWithoutATableTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 4)
            let handle = try ring.makeHandle(messageTag: 1)
            try ring.prepare(SendRingDescriptor(DirectDescriptor(received: 0, in: table.state), to: handle), tag: 1)
        }
        expectSentence(
            "The receiving ring has no table for this file; make its handle with makeHandle(messageTag:receivingInto:).", of: result)
    }

    @Test func anotherRingsTableTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            var other = try Ring<Int>(entries: 8)
            let table = try other.makeFileTable(count: 4)
            _ = try ring.makeHandle(messageTag: 1, receivingInto: table)
        }
        expectSentence("A ring receives files into its own table; this table is another ring's.", of: result)
    }

    @Test func takingAnOperationAsAMessageTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Nop(), tag: 1)
            _ = try ring.nextCompletionWaiting().takeMessage()
        }
        expectSentence("This completion is of an operation, not a message; switch over its tag, or ask isMessage first.", of: result)
    }

    @Test func takingAMessageAsAnOperationTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            try ring.makeHandle(messageTag: 1).send(1)
            _ = try ring.nextCompletionWaiting().take(Nop.self)
        }
        expectSentence("not of a Nop", of: result)
    }
}
