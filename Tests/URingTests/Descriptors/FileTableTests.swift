// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import SystemPackage
import Testing

@testable import URing

@Suite struct FileTableTests {
    @Test func aConnectionInASlotReceivesAndSends() throws {
        var server = try DirectServer()
        let client = try server.listener.connect()
        let connection = try server.accept()
        #expect(server.table.usedCount == 1)
        #expect(client.sendNow([1, 2, 3]) == 3)
        let received = try server.ring.run(Receive(connection, into: Buffer(byteCapacity: 16)), tag: 2)
        #expect(received.operation.memory.copyBytes() == [1, 2, 3])
        _ = try server.ring.run(Send(connection, from: Buffer(copying: [4, 5])), tag: 3).result.get()
        #expect(client.receiveBounded() == [4, 5])
    }

    @Test func aDroppedSlotClosesTheConnectionAndIsUsedAgain() throws {
        var server = try DirectServer(slotCount: 1)
        for _ in 0..<20 {
            let client = try server.listener.connect()
            let connection = try server.accept()
            let slot = connection.slot
            #expect(slot == 0)
            drop(connection)
            #expect(client.receiveBounded() == [])
        }
        #expect(server.table.usedCount == 0)
    }

    @Test func anOperationKeepsTheSlotOfADroppedDescriptor() throws {
        var server = try DirectServer()
        let client = try server.listener.connect()
        let connection = try server.accept()
        try server.ring.prepare(Receive(connection, into: Buffer(byteCapacity: 16)), tag: 2)
        drop(connection)
        try server.ring.submit()
        #expect(server.table.usedCount == 1)
        #expect(client.sendNow([9]) == 1)
        do {
            let received = try server.ring.nextCompletionWaiting().take(Receive<Buffer>.self)
            #expect(received.operation.memory.copyBytes() == [9])
        }
        #expect(server.table.usedCount == 0)
        #expect(client.receiveBounded() == [])
    }

    /// As kernels before February 2026 may do it, which the one at hand need not.
    @Test func aSlotThatTheKernelChoseOutsideItsRangeIsNobodyElses() throws {
        var ring = try Ring<Int>(entries: 4)
        let table = try ring.makeFileTable(count: 8, allocating: 4..<8)
        let outside = DirectDescriptor(received: 2, in: table.state)
        #expect(table.usedCount == 1)
        let isTaken = table.slot(2) == nil
        #expect(isTaken)
        drop(outside)
        #expect(table.usedCount == 0)
        let isFree = table.slot(2) != nil
        #expect(isFree)
        let inside = DirectDescriptor(received: 5, in: table.state)
        #expect(table.usedCount == 1)
        drop(inside)
        #expect(table.usedCount == 0)
    }

    @Test func aReservedSlotThatTheKernelChoseTraps() async {
        expectSentence(
            "This kernel chose a slot that was reserved",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 4)
                let table = try ring.makeFileTable(count: 8, allocating: 4..<8)
                let reserved = table.slot(2)
                drop(DirectDescriptor(received: 2, in: table.state))
                drop(reserved)
            })
    }

    @Test func aSlotOutlivesItsTableAndItsRing() throws {
        var server = try DirectServer()
        let client = try server.listener.connect()
        let connection = try server.accept()
        drop(server)
        // The kernel has let go of the table with the ring; dropping the value must touch no other file.
        #expect(client.receiveBounded() == [])
        drop(connection)
    }

    /// Their sockets are closed when the ring's end is done, not some time after it.
    @Test func theFilesOfATableThatOutlivesItsRingAreClosed() throws {
        for _ in 0..<20 {
            var ring = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 4)
            let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
            let address = try listener.localAddress()
            let direct = try ring.run(RegisterDescriptor(listener, into: table.anySlot)).result.get()
            try listener.close()
            try ring.prepare(AcceptMultishot<Descriptor>(direct), tag: 1)
            try ring.submit()
            #expect(ring.close().isEmpty)
            drop(try Descriptor.listening(at: address))
            drop(direct)
            drop(table)
        }
    }

    @Test func aTableThatIsDroppedStaysUntilItsFilesAndOperationsAreGone() throws {
        let listener = try Listener()
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        try ring.prepare(AcceptMultishot(listener.descriptor, into: table), tag: 1)
        let client = try listener.connect()
        let first = try ring.nextCompletionWaiting().event(AcceptMultishot<DirectDescriptor>.self).expectMore()
        drop(table)
        // The accept and its connections still have the table.
        let late = try listener.connect()
        let second = try ring.nextCompletionWaiting().event(AcceptMultishot<DirectDescriptor>.self).expectMore()
        _ = try ring.run(Send(first, from: Buffer(copying: [1])), tag: 2).result.get()
        #expect(client.receiveBounded() == [1])
        #expect(throws: FileTableError(.resourceBusy, count: 4)) { _ = try ring.makeFileTable(count: 4) }
        drop(first)
        drop(second)
        #expect(client.receiveBounded() == [])
        #expect(late.receiveBounded() == [])
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
    }

    @Test func theLimitOfOpenFilesIsNamed() async {
        await #expect(processExitsWith: .success) {
            var ring = try Ring<Int>(entries: 8)
            try withDescriptorLimit(64) {
                let error = #expect(throws: FileTableError.self) { _ = try ring.makeFileTable(count: 65) }
                #expect(error?.errno == .tooManyOpenFiles && error?.cause == .openFilesLimit(count: 65, limit: 64))
                #expect(error?.description.contains("the process may have 64 open files; raise the limit (ulimit -n") == true)
            }
            // The largest that the limit allows.
            let table = try withDescriptorLimit(64) { try ring.makeFileTable(count: 64) }
            #expect(table.count == 64)
        }
    }

    @Test func aRingHasOneTable() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        let error = #expect(throws: FileTableError.self) { _ = try ring.makeFileTable(count: 4) }
        #expect(error?.errno == .resourceBusy && error?.cause == .alreadyRegistered)
        #expect(error?.description.contains("drop that table and all that is in it first") == true)
        #expect(table.count == 4)
        #expect(table.allocationRange == 0..<4)
        drop(table)
        let again = try ring.makeFileTable(count: 8)
        #expect(again.count == 8)
    }

    // MARK: Slots

    @Test func theKernelChoosesFromTheAllocationRangeOnly() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 6, allocating: 2..<4)
        #expect(table.allocationRange == 2..<4)
        let first = try ring.run(Socket(.unix, .stream, into: table.anySlot)).result.get()
        let second = try ring.run(Socket(.unix, .stream, into: table.anySlot)).result.get()
        let slots = [first.slot, second.slot].sorted()
        #expect(slots == [2, 3])
        // Four slots are free, but none of the two.
        let errno = try ring.run(Socket(.unix, .stream, into: table.anySlot)).entry.errno
        #expect(errno == .fileTableFull)
        #expect(table.usedCount == 2)
        drop(first)
        let third = try ring.run(Socket(.unix, .stream, into: table.anySlot)).result.get()
        let isAgain = third.slot == slots[0] || third.slot == slots[1]
        #expect(isAgain)
    }

    @Test func anEmptyAllocationRangeLeavesAllSlotsToBeChosen() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 2, allocating: 0..<0)
        let errno = try ring.run(Socket(.unix, .stream, into: table.anySlot)).entry.errno
        #expect(errno == .fileTableFull)
        let chosen = try table.freeSlot(0)
        let socket = try ring.run(Socket(.unix, .stream, into: chosen)).result.get()
        let slot = socket.slot
        #expect(slot == 0)
    }

    @Test func aChosenSlotIsReservedUntilNobodyHasIt() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4, allocating: 0..<2)
        let reserved = try table.freeSlot(3)
        let number = reserved.index
        #expect(number == 3)
        #expect(table.usedCount == 1)
        expectTaken(3, of: table)
        drop(reserved)
        #expect(table.usedCount == 0)
        // The operation has it, then the descriptor, then the operation that holds the descriptor.
        let pair = try table.freeSlot(3)
        try ring.prepare(Socket(.unix, .stream, into: pair), tag: 1)
        expectTaken(3, of: table)
        let socket = try ring.nextCompletionWaiting().take(Socket<DirectDescriptor>.self).result.get()
        expectTaken(3, of: table)
        let hold = socket.hold()
        drop(socket)
        expectTaken(3, of: table)
        drop(hold)
        expectTaken(3, of: table, false)
        #expect(table.usedCount == 0)
    }

    @Test func aChosenSlotOfAnOperationThatNeverRanIsFreeAgain() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1, allocating: 0..<0)
        let slot = try table.freeSlot(0)
        try ring.prepare(Socket(.unix, .stream, into: slot), tag: 1)
        ring.close()
        #expect(table.usedCount == 0)
    }

    @Test func aChosenSlotIsUsedInTheSameSubmissionThatFillsIt() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1, allocating: 0..<0)
        let slot = try table.freeSlot(0)
        let file = slot.hold()
        // Making, binding and listening are done at once and in order, by one system call.
        try ring.prepare(Socket(.ipv4, .stream, into: slot), tag: 1)
        try ring.prepare(Bind(file, to: .ipv4Loopback(port: 0)), tag: 2)
        try ring.prepare(Listen(file), tag: 3)
        drop(file)
        let socket = try ring.nextCompletionWaiting().take(Socket<DirectDescriptor>.self).result.get()
        try ring.nextCompletionWaiting().take(Bind.self).result.get()
        try ring.nextCompletionWaiting().take(Listen.self).result.get()
        let installed = try ring.run(InstallDescriptor(socket), tag: 4).result.get()
        let client = try Descriptor.socket(.ipv4, .stream)
        try client.connectBlocking(to: installed.localAddress())
    }

    // MARK: Misuse

    @Test(arguments: [0, -1, (1 << 20) + 1]) func sizesThatCannotBeTrap(count: Int) async {
        expectSentence(
            "A ring's file table has from 1 to 1048576 slots.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [count] in
                var ring = try Ring<Int>(entries: 8)
                _ = try ring.makeFileTable(count: count)
            })
    }

    @Test func choosingASlotThatTheKernelCouldChooseTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 4)
            _ = table.slot(0)
        }
        expectSentence("make the table with a smaller `allocating` range", of: result)
    }

    /// The kernel refuses to end it there, and does when the ring's own thread makes the next table, or ends the ring.
    @Test(arguments: [false, true]) func aTableDroppedOnAnotherThreadEndsLater(withTheRing: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let peer = pair.first
        let handed = Handed<TableWithFile?>(nil)
        do {
            let table = try ring.makeFileTable(count: 2, allocating: 1..<2)
            guard let slot = table.slot(0) else { throw Errno.fileExists }
            let file = try table.register(pair.second, in: slot)
            handed.value = TableWithFile(table: consume table, file: consume file)
        }
        drop(pair.second)
        onAnotherThread { handed.value = nil }
        // Nobody has closed it yet.
        #expect(peer.sendNow([1]) == 1)
        if withTheRing {
            let leftovers = ring.close()
            #expect(leftovers.isEmpty)
        } else {
            let next = try ring.makeFileTable(count: 2)
            #expect(next.usedCount == 0)
        }
        #expect(peer.receiveBounded() == [])
    }

    @Test func choosingASlotOutsideTheTableTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 4)
            _ = table.slot(4)
        }
        expectSentence("A slot's number is from 0", of: result)
    }

    @Test func anAllocationRangeOutsideTheTableTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            _ = try ring.makeFileTable(count: 4, allocating: 2..<5)
        }
        expectSentence("The kernel can only choose from slots that the table has.", of: result)
    }

    @Test func aSecondFileIntoTheSameSlotTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 1, allocating: 0..<0)
            guard let slot = table.slot(0) else { return }
            let completed = try ring.run(Socket(.unix, .stream, into: slot))
            // It would replace the file under the descriptor in the result.
            try ring.prepare(completed.operation, tag: 1)
        }
        expectSentence("This slot has got its file", of: result)
    }

    @Test func holdingASlotThatWasNotChosenTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 1)
            _ = table.anySlot.hold()
        }
        expectSentence("Only a slot that was chosen", of: result)
    }

    @Test func aFileForAnotherRingsTableTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            var other = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 1)
            try other.prepare(Socket(.unix, .stream, into: table.anySlot), tag: 1)
        }
        expectSentence("This slot is of another ring's file table", of: result)
    }

    private func expectTaken(
        _ slot: Int, of table: borrowing FileTable, _ expected: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let isTaken = table.isTaken(slot)
        #expect(isTaken == expected, sourceLocation: sourceLocation)
    }
}

/// What one thread leaves to another.
private struct TableWithFile: ~Copyable {
    let table: FileTable
    let file: DirectDescriptor
}
