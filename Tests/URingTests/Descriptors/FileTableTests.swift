// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct FileTableTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 5))

    @Test func encodesLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        unsafe expectEncoding(of: AcceptMultishotDirect(file, into: table)) { entry, _, _ in
            unsafe reference_prep_multishot_accept_direct(entry, 5, nil, nil, 0)
        }
        let slot = DirectDescriptor(received: 3, in: table.state)
        unsafe expectEncoding(of: InstallDescriptor(slot)) { entry, _, _ in
            unsafe reference_prep_fixed_fd_install(entry, 3, 0)
        }
    }

    @Test(arguments: [0, -1, (1 << 20) + 1]) func sizesThatCannotBeTrap(count: Int) async {
        expectSentence(
            "A ring's file table has from 1 to 1048576 slots.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [count] in
                var ring = try Ring<Int>(entries: 8)
                _ = try ring.makeFileTable(count: count)
            })
    }

    @Test func aConnectionInASlotReceivesAndSends() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        let listener = try Listener()
        try ring.prepare(AcceptMultishotDirect(listener.descriptor, into: table), tag: 1)
        let client = try listener.connect()
        let connection = try ring.nextCompletionWaiting().event(AcceptMultishotDirect.self).expectMore()
        #expect(table.usedCount == 1)
        #expect(client.sendNow([1, 2, 3]) == 3)
        let received = try ring.run(Receive(connection, into: Buffer(byteCapacity: 16)), tag: 2)
        #expect(received.operation.memory.copyBytes() == [1, 2, 3])
        _ = try ring.run(Send(connection, from: Buffer(copying: [4, 5])), tag: 3).result.get()
        #expect(client.receiveBounded() == [4, 5])
    }

    @Test func aDroppedSlotClosesTheConnectionAndIsUsedAgain() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1)
        let listener = try Listener()
        try ring.prepare(AcceptMultishotDirect(listener.descriptor, into: table), tag: 1)
        for _ in 0..<20 {
            let client = try listener.connect()
            let connection = try ring.nextCompletionWaiting().event(AcceptMultishotDirect.self).expectMore()
            let slot = connection.slot
            #expect(slot == 0)
            drop(connection)
            #expect(client.receiveBounded() == [])
        }
        #expect(table.usedCount == 0)
    }

    @Test func anOperationKeepsTheSlotOfADroppedDescriptor() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 2)
        let listener = try Listener()
        try ring.prepare(AcceptMultishotDirect(listener.descriptor, into: table), tag: 1)
        let client = try listener.connect()
        let connection = try ring.nextCompletionWaiting().event(AcceptMultishotDirect.self).expectMore()
        try ring.prepare(Receive(connection, into: Buffer(byteCapacity: 16)), tag: 2)
        drop(connection)
        try ring.submit()
        #expect(table.usedCount == 1)
        #expect(client.sendNow([9]) == 1)
        do {
            let received = try ring.nextCompletionWaiting().take(Receive<Buffer>.self)
            #expect(received.operation.memory.copyBytes() == [9])
        }
        #expect(table.usedCount == 0)
        #expect(client.receiveBounded() == [])
    }

    @Test func aFullTableEndsTheAcceptWithItsOwnReason() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1)
        let listener = try Listener()
        try ring.prepare(AcceptMultishotDirect(listener.descriptor, into: table), tag: 1)
        let first = try listener.connect()
        let kept = try ring.nextCompletionWaiting().event(AcceptMultishotDirect.self).expectMore()
        let lost = try listener.connect()
        let ended = try ring.nextCompletionWaiting().event(AcceptMultishotDirect.self).expectFinished()
        let ending = ended.ending
        #expect(ending == .tableFull)
        #expect(lost.receiveBounded() == [])
        // The slot is free again, and so is the way for the next one.
        drop(kept)
        #expect(first.receiveBounded() == [])
        try ring.prepare(ended.operation, tag: 1)
        let next = try listener.connect()
        let connection = try ring.nextCompletionWaiting().event(AcceptMultishotDirect.self).expectMore()
        drop(connection)
        #expect(next.receiveBounded() == [])
    }

    @Test func connectionsThatNobodyTakesAreClosed() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        let listener = try Listener()
        try ring.prepare(AcceptMultishotDirect(listener.descriptor, into: table), tag: 1)
        let dropped = try listener.connect()
        drop(try ring.nextCompletionWaiting())
        #expect(dropped.receiveBounded() == [])
        #expect(table.usedCount == 0)
        let unreaped = try listener.connect()
        try ring.submit(waitingFor: 1, timeout: .seconds(5))
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(unreaped.receiveBounded() == [])
    }

    @Test func aSlotOutlivesItsTableAndItsRing() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        let listener = try Listener()
        try ring.prepare(AcceptMultishotDirect(listener.descriptor, into: table), tag: 1)
        let client = try listener.connect()
        let connection = try ring.nextCompletionWaiting().event(AcceptMultishotDirect.self).expectMore()
        drop(table)
        ring.close()
        // The kernel has let go of the table with the ring; dropping the value must touch no other file.
        #expect(client.receiveBounded() == [])
        drop(connection)
    }

    @Test func aSlotIsInstalledAsANormalDescriptor() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        let listener = try Listener()
        try ring.prepare(AcceptMultishotDirect(listener.descriptor, into: table), tag: 1)
        let client = try listener.connect()
        let connection = try ring.nextCompletionWaiting().event(AcceptMultishotDirect.self).expectMore()
        let installed = try ring.run(InstallDescriptor(connection), tag: 2).result.get()
        let isCloseOnExec = installed.isCloseOnExec
        #expect(isCloseOnExec)
        drop(connection)
        #expect(installed.sendNow([7]) == 1)
        #expect(client.receiveBounded() == [7])
    }

    @Test func aRingHasOneTable() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        #expect(throws: Errno.resourceBusy) { _ = try ring.makeFileTable(count: 4) }
        #expect(table.count == 4)
        drop(table)
        let again = try ring.makeFileTable(count: 8)
        #expect(again.count == 8)
    }
}
