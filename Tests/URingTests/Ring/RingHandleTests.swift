// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct RingHandleTests {
    /// A thread with a ring, which stays until it is told to end.
    private struct Receiver {
        let handle: RingHandle
        let thread: TestThread
        let tagsSeen: Handed<[Int]>

        /// Gives each completion to `body`, until it says that it was the last.
        init(_ body: @escaping @Sendable (consuming Completion<Int>) -> Bool) throws {
            let handle = Handed<RingHandle?>(nil)
            let isReady = FutexWord()
            let tagsSeen = Handed<[Int]>([])
            self.tagsSeen = tagsSeen
            thread = TestThread {
                do {
                    var ring = try Ring<Int>(entries: 64)
                    handle.value = try ring.makeHandle(messageTag: 7)
                    isReady.value = 1
                    isReady.wake()
                    loop: while true {
                        try ring.submit(waitingFor: 1)
                        while let completion = ring.nextCompletion() {
                            if body(completion) { break loop }
                        }
                    }
                } catch {
                    Issue.record(error)
                    isReady.value = 1
                    isReady.wake()
                }
            }
            while isReady.value == 0 { _ = try? isReady.wait(while: 0) }
            self.handle = try #require(handle.value)
        }
    }

    @Test func aThreadWithoutARingSendsValues() throws {
        let seen = Handed<[UInt64]>([])
        let receiver = try Receiver { completion in
            guard case .value(let value, let label) = completion.takeMessage() else { return true }
            if label == 1 { return true }
            seen.value.append(value)
            return false
        }
        for value in UInt64(0)..<1000 { try receiver.handle.send(value << 40 | value) }
        try receiver.handle.send(0, label: 1)
        receiver.thread.join()
        #expect(seen.value.sorted() == (UInt64(0)..<1000).map { $0 << 40 | $0 })
    }

    /// A tag of several words, each of which is the same.
    private struct WideTag: BitwiseCopyable {
        let words: InlineArray<24, UInt64>
        init(_ word: UInt64) { words = .init(repeating: word) }
    }

    /// Slots with such a tag have 512 bytes, and where the smallest would begin within them, 128 bytes on, the caller's bytes lie.
    @Test(arguments: [false, true]) func aMessageNamesNoSlotWhateverLiesThere(isWakeUp: Bool) throws {
        var ring = try Ring<WideTag>(entries: 64)
        let counter = try EventCounter()
        // What the handle sends whose number is that place in the slot.
        for slot in UInt32(0)..<2 {
            let userData = UserData.fromHandle(isWakeUp ? .wake : .message, inbox: slot * 32 + 8, value: 0)
            try ring.prepare(Read(counter, into: Buffer(byteCapacity: 8)), tag: WideTag(userData))
        }
        var handles: [RingHandle] = []
        for _ in 0..<64 { handles.append(try ring.makeHandle(messageTag: WideTag(0))) }
        try ring.submit()
        for index in handles.indices {
            if isWakeUp { try handles[index].wake() } else { try handles[index].send(UInt64(index)) }
        }
        var values: [UInt64] = []
        try ring.processPending()
        while let completion = ring.nextCompletion() {
            let isMessage = completion.isMessage
            try #require(isMessage)
            if case .value(let value, _) = completion.takeMessage() { values.append(value) }
        }
        #expect(values.sorted() == (isWakeUp ? [] : (0..<64).map { UInt64($0) }))
        #expect(ring.inFlightCount == 2)
    }

    @Test func aWakeUpEndsAWaitAndNothingArrives() throws {
        var ring = try Ring<Int>(entries: 8)
        let handle = try ring.makeHandle(messageTag: 1)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Poll(pipe.first, for: .input), tag: 2)
        try ring.submit()
        let number = test_thread_number()
        let thread = TestThread {
            waitUntilAsleep(number)
            #expect(throws: Never.self) { try handle.wake() }
        }
        let result = try ring.submit(waitingFor: 1)
        #expect(result == SubmitResult(submitted: 0))
        thread.join()
        try ring.expectNoCompletion()
        #expect(ring.inFlightCount == 1 && ring.foreignCompletionCount == 0)
        // One that comes before the wait has that end at once.
        try handle.wake()
        let again = try ring.submit(waitingFor: 1)
        #expect(again == SubmitResult(submitted: 0))
        try ring.expectNoCompletion()
    }

    @Test func aFullCompletionQueueLosesNoMessage() throws {
        var options = RingOptions.recommended
        options.completionQueueEntries = 2
        var ring = try Ring<Int>(entries: 2, options: options)
        let handle = try ring.makeHandle(messageTag: 1)
        for value in UInt64(0)..<5000 { try handle.send(value) }
        var seen = [Bool](repeating: false, count: 5000)
        for _ in 0..<5000 {
            guard case .value(let value, _) = try ring.nextCompletionWaiting().takeMessage() else { continue }
            seen[Int(value)] = true
        }
        #expect(seen.allSatisfy { $0 } && ring.overflowCount > 0 && ring.inFlightCount == 0)
    }

    /// Two rings on two threads send each other half a million messages each; every one comes, once, as it was sent.
    @Test func aMillionMessagesBetweenTwoRingsArriveExactly() throws {
        let count: UInt64 = 500_000
        let handles = [Handed<RingHandle?>(nil), Handed<RingHandle?>(nil)]
        let ready = FutexWord()
        let threads = (0..<2).map { side in
            TestThread {
                do {
                    var ring = try Ring<Int>(entries: 256)
                    let own = try ring.makeHandle(messageTag: 1)
                    handles[side].value = own
                    _ = ready.wrappingAdd(1)
                    ready.wake(count: 2)
                    while ready.value < 2 { _ = try? ready.wait(while: 1) }
                    guard let peer = handles[1 - side].value else { return }
                    // The number in both halves, so that a value put together wrongly shows.
                    var sent: UInt64 = 0
                    var (acknowledged, received): (UInt64, UInt64) = (0, 0)
                    var seen = [UInt8](repeating: 0, count: Int(count))
                    while received < count || acknowledged < count {
                        while sent < count && sent - acknowledged < 200 {
                            try ring.prepare(SendRingMessage(sent << 32 | ~sent & 0xffff_ffff, to: peer), tag: 0)
                            sent += 1
                        }
                        try ring.submit(waitingFor: 1)
                        while let completion = ring.nextCompletion() {
                            if completion.tag == 0 {
                                try completion.take(SendRingMessage.self).result.get()
                                acknowledged += 1
                                continue
                            }
                            guard case .value(let value, label: 0) = completion.takeMessage() else { continue }
                            let number = value >> 32
                            if number < count, value & 0xffff_ffff == ~number & 0xffff_ffff { seen[Int(number)] += 1 }
                            received += 1
                        }
                    }
                    let isExact = seen.allSatisfy { $0 == 1 }
                    #expect(isExact)
                    let (receivedCount, inFlightCount) = (received, ring.inFlightCount)
                    #expect(receivedCount == count)
                    #expect(inFlightCount == 0)
                    let strayCount = ring.foreignCompletionCount + ring.staleCompletionCount
                    #expect(strayCount == 0)
                } catch {
                    Issue.record(error)
                }
            }
        }
        for thread in threads { thread.join() }
    }

    @Test func aDescriptorArrivesAndIsUsable() throws {
        let pipe = try DescriptorPair.pipe()
        let receiver = try Receiver { completion in
            switch completion.takeMessage() {
            case .descriptor(let file, let value):
                #expect(value == 31)
                #expect(throws: Never.self) { try write(9, to: file) }
            default: Issue.record("not a descriptor")
            }
            return true
        }
        try receiver.handle.send(pipe.second.transfer(), value: 31)
        receiver.thread.join()
        let byte = try readByte(from: pipe.first)
        #expect(byte == 9)
        // The receiver dropped it.
        let end = try readByte(from: pipe.first)
        #expect(end == nil)
    }

    @Test func aDescriptorNobodyTakesIsClosed() throws {
        var ring = try Ring<Int>(entries: 8)
        let handle = try ring.makeHandle(messageTag: 1)
        let dropped = try DescriptorPair.pipe()
        try handle.send(dropped.second.transfer())
        drop(try ring.nextCompletionWaiting())
        expectWriter(of: dropped.first, exists: false)
        let fetched = try DescriptorPair.pipe()
        try handle.send(fetched.second.transfer())
        try ring.submit(waitingFor: 1)
        // More than the completion queue holds, and than the kernel posts in one go.
        var posted: [Handed<Descriptor>] = []
        for _ in 0..<100 {
            let pipe = try DescriptorPair.pipe()
            try handle.send(pipe.second.transfer())
            posted.append(Handed(pipe.first))
        }
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        expectWriter(of: fetched.first, exists: false)
        for reader in posted { expectWriter(of: reader.value, exists: false) }
        let late = try DescriptorPair.pipe()
        do throws(Errno) {
            try handle.send(late.second.transfer())
            Issue.record("a ring that has ended took a descriptor")
        } catch {
            #expect(error == .ringGone)
        }
        expectWriter(of: late.first, exists: false)
        #expect(throws: Errno.ringGone) { try handle.wake() }
        #expect(throws: Errno.ringGone) { try handle.send(1) }
        #expect(!handle.isRingAlive)
    }

    /// The kernel does not let another thread fetch anything for a ring with one submitter, but this one lies there already.
    @Test func aDescriptorNobodyTakesIsClosedWhenTheRingEndsOnAnotherThread() throws {
        let ring = Handed<Ring<Int>?>(try Ring(entries: 8))
        let pipe = try DescriptorPair.pipe()
        guard let handle = try ring.value?.makeHandle(messageTag: 1) else { return }
        try handle.send(pipe.second.transfer())
        try ring.value?.submit(waitingFor: 1)
        TestThread { _ = ring.value.take() }.join()
        expectWriter(of: pipe.first, exists: false)
    }

    /// What did not come through a handle brings nothing, whatever it looks like.
    @Test func aNumberThatNoHandleSentIsNotClosed() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        _ = try ring.makeHandle(messageTag: 1)
        var sender = try Ring<Int>(entries: 8)
        for isTaken in [true, false] {
            var message = RawEntry(.msgRing)
            message.offset = UserData.fromHandle(.descriptorMessage, inbox: 1, value: 0)
            message.length = UInt32(pipe.second.unowned.fileDescriptor.rawValue)
            // SAFETY: the entry has no address.
            _ = try sender.run(unsafe RawOperation(message, on: ring.descriptor, owning: ())).result.get()
            if isTaken { try ring.expectNoCompletion() }
        }
        #expect(ring.foreignCompletionCount == 1)
        ring.close()
        try write(3, to: pipe.second)
        let byte = try readByte(from: pipe.first)
        #expect(byte == 3)
    }

    /// Threads send descriptors while the ring ends: each arrives or is closed, and none stays open.
    @Test func noDescriptorIsLostWhenTheRingEndsMeanwhile() throws {
        for _ in 0..<30 {
            let counter = try DescriptorPair.pipe()
            let writer = counter.second.unowned.fileDescriptor
            var ring = try Ring<Int>(entries: 8)
            let handle = try ring.makeHandle(messageTag: 1)
            let sentCount = FutexWord()
            let takenCount = FutexWord()
            let threads = (0..<3).map { _ in
                TestThread {
                    while let copy = try? writer.duplicate() {
                        // Other tests need descriptors as well.
                        while sentCount.value &- takenCount.value > 200 && handle.isRingAlive { sched_yield() }
                        // SAFETY: the number is this one's alone.
                        let descriptor = unsafe Descriptor(adopting: copy)
                        do {
                            try handle.send(descriptor.transfer())
                            _ = sentCount.wrappingAdd(1)
                        } catch {
                            #expect(error as? Errno == .ringGone)
                            return
                        }
                    }
                }
            }
            while takenCount.value < 50 {
                if case .descriptor = try ring.nextCompletionWaiting().takeMessage() { _ = takenCount.wrappingAdd(1) }
            }
            ring.close()
            for thread in threads { thread.join() }
            #expect(sentCount.value >= takenCount.value)
            drop(counter.second)
            expectWriter(of: counter.first, exists: false)
        }
    }

    @Test func aHandleKeepsNothingOfAnEndedRingAlive() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        let handle = try ring.makeHandle(messageTag: 1, receivingInto: table)
        let listener = try Listener()
        try ring.prepare(AcceptMultishot(listener.descriptor, into: table), tag: 1)
        let client = try listener.connect()
        let connection = try ring.nextCompletionWaiting().event(AcceptMultishot<DirectDescriptor>.self).expectMore()
        let number = handle.state.number
        #expect(target(of: number) == "anon_inode:[io_uring]")
        ring.close()
        // The kernel has let go of the ring and of the files in its table, although the number is still taken.
        #expect(client.receiveBounded() == [])
        #expect(target(of: number) == "anon_inode:[eventfd]")
        #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
        drop(connection)
        withExtendedLifetime(handle) {}
    }

    @Test func theLastHandleClosesItsNumber() throws {
        let number: Int32
        do {
            var ring = try Ring<Int>(entries: 8)
            let handle = try ring.makeHandle(messageTag: 1)
            let another = try ring.makeHandle(messageTag: 2)
            number = handle.state.number
            #expect(another.state.number == number)
            ring.close()
            #expect(target(of: number) == "anon_inode:[eventfd]")
        }
        #expect(target(of: number) != "anon_inode:[eventfd]")
        // A ring with a handle that nobody kept.
        do {
            var ring = try Ring<Int>(entries: 8)
            let inner = try ring.makeHandle(messageTag: 1).state.number
            #expect(target(of: inner) == "anon_inode:[io_uring]")
        }
    }

    /// The other file cannot be put in the ring's place then.
    @Test func nothingIsSentToARingThatEndedUnderALowerLimitOfDescriptors() async {
        await #expect(processExitsWith: .success) {
            var ring = try Ring<Int>(entries: 8)
            var sender = try Ring<Int>(entries: 8)
            let handle = try ring.makeHandle(messageTag: 1)
            try #require(test_limit_descriptors(3) == 0)
            ring.close()
            try #require(!handle.isRingAlive)
            try #require(throws: Errno.ringGone) { try handle.send(1) }
            try #require(throws: Errno.ringGone) { try handle.wake() }
            let sent = try sender.run(SendRingMessage(1, to: handle)).result
            try #require(throws: Errno.ringGone) { try sent.get() }
        }
    }
}
