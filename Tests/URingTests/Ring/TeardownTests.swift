// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct TeardownTests {
    /// The kernel does not find a timeout that has expired and whose tick is to be worked off.
    @Test(arguments: [Duration.milliseconds(20), .microseconds(100), .microseconds(1), .zero])
    func aTickThatIsYetToBeWorkedOffDoesNotKeepARing(interval: Duration) throws {
        var ring = try Ring<Int>(entries: 16)
        try ring.prepare(TimeoutMultishot(every: interval), tag: 1)
        try ring.submit()
        try ring.waitForDeferredWork()
        #expect(ring.close(deadline: .seconds(5)).isEmpty)
    }

    /// Each begins when the one before it has been cancelled.
    @Test func theMembersOfAHardChainDoNotKeepARing() throws {
        var ring = try Ring<Int>(entries: 512)
        let pipe = try DescriptorPair.pipe()
        try ring.hardLink { chain in
            for tag in 0..<300 { try chain.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: tag) }
        }
        try ring.submit()
        #expect(ring.close(deadline: .seconds(5)).isEmpty)
        expectHeld(pipe.first, false)
    }

    /// Only an entry finds what a worker of the polling thread is carrying out.
    @Test(arguments: [false, true]) func whatAWorkerOfAPollingThreadCarriesOutDoesNotKeepARing(isChain: Bool) throws {
        var ring = try Ring<Int>(
            entries: 8, options: .recommended(submissionPolling: .init(idle: .milliseconds(1), mayShareProcessor: true)))
        let from = try DescriptorPair.pipe()
        let to = try DescriptorPair.pipe()
        if isChain {
            try ring.hardLink { chain in
                try chain.prepare(Splice(from: from.first, to: to.second, byteCount: 10), tag: 0, timeout: .after(.seconds(100)))
                try chain.prepare(Splice(from: from.first, to: to.second, byteCount: 10), tag: 1)
            }
        } else {
            try ring.prepare(Splice(from: from.first, to: to.second, byteCount: 10), tag: 0)
        }
        try ring.submit()
        try ring.expectNoCompletion()
        #expect(ring.close(deadline: .seconds(5)).isEmpty)
        expectHeld(from.first, false)
    }

    /// ENOMEM, and EBADR of a completion that is lost, are said once, and the kernel goes on.
    @Test(arguments: [ENOMEM, EBADR]) func aWaitThatFailsForNowDoesNotLeak(error: Int32) async {
        await #expect(processExitsWith: .success) { [error] in
            var ring = try Ring<Int>(entries: 8, options: RingOptions())
            let pipe = try DescriptorPair.pipe()
            // Each begins when the one before it has been cancelled, so the ring's end waits often.
            try ring.hardLink { chain in
                for tag in 0..<8 { try chain.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: tag) }
            }
            try ring.submit()
            try #require(test_forbid_timed_waits(error) == 0)
            let leftovers = ring.close(deadline: .seconds(5))
            try #require(leftovers.isEmpty)
        }
    }

    @Test(arguments: [ENOMEM, EINVAL, EPERM]) func whereTheCallFailsAnEntryCancels(error: Int32) async {
        await #expect(processExitsWith: .success) { [error] in
            var ring = try Ring<Int>(entries: 8)
            let pipe = try DescriptorPair.pipe()
            try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 0)
            try ring.submit()
            try #require(test_forbid_cancelling(error) == 0)
            let leftovers = ring.close(deadline: .seconds(5))
            try #require(leftovers.isEmpty)
        }
    }

    /// As on a kernel before 6.0, or with a filter of system calls.
    @Test func whereTheCallIsRefusedAnEntryCancels() throws {
        var options = RingOptions.recommended
        options.flags.insert(.startsDisabled)
        var ring = try Ring<Int>(entries: 8, options: options)
        try ring.restrict(
            to: RingRestrictions(operations: [.read, .asyncCancel]),
            with: RingRestrictions.Registration.releases.filter { $0.rawValue == CURING_REGISTER_ENABLE_RINGS })
        try ring.enable()
        let pipes = [try Handed(DescriptorPair.pipe()), try Handed(DescriptorPair.pipe())]
        for pipe in pipes {
            try ring.prepare(Read(pipe.value.first, into: Buffer(byteCapacity: 8)), tag: 0)
            try ring.prepare(Read(pipe.value.first, into: Buffer(byteCapacity: 8)), tag: 0, options: .asynchronous)
        }
        try ring.submit()
        try ring.expectNoCompletion()
        #expect(throws: Errno.permissionDenied) { try ring.cancelAll() }
        #expect(ring.close(deadline: .seconds(5)).isEmpty)
        for pipe in pipes { expectHeld(pipe.value.first, false) }
    }

    /// A polling thread takes nothing before its ring is enabled.
    @Test func whatAPollingThreadNeverTookIsWithdrawn() throws {
        var options = RingOptions.recommended(submissionPolling: .init(idle: .milliseconds(1), mayShareProcessor: true))
        options.flags.insert(.startsDisabled)
        var ring = try Ring<Int>(entries: 8, options: options)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 0)
        // Whether it says that the ring is not enabled depends on whether the thread sleeps.
        _ = try? ring.submit()
        #expect(ring.close(deadline: .seconds(5)).isEmpty)
        expectHeld(pipe.first, false)
    }

    @Test func aDeadlineMayBeAnyDuration() throws {
        for deadline in [Duration(attoseconds: .max), .seconds(Int64.max), Duration(attoseconds: .min), .zero] {
            var ring = try Ring<Int>(entries: 8)
            try ring.prepare(Nop(), tag: 0)
            try ring.submit()
            #expect(ring.close(deadline: deadline).isEmpty)
        }
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 0)
        try ring.submit()
        #expect(ring.close(deadline: Duration(attoseconds: .max)).isEmpty)
    }

    @Test func whatIsKeptBesideOperationsIsFreed() async {
        await #expect(processExitsWith: .success) {
            var options = RingOptions.recommended
            options.registeredWaitCount = 100
            func limit() throws {
                var ring = try Ring<Int>(entries: 8, options: options)
                try ring.prepare(Nop(), tag: 0, timeout: .after(.seconds(60)))
                try ring.submit(waitingFor: 1)
            }
            try limit()
            // The allocator's own is some ten thousand bytes, however often it is done.
            try requireNothingIsLeaked(but: 50_000) { for _ in 0..<500 { try limit() } }
        }
    }

    /// Nothing is left to be cancelled, so that the table can go, whatever the time.
    @Test func aRingWithNothingButUnreadCompletionsEndsWithoutTime() async {
        await #expect(processExitsWith: .success) {
            func leaveUnread() throws {
                var ring = try Ring<Int>(
                    entries: 8, options: .recommended(submissionPolling: .init(idle: .milliseconds(1), mayShareProcessor: true)))
                try ring.prepare(Nop(), tag: 0)
                try ring.submit(waitingFor: 1)
                try #require(ring.close(deadline: .zero).isEmpty)
            }
            try leaveUnread()
            try requireNothingIsLeaked(but: 10_000) { for _ in 0..<100 { try leaveUnread() } }
        }
    }

    @Test func whatDrainsDoesNotKeepARing() throws {
        var ring = try Ring<Int>(entries: 512)
        let pipe = try DescriptorPair.pipe()
        for tag in 0..<300 { try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: tag, options: .drain) }
        try ring.submit()
        #expect(ring.close(deadline: .seconds(5)).isEmpty)
        expectHeld(pipe.first, false)
    }

    /// The kernel gives out no more than fit into the queue, and looks at all that is left when it is asked to cancel.
    @Test(arguments: [RingOptions.recommended, RingOptions()]) func moreThanTheQueueHoldsEndsInTime(options: RingOptions) throws {
        var ring = try Ring<Int>(entries: 1024, options: options)
        let pipe = try DescriptorPair.pipe()
        for tag in 0..<30_000 { try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 1)), tag: tag) }
        try ring.submit()
        #expect(ring.close(deadline: .seconds(5)).isEmpty)
        expectHeld(pipe.first, false)
    }
}
