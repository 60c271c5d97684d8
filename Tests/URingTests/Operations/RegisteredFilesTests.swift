// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct RegisteredFilesTests {
    @Test(arguments: [nil, 0, 6])
    func encodesLikeLiburing(chosen: Int?) throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 8, allocating: 4..<6)
        let slot = chosen.flatMap { table.slot($0) } ?? table.anySlot
        let file = UnownedDescriptor(FileDescriptor(rawValue: 5))
        unsafe expectEncoding(of: RegisterDescriptor(file, into: slot), ringIdentity: ring.identity) { entry, _, numbers in
            let number = unsafe UnsafeMutableRawPointer(numbers).assumingMemoryBound(to: Int32.self)
            #expect(unsafe number.pointee == 5)
            unsafe reference_prep_files_update(entry, number, 1, chosen.map { Int32($0) } ?? -1)
        }
    }

    @Test func aRegisteredFileOutlivesItsDescriptor() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4, allocating: 0..<2)
        let pipe = try DescriptorPair.pipe()
        let readEnd = pipe.first
        let first = try ring.run(RegisterDescriptor(pipe.second, into: table.anySlot)).result.get()
        let second = try ring.run(RegisterDescriptor(pipe.second, into: table.freeSlot(3))).result.get()
        let third = try table.register(pipe.second, in: table.freeSlot(2))
        let slots = [first.slot, second.slot, third.slot]
        #expect(slots == [0, 3, 2])
        drop(pipe.second)
        expectWriter(of: readEnd, exists: true)
        #expect(try ring.run(Write(first, from: Buffer(copying: [1]))).result.get() == 1)
        #expect(try ring.run(Write(second, from: Buffer(copying: [2]))).result.get() == 1)
        #expect(try ring.run(Write(third, from: Buffer(copying: [3]))).result.get() == 1)
        let read = try ring.run(Read(readEnd, into: Buffer(byteCapacity: 8)))
        #expect(read.operation.memory.copyBytes() == [1, 2, 3])
        drop(first)
        drop(second)
        expectWriter(of: readEnd, exists: true)
        drop(third)
        expectWriter(of: readEnd, exists: false)
        #expect(table.usedCount == 0)
    }

    @Test func reportsWhatCannotBeRegistered() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 3, allocating: 0..<1)
        // Also numbers that have a meaning of their own for the kernel.
        for number: Int32 in [-1, -2, 1 << 30] {
            let nothing = UnownedDescriptor(FileDescriptor(rawValue: number))
            let chosen = try ring.run(RegisterDescriptor(nothing, into: table.freeSlot(1))).entry.errno
            #expect(chosen == .badFileDescriptor)
            let any = try ring.run(RegisterDescriptor(nothing, into: table.anySlot)).entry.errno
            #expect(any == .badFileDescriptor)
            #expect(throws: Errno.badFileDescriptor) { _ = try table.register(nothing, in: table.freeSlot(1)) }
        }
        #expect(table.usedCount == 0)
        let kept = try ring.run(RegisterDescriptor(UnownedDescriptor.standardInput, into: table.anySlot)).result.get()
        let full = try ring.run(RegisterDescriptor(UnownedDescriptor.standardInput, into: table.anySlot)).entry.errno
        #expect(full == .fileTableFull)
        drop(kept)
        let late = try table.freeSlot(1)
        ring.close()
        do {
            _ = try table.register(UnownedDescriptor.standardInput, in: late)
            Issue.record("There is no ring to register with.")
        } catch {
            #expect(error == .badFileDescriptor)
        }
    }

    @Test(arguments: [false, true])
    func aRegisteredFileThatNobodyTakesLeavesItsSlot(isReaped: Bool) throws {
        let pipe = try DescriptorPair.pipe()
        let readEnd = pipe.first
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 2)
        try ring.prepare(RegisterDescriptor(pipe.second, into: table.anySlot), tag: 1)
        drop(pipe.second)
        try ring.submit(waitingFor: 1)
        expectWriter(of: readEnd, exists: true)
        if isReaped {
            drop(try ring.nextCompletionWaiting())
            #expect(table.usedCount == 0)
        } else {
            drop(ring)
        }
        expectWriter(of: readEnd, exists: false)
    }

    // MARK: Releases

    @Test func theKernelReportsWhatItHasLetGoOf() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 2, allocating: 0..<0, tracksRelease: true)
        let pipe = try DescriptorPair.pipe()
        let file = try table.register(pipe.first, in: table.freeSlot(1))
        #expect(table.unreleasedCount == 0)
        // A read that the table knows nothing of has the file as well.
        var entry = RawEntry(.read)
        entry.fileDescriptor = 1
        entry.flags = CURING_SQE_FIXED_FILE
        entry.length = 1
        let room = OneByte()
        entry.address = unsafe UInt64(UInt(bitPattern: room.address))
        try ring.prepare(unsafe RawOperation(entry, owning: room), tag: 1)
        try ring.submit()
        drop(file)
        #expect(table.usedCount == 0)
        try ring.expectNoCompletion()
        #expect(table.unreleasedCount == 1)
        try write(7, to: pipe.second)
        let read = try ring.nextCompletionWaiting()
        #expect(read.tag == 1)
        drop(read)
        // The report is nobody's completion, but it is waited for like one.
        let wait = try ring.submit(waitingFor: 1, timeout: .seconds(10))
        #expect(!wait.timedOut)
        try ring.expectNoCompletion()
        #expect(table.unreleasedCount == 0)
        #expect(ring.inFlightCount == 0 && ring.foreignCompletionCount == 0)
    }

    @Test func aFileThatIsClosedThroughTheRingIsReportedToo() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1, allocating: 0..<0, tracksRelease: true)
        let file = try table.register(UnownedDescriptor.standardInput, in: table.freeSlot(0))
        let outcome = try ring.run(Close(file)).result.get()
        #expect(outcome == .closed)
        try ring.expectNoCompletion()
        #expect(table.unreleasedCount == 0)
    }

    @Test func nothingIsReportedUnlessItIsAskedFor() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1, allocating: 0..<0)
        drop(try table.register(UnownedDescriptor.standardInput, in: table.freeSlot(0)))
        #expect(ring.readyCount == 0)
    }

    // MARK: Misuse

    @Test func fillingASlotThatWasNotChosenAtOnceTraps() async {
        expectSentence(
            "Only a slot that was chosen can be filled at once",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let table = try ring.makeFileTable(count: 1)
                _ = try table.register(UnownedDescriptor.standardInput, in: table.anySlot)
            })
    }

    @Test func fillingAnotherRingsSlotTraps() async {
        expectSentence(
            "This slot is of another ring's file table",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                var other = try Ring<Int>(entries: 8)
                let table = try ring.makeFileTable(count: 1)
                let otherTable = try other.makeFileTable(count: 1, allocating: 0..<0)
                _ = try table.register(UnownedDescriptor.standardInput, in: otherTable.freeSlot(0))
            })
    }
}

/// A byte that stays where it is.
@safe private struct OneByte: ~Copyable {
    let address = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)

    deinit { unsafe address.deallocate() }
}
