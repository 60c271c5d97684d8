// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CTestSupport
import SystemPackage
import Testing

@testable import URing

@Suite struct EpollWaitTests {
    @Test func encodesLikeLiburing() {
        let set = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: EpollWait(set, into: EpollEvents(capacity: 5))) { entry, operation, _ in
            unsafe reference_prep_epoll_wait(entry, 7, operation.pointee.events.memory.kernelRoom.baseAddress, 5, 0)
            #expect(unsafe operation.pointee.events.memory.byteCapacity == 5 * test_epoll_event_size())
        }
    }

    @Test func givesTheEventsThatAreThere() throws {
        var ring = try Ring<Int>(entries: 8)
        let set = try EpollSet()
        let quiet = try DescriptorPair.sockets()
        let sockets = try DescriptorPair.sockets()
        try set.add(quiet.first, for: .input, data: 1)
        try set.add(sockets.first, for: [.input, .output], data: 0xfedc_ba98_7654_3210)
        try write(1, to: sockets.second)
        let completed = try ring.run(EpollWait(set.descriptor, into: EpollEvents(capacity: 4)))
        #expect(try completed.result.get() == 1)
        let (count, event) = (completed.operation.events.count, completed.operation.events[0])
        #expect(count == 1)
        #expect(event == EpollEvent(events: [.input, .output], data: 0xfedc_ba98_7654_3210))
    }

    @Test func givesNoMoreThanThereIsRoomForAndTheOthersNext() throws {
        var ring = try Ring<Int>(entries: 8)
        let set = try EpollSet()
        let one = try DescriptorPair.sockets()
        let two = try DescriptorPair.sockets()
        let three = try DescriptorPair.sockets()
        try set.add(one.first, for: .output, data: 10)
        try set.add(two.first, for: .output, data: 11)
        try set.add(three.first, for: .output, data: 12)
        var events = EpollEvents(capacity: 2)
        var seen: [UInt64] = []
        for _ in 0..<3 {
            let completed = try ring.run(EpollWait(set.descriptor, into: events))
            #expect(try completed.result.get() == 2)
            events = completed.operation.events
            for index in 0..<events.count { seen.append(events[index].data) }
        }
        // Those that were told of go to the end of the queue, and all of them are level-triggered.
        #expect(seen == [10, 11, 12, 10, 11, 12])
    }

    @Test(arguments: RingKind.allCases) func waitsUntilThereIsOne(kind: RingKind) throws {
        let set = try EpollSet()
        let sockets = try DescriptorPair.sockets()
        try set.add(sockets.first, for: .input, data: 3)
        try withRing(kind) { ring in
            try ring.prepare(EpollWait(set.descriptor, into: EpollEvents(capacity: 4)), tag: 9)
            try ring.submit()
            try ring.expectNoCompletion()
            try write(1, to: sockets.second)
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == 9)
            let completed = completion.take(EpollWait.self)
            let event = completed.operation.events[0]
            #expect(event == EpollEvent(events: .input, data: 3))
        }
    }

    @Test func goesOnInPlace() throws {
        var ring = try Ring<Int>(entries: 8)
        let set = try EpollSet()
        let sockets = try DescriptorPair.sockets()
        try set.add(sockets.first, for: .input, data: 3)
        try ring.prepare(EpollWait(set.descriptor, into: EpollEvents(capacity: 4)), tag: 9)
        for byte in 0..<20 as Range<UInt8> {
            try write(byte, to: sockets.second)
            let completion = try ring.nextCompletionWaiting()
            try ring.prepareAgain(completion, as: EpollWait.self) { operation, result in
                let count = try result.get()
                let event = operation.events[0]
                let received = try readByte(from: sockets.first)
                #expect(count == 1 && event == EpollEvent(events: .input, data: 3) && received == byte)
            }
        }
    }

    /// The set lets go of a file whose last descriptor is closed; a poll of the ring keeps it open, and is told of nothing.
    @Test func aFileThatIsClosedLeavesTheSetWhileItIsWaitedFor() throws {
        var ring = try Ring<Int>(entries: 8)
        let set = try EpollSet()
        let closed = try DescriptorPair.sockets()
        let other = try DescriptorPair.sockets()
        try set.add(closed.first, for: .input, data: 1)
        try set.add(other.first, for: .input, data: 2)
        try ring.prepare(EpollWait(set.descriptor, into: EpollEvents(capacity: 4)), tag: 0)
        try ring.submit()
        try ring.expectNoCompletion()
        drop(closed.first)
        // The peer sees that nobody has the file any more.
        #expect(try readByte(from: closed.second) == nil)
        try write(1, to: other.second)
        let completed = try ring.nextCompletionWaiting().take(EpollWait.self)
        #expect(try completed.result.get() == 1)
        let event = completed.operation.events[0]
        #expect(event.data == 2)
    }

    @Test func aCancelledWaitComesBackWithItsEvents() throws {
        var ring = try Ring<Int>(entries: 8)
        let set = try EpollSet()
        let token = try ring.prepare(EpollWait(set.descriptor, into: EpollEvents(capacity: 4)), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        try ring.prepare(Cancel(token), tag: 2)
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            guard completion.tag == 1 else { continue }
            let completed = completion.take(token)
            #expect(completed.entry.errno == .canceled)
            let (count, capacity) = (completed.operation.events.count, completed.operation.events.capacity)
            #expect(count == 0 && capacity == 4)
        }
        #expect(ring.inFlightCount == 0)
    }

    @Test func anotherFileIsRefused() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let errno = try ring.run(EpollWait(pipe.first, into: EpollEvents(capacity: 1))).entry.errno
        #expect(errno == .invalidArgument)
    }

    @Test func waitsForASetInTheFileTable() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 2)
        let set = try EpollSet()
        let sockets = try DescriptorPair.sockets()
        try set.add(sockets.first, for: .output, data: 5)
        let direct = try ring.run(RegisterDescriptor(set.descriptor, into: table.anySlot)).result.get()
        let completed = try ring.run(EpollWait(direct, into: EpollEvents(capacity: 1)))
        #expect(try completed.result.get() == 1)
        let event = completed.operation.events[0]
        #expect(event.data == 5)
    }

    @Test func droppingTheRingLetsGoOfTheSet() throws {
        let set = try EpollSet()
        do {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(EpollWait(set.descriptor, into: EpollEvents(capacity: 4)), tag: 1)
            try ring.submit()
            expectHeld(set.descriptor)
            let leftovers = ring.close()
            #expect(leftovers.isEmpty)
        }
        expectHeld(set.descriptor, false)
    }

    @Test func roomForNothingTraps() async {
        expectSentence(
            "There must be room for one event at least",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = EpollEvents(capacity: 0) })
    }

    @Test func anEventThatThereWasNotTraps() async {
        expectSentence(
            "There is no such event.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = EpollEvents(capacity: 4)[0] })
    }
}

/// An epoll set, and its system calls.
private struct EpollSet: ~Copyable {
    let descriptor: Descriptor

    init() throws {
        let number = test_epoll_create()
        guard number >= 0 else { throw Errno(rawValue: -number) }
        // SAFETY: nobody else knows the descriptor.
        descriptor = unsafe Descriptor(adopting: FileDescriptor(rawValue: number))
    }

    func add(_ file: borrowing Descriptor, for events: PollEvents, data: UInt64) throws {
        let status = test_epoll_add(
            descriptor.unowned.fileDescriptor.rawValue, file.unowned.fileDescriptor.rawValue, events.rawValue, data)
        if status != 0 { throw Errno(rawValue: -status) }
    }
}
