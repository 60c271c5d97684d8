// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct CloseTests {
    @Test func encodesLikeLiburing() throws {
        let pair = try DescriptorPair.pipe()
        let number = pair.first.number
        unsafe expectEncoding(of: Close(pair.first)) { entry, _, _ in unsafe reference_prep_close(entry, number) }
        let hold = pair.second.hold()
        unsafe expectEncoding(of: Close(pair.second)) { entry, _, _ in unsafe reference_prep_nop(entry) }
        _ = consume hold
    }

    @Test func closesOnceAndForAll() throws {
        let pair = try DescriptorPair.pipe()
        let readEnd = pair.first
        var ring = try Ring<Int>(entries: 8)
        let completed = try ring.run(Close(pair.second))
        #expect(try completed.result.get() == .closed)
        expectWriter(of: readEnd, exists: false)
        // Nobody closes the number again, whatever it means by now.
        #expect(completed.operation.descriptor.number == -1)
        let again = try ring.run(Close(completed.operation.descriptor))
        #expect(again.entry.errno == .badFileDescriptor)
    }

    @Test func doesNotCloseTheNumberAgainWhenACompletionIsDropped() async {
        // In a process of its own, where no other test can take the number, and with one that no other thread of it comes to: new ones are low.
        await #expect(processExitsWith: .success) {
            let pair = try DescriptorPair.pipe()
            let number = fcntl(pair.second.number, F_DUPFD_CLOEXEC, 500)
            try #require(number >= 500)
            let spare = try DescriptorPair.pipe()
            var ring = try Ring<Int>(entries: 8)
            // SAFETY: nobody else closes the number that was just made.
            try ring.prepare(Close(unsafe Descriptor(adopting: FileDescriptor(rawValue: number))), tag: 1)
            let completion = try ring.nextCompletionWaiting()
            // The number gets to mean something else before the completion is dropped.
            try #require(fcntl(number, F_GETFD) < 0)
            try #require(dup2(spare.second.number, number) == number)
            _ = consume completion
            try #require(fcntl(number, F_GETFD) >= 0)
        }
    }

    @Test func waitsForOtherOperationsOnTheDescriptor() throws {
        let pair = try DescriptorPair.pipe()
        let readEnd = pair.first
        let writeEnd = pair.second
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Read(readEnd, into: Buffer(byteCapacity: 16)), tag: 1)
        try ring.prepare(Close(readEnd), tag: 2)
        let completion = try ring.nextCompletionWaiting()
        #expect(completion.tag == 2)
        let completed = completion.take(Close<Descriptor>.self)
        #expect(try completed.result.get() == .deferred)
        _ = consume completed
        expectReader(of: writeEnd, exists: true)
        let count = try writeEnd.unowned.fileDescriptor.writeAll([1, 2, 3])
        #expect(count == 3)
        let read = try ring.nextCompletionWaiting().take(Read<Buffer>.self)
        #expect(read.operation.memory.copyBytes() == [1, 2, 3])
        expectReader(of: writeEnd, exists: true)
        _ = consume read
        expectReader(of: writeEnd, exists: false)
    }

    @Test func leavesTheDescriptorToTheDropWhenItIsCancelled() throws {
        let pair = try DescriptorPair.pipe()
        let readEnd = pair.first
        var operation = Close(pair.second)
        let number = operation.descriptor.number
        let result = unsafe operation.complete(CompletionEntry(result: -ECANCELED), kernelData: NoKernelData())
        #expect(throws: Errno.canceled) { try result.get() }
        #expect(operation.descriptor.number == number)
        expectWriter(of: readEnd, exists: true)
        _ = consume operation
        expectWriter(of: readEnd, exists: false)
    }

    /// A file system may say anything, also what the kernel says of a number that there is not.
    @Test(arguments: [Errno.ioError, .badFileDescriptor, .invalidArgument, .permissionDenied])
    func takesTheDescriptorForClosedWhenFlushingFailed(errno: Errno) throws {
        let pair = try DescriptorPair.pipe()
        var operation = Close(pair.second)
        let number = operation.descriptor.number
        let result = unsafe operation.complete(CompletionEntry(result: -errno.rawValue), kernelData: NoKernelData())
        #expect(throws: errno) { try result.get() }
        #expect(operation.descriptor.number == -1)
        _ = Glibc.close(number)
    }

    /// The kernel refuses the entry there, and so closes nothing.
    @Test func leavesTheDescriptorToTheDropOnARingThatCannotClose() throws {
        func expectRefused(_ ring: inout Ring<Int>, _ errno: Errno) throws {
            let pair = try DescriptorPair.pipe()
            let readEnd = pair.first
            let number = pair.second.number
            let completed = try ring.run(Close(pair.second))
            #expect(completed.entry.errno == errno)
            #expect(completed.operation.descriptor.number == number)
            expectWriter(of: readEnd, exists: true)
            _ = consume completed
            expectWriter(of: readEnd, exists: false)
        }
        var polling = try Ring<Int>(entries: 8, options: RingOptions(.ioPolling))
        try expectRefused(&polling, .invalidArgument)
        for restrictions in [
            RingRestrictions(operations: [.nop]), RingRestrictions(operations: [.close], requiredFlags: .directDescriptor),
        ] {
            var options = RingOptions.recommended
            options.flags.insert(.startsDisabled)
            var restricted = try Ring<Int>(entries: 8, options: options)
            try restricted.restrict(to: restrictions)
            try restricted.enable()
            try expectRefused(&restricted, .permissionDenied)
        }
    }

    @Test func closesTheDescriptorOnARestrictedRingThatCanClose() throws {
        var options = RingOptions.recommended
        options.flags.insert(.startsDisabled)
        var ring = try Ring<Int>(entries: 8, options: options)
        try ring.restrict(to: RingRestrictions(operations: [.close]))
        #expect(unsafe !ring.core.table.state.pointee.refusesClosing)
        try ring.enable()
        let pair = try DescriptorPair.pipe()
        #expect(try ring.run(Close(pair.second)).result.get() == .closed)
        expectWriter(of: pair.first, exists: false)
    }

    @Test func closesTheDescriptorWhenItIsNeverSubmitted() throws {
        let pair = try DescriptorPair.pipe()
        let readEnd = pair.first
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Close(pair.second), tag: 1)
            expectWriter(of: readEnd, exists: true)
        }
        expectWriter(of: readEnd, exists: false)
    }

    @Test func closesTheDescriptorWhenTheRingIsDropped() throws {
        let pair = try DescriptorPair.pipe()
        let readEnd = pair.first
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Close(pair.second), tag: 1)
            try ring.submit()
        }
        expectWriter(of: readEnd, exists: false)
    }

    // MARK: Direct descriptors

    @Test func closesASlotOnceAndForAll() throws {
        var server = try DirectServer(slotCount: 1)
        let client = try server.listener.connect()
        let connection = try server.accept()
        let completed = try server.ring.run(Close(connection), tag: 2)
        #expect(try completed.result.get() == .closed)
        #expect(client.receiveBounded() == [])
        #expect(server.table.usedCount == 0)
        // The slot is another connection's by now, which closing the old one again must not touch.
        let next = try server.listener.connect()
        let other = try server.accept()
        let again = try server.ring.run(Close(completed.operation.descriptor), tag: 2)
        #expect(again.entry.errno == .badFileDescriptor)
        drop(again)
        #expect(server.table.usedCount == 1)
        _ = try server.ring.run(Send(other, from: Buffer(copying: [3])), tag: 2).result.get()
        #expect(next.receiveBounded() == [3])
    }

    @Test func waitsForOtherOperationsOnTheSlot() throws {
        var server = try DirectServer(slotCount: 1)
        let client = try server.listener.connect()
        let connection = try server.accept()
        try server.ring.prepare(Receive(connection, into: Buffer(byteCapacity: 16)), tag: 2)
        let outcome = try server.closeNow(connection)
        #expect(outcome == .deferred)
        #expect(server.table.usedCount == 1)
        #expect(client.sendNow([1]) == 1)
        do {
            let received = try server.ring.nextCompletionWaiting().take(Receive<Buffer>.self)
            #expect(received.operation.memory.copyBytes() == [1])
        }
        #expect(client.receiveBounded() == [])
        #expect(server.table.usedCount == 0)
    }

    @Test func leavesTheSlotToTheDropWhenItIsCancelled() throws {
        var server = try DirectServer(slotCount: 1)
        let client = try server.listener.connect()
        var operation = Close(try server.accept())
        let result = unsafe operation.complete(CompletionEntry(result: -ECANCELED), kernelData: NoKernelData())
        #expect(throws: Errno.canceled) { try result.get() }
        #expect(server.table.usedCount == 1)
        drop(operation)
        #expect(server.table.usedCount == 0)
        #expect(client.receiveBounded() == [])
    }

    @Test(arguments: [false, true])
    func closesTheSlotWhenTheRingIsDropped(isSubmitted: Bool) throws {
        var server = try DirectServer(slotCount: 1)
        let client = try server.listener.connect()
        try server.ring.prepare(Close(try server.accept()), tag: 2)
        if isSubmitted { try server.ring.submit() }
        drop(server)
        #expect(client.receiveBounded() == [])
    }

    @Test func closingAnotherRingsSlotTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            var other = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 1)
            try other.prepare(Close(try ring.run(Socket(.unix, .stream, into: table.anySlot)).result.get()), tag: 1)
        }
        expectSentence("This direct descriptor is another ring's", of: result)
    }
}
