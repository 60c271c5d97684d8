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

@Suite struct EpollControlTests {
    @Test func encodesLikeLiburing() {
        let set = UnownedDescriptor(FileDescriptor(rawValue: 7))
        let file = UnownedDescriptor(FileDescriptor(rawValue: 9))
        let data = 0xfedc_ba98_7654_3210 as UInt64
        let flags: EpollFlags = [.edgeTriggered, .oneShot]
        unsafe expectEncoding(of: EpollControl(set, adding: file, for: [.input, .exclusive], flags: flags, data: data)) { entry, _, event in
            unsafe reference_prep_epoll_ctl(entry, 7, 9, 1, event)
            #expect(unsafe test_epoll_event_is(event, 0xd000_0001, data) == 1)
        }
        unsafe expectEncoding(of: EpollControl(set, modifying: file, for: .output, data: 5)) { entry, _, event in
            unsafe reference_prep_epoll_ctl(entry, 7, 9, 3, event)
            #expect(unsafe test_epoll_event_is(event, 4, 5) == 1)
        }
        unsafe expectEncoding(of: EpollControl(set, removing: file)) { entry, _, event in
            unsafe reference_prep_epoll_ctl(entry, 7, 9, 2, event)
        }
    }

    @Test(arguments: RingKind.allCases) func addsModifiesAndRemoves(kind: RingKind) throws {
        let set = try EpollSet()
        let sockets = try DescriptorPair.sockets()
        try write(1, to: sockets.second)
        try withRing(kind) { ring in
            try ring.run(EpollControl(set.descriptor, adding: sockets.first, for: .input, data: 0xfedc_ba98_7654_3210)).result.get()
            #expect(try set.events(ring: &ring) == [EpollEvent(events: .input, data: 0xfedc_ba98_7654_3210)])
            try ring.run(EpollControl(set.descriptor, modifying: sockets.first, for: .output, data: 2)).result.get()
            #expect(try set.events(ring: &ring) == [EpollEvent(events: .output, data: 2)])
            try ring.run(EpollControl(set.descriptor, removing: sockets.first)).result.get()
            // Nothing is left to tell of but this one, which is ready at once.
            try ring.run(EpollControl(set.descriptor, adding: sockets.second, for: .output, data: 3)).result.get()
            #expect(try set.events(ring: &ring) == [EpollEvent(events: .output, data: 3)])
        }
    }

    @Test func tellsOnceOrOfWhatHappensWhenAsked() throws {
        var ring = try Ring<Int>(entries: 8)
        let set = try EpollSet()
        let sockets = try DescriptorPair.sockets()
        let clock = try DescriptorPair.sockets()
        try write(1, to: sockets.second)
        // Always ready, so that no wait is for ever.
        try ring.run(EpollControl(set.descriptor, adding: clock.first, for: .output, data: 0)).result.get()
        try ring.run(EpollControl(set.descriptor, adding: sockets.first, for: .input, flags: .oneShot, data: 1)).result.get()
        #expect(try set.events(ring: &ring).map(\.data) == [0, 1])
        try write(2, to: sockets.second)
        #expect(try set.events(ring: &ring).map(\.data) == [0])
        try ring.run(EpollControl(set.descriptor, modifying: sockets.first, for: .input, flags: .edgeTriggered, data: 2)).result.get()
        #expect(try set.events(ring: &ring).map(\.data).sorted() == [0, 2])
        #expect(try set.events(ring: &ring).map(\.data) == [0])
        try write(3, to: sockets.second)
        #expect(try set.events(ring: &ring).map(\.data).sorted() == [0, 2])
    }

    @Test func reportsTheKernelsErrors() throws {
        var ring = try Ring<Int>(entries: 8)
        let set = try EpollSet()
        let sockets = try DescriptorPair.sockets()
        var errno = try ring.run(EpollControl(set.descriptor, removing: sockets.first)).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
        errno = try ring.run(EpollControl(set.descriptor, modifying: sockets.first, for: .input, data: 0)).entry.errno
        #expect(errno == .noSuchFileOrDirectory)
        try ring.run(EpollControl(set.descriptor, adding: sockets.first, for: .input, data: 0)).result.get()
        errno = try ring.run(EpollControl(set.descriptor, adding: sockets.first, for: .input, data: 0)).entry.errno
        #expect(errno == .fileExists)
        errno = try ring.run(EpollControl(set.descriptor, modifying: sockets.first, for: .exclusive, data: 0)).entry.errno
        #expect(errno == .invalidArgument)
        let directory = try TemporaryDirectory()
        errno = try ring.run(EpollControl(set.descriptor, adding: directory.open("a"), for: .input, data: 0)).entry.errno
        #expect(errno == .notPermitted)
        errno = try ring.run(EpollControl(sockets.first, adding: sockets.second, for: .input, data: 0)).entry.errno
        #expect(errno == .invalidArgument)
    }

    @Test func keepsBothFilesOpenUntilItIsDoneAndNoLonger() throws {
        var ring = try Ring<Int>(entries: 8)
        let set = try EpollSet()
        let sockets = try DescriptorPair.sockets()
        try ring.prepare(EpollControl(set.descriptor, adding: sockets.first, for: .input, data: 4), tag: 0)
        expectHeld(set.descriptor)
        drop(sockets.first)
        let completed = try ring.nextCompletionWaiting().take(EpollControl.self)
        try completed.result.get()
        // The operation that came back has the file still; the set does not.
        try write(1, to: sockets.second)
        #expect(try set.events(ring: &ring).map(\.data) == [4])
        drop(completed)
        expectHeld(set.descriptor, false)
        #expect(sockets.second.receiveBounded() == [])
    }

    @Test func droppingTheRingLetsGoOfBothFiles() throws {
        let set = try EpollSet()
        let sockets = try DescriptorPair.sockets()
        for _ in 0..<50 {
            var ring = try Ring<Int>(entries: 16)
            // A worker carries them out, so that some are in flight when the ring ends.
            for tag in 0..<16 { try ring.prepare(EpollControl(set.descriptor, removing: sockets.first), tag: tag, options: .asynchronous) }
            try ring.submit()
            let leftovers = ring.close(deadline: .seconds(10))
            #expect(leftovers.isEmpty)
        }
        expectHeld(set.descriptor, false)
        expectHeld(sockets.first, false)
    }

    @Test func aDirectDescriptorTraps() async {
        expectSentence(
            "A direct descriptor has no number in the process",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let table = try ring.makeFileTable(count: 1)
                let set = try EpollSet()
                let sockets = try DescriptorPair.sockets()
                let direct = try ring.run(RegisterDescriptor(sockets.first, into: table.anySlot)).result.get()
                var operation = EpollControl(set.descriptor, removing: sockets.first)
                operation.file = direct.hold()
                try ring.prepare(operation, tag: 0)
            })
    }
}

/// An epoll set, and its system calls.
private struct EpollSet: ~Copyable {
    let descriptor: Descriptor

    init() throws {
        descriptor = try .epollSet()
    }

    func add(_ file: borrowing Descriptor, for events: PollEvents, data: UInt64) throws {
        let status = test_epoll_add(
            descriptor.unowned.fileDescriptor.rawValue, file.unowned.fileDescriptor.rawValue, events.rawValue, data)
        if status != 0 { throw Errno(rawValue: -status) }
    }

    /// The events that are there, waiting for one.
    func events(ring: inout Ring<Int>) throws -> [EpollEvent] {
        let completed = try ring.run(EpollWait(descriptor, into: EpollEvents(capacity: 4)))
        let count = try completed.result.get()
        return (0..<count).map { completed.operation.events[$0] }
    }
}
