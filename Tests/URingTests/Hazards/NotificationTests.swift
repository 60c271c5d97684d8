// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

/// M5: notifications come in whatever order the network lets go of the memory.
@Suite struct M5NotificationOrderTests {
    @Test func eachNotificationFindsItsOwnSend() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let first = try StalledConnection()
        let second = try StalledConnection()
        let third = try StalledConnection()
        try ring.prepare(SendZeroCopy(first.sender, from: CountedMemory(ledger, byteCapacity: 60_000, filledWith: 1)), tag: 1)
        try ring.prepare(SendZeroCopy(second.sender, from: CountedMemory(ledger, byteCapacity: 60_000, filledWith: 2)), tag: 2)
        try ring.prepare(SendZeroCopy(third.sender, from: CountedMemory(ledger, byteCapacity: 60_000, filledWith: 3)), tag: 3)
        for _ in 0..<3 {
            let sent = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectMore()
            #expect(sent == 60_000)
        }
        #expect(ledger.aliveCount == 3)
        for tag in [2, 3, 1] {
            let received = try (tag == 1 ? first.drain(60_000) : tag == 2 ? second.drain(60_000) : third.drain(60_000))
            #expect(received.allSatisfy { $0 == UInt8(tag) })
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == tag)
            let completed = try completion.event(SendZeroCopy<CountedMemory>.self).expectFinished()
            #expect(completed.operation.memory.buffer.copyBytes().first == UInt8(tag))
            drop(completed)
            try ring.expectNoCompletion()
        }
        #expect(ledger.isSettled)
    }
}

/// M15: until its notification, the memory of a send is the kernel's, whatever the program drops or closes.
@Suite struct M15MemoryInUseTests {
    /// Memory whose owner can be told to change it behind everybody's back.
    @safe private final class Scribble {
        let bytes: UnsafeMutableRawBufferPointer
        init(byteCount: Int) {
            unsafe bytes = .allocate(byteCount: byteCount, alignment: 4096)
            unsafe bytes.initializeMemory(as: UInt8.self, repeating: 1)
        }
        deinit { unsafe bytes.deallocate() }
        func change() { unsafe bytes.initializeMemory(as: UInt8.self, repeating: 2) }
    }

    private struct SharedMemory: ByteSource, ~Copyable {
        let scribble: Scribble
        @unsafe var kernelBytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(scribble.bytes) }
    }

    @Test func theKernelReadsTheMemoryLongAfterTheResult() throws {
        // What the rule is for: the bytes that arrive are those that are there when they are transmitted, not those that were sent.
        let scribble = Scribble(byteCount: 65536)
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        try ring.prepare(SendZeroCopy(connection.sender, from: SharedMemory(scribble: scribble)), tag: 0)
        let sent = try ring.nextCompletionWaiting().event(SendZeroCopy<SharedMemory>.self).expectMore()
        #expect(sent == 65536)
        scribble.change()
        let received = try connection.drain(65536)
        #expect(received.first == 1 && received.last == 2)
        _ = try ring.nextCompletionWaiting().event(SendZeroCopy<SharedMemory>.self).expectFinished()
    }

    @Test func droppingTheResultFreesNothing() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        try ring.prepare(SendZeroCopy(connection.sender, from: CountedMemory(ledger, byteCapacity: 65536, filledWith: 3)), tag: 0)
        drop(try ring.nextCompletionWaiting())
        try ring.expectNoCompletion()
        #expect(ledger.aliveCount == 1 && ring.inFlightCount == 1)
        #expect(try connection.drain(65536) == [UInt8](repeating: 3, count: 65536))
        // The notification is dropped as well, and the memory goes with it.
        drop(try ring.nextCompletionWaiting())
        #expect(ledger.isSettled && ring.inFlightCount == 0)
        expectHeld(connection.sender, false)
    }

    @Test func aRingThatIsClosedWaitsForTheNotification() throws {
        let ledger = Ledger()
        let connection = try StalledConnection()
        let receiver = Handed(connection.receiver.unowned)
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(SendZeroCopy(connection.sender, from: CountedMemory(ledger, byteCapacity: 65536, filledWith: 3)), tag: 0)
        let sent = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectMore()
        #expect(sent == 65536)
        let isClosing = Flag()
        let thread = TestThread {
            while !isClosing.value { sched_yield() }
            var count = 0
            var byte = [UInt8](repeating: 0, count: 4096)
            while count < 65536 {
                let part = unsafe recv(receiver.value.fileDescriptor.rawValue, &byte, byte.count, 0)
                if part <= 0 { return }
                count += part
            }
        }
        isClosing.set()
        let leftovers = ring.close()
        thread.join()
        #expect(leftovers.isEmpty)
        #expect(ledger.isSettled)
        expectHeld(connection.sender, false)
    }

    @Test func memoryThatAStalledReceiverKeepsIsLeakedWithTheRing() throws {
        let ledger = Ledger()
        let connection = try StalledConnection()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(SendZeroCopy(connection.sender, from: CountedMemory(ledger, byteCapacity: 65536, filledWith: 3)), tag: 0)
        let sent = try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectMore()
        #expect(sent == 65536)
        let leftovers = ring.close(deadline: .milliseconds(50))
        #expect(leftovers.leakedOperations == 1)
        #expect(ledger.aliveCount == 1)
        expectHeld(connection.sender, false)
        // The receiver still gets what was sent, from memory that nobody has reused.
        #expect(try connection.drain(65536) == [UInt8](repeating: 3, count: 65536))
        #expect(ledger.aliveCount == 1)
    }

    @Test func aLeakIsSaid() async {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            let connection = try StalledConnection()
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(SendZeroCopy(connection.sender, from: Buffer(copying: pattern(65536))), tag: 0)
            _ = try ring.nextCompletionWaiting().event(SendZeroCopy<Buffer>.self).expectMore()
            ring.close(deadline: .milliseconds(50))
        }
        #if DEBUG
            expectSentence("URing: 1 operations did not end before the ring's deadline; their memory is leaked on purpose.", of: result)
        #else
            #expect(result != nil)
        #endif
    }
}

/// P10: the result of a send is not its notification, and the next send need not wait for it.
@Suite struct P10SendingOnTests {
    @Test func resultsComeWhileAllNotificationsAreOut() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        for tag in 0..<10 {
            let memory = CountedMemory(ledger, byteCapacity: 10_000, filledWith: UInt8(tag))
            try ring.prepare(SendZeroCopy(connection.sender, from: memory), tag: tag)
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == tag)
            #expect(try completion.event(SendZeroCopy<CountedMemory>.self).expectMore() == 10_000)
        }
        // The first bytes have arrived, and their notifications may have come; most have not.
        #expect(ring.inFlightCount == 10 && ring.readyCount < 5)
        let received = try connection.drain(100_000)
        let sent = (0..<10).flatMap { [UInt8](repeating: UInt8($0), count: 10_000) }
        let isComplete = received == sent
        #expect(isComplete)
        while ring.inFlightCount > 0 {
            drop(try ring.nextCompletionWaiting().event(SendZeroCopy<CountedMemory>.self).expectFinished())
        }
        #expect(ledger.isSettled)
    }
}
