// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CTestSupport
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct CancelMatchingTests {
    @Test func encodesLikeLiburing() throws {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: CancelAll(on: file)) { entry, _, _ in unsafe reference_prep_cancel_fd(entry, 7, 1) }
        unsafe expectEncoding(of: CancelFirst(on: file)) { entry, _, _ in unsafe reference_prep_cancel_fd(entry, 7, 0) }
        unsafe expectEncoding(of: CancelAll()) { entry, _, _ in unsafe reference_prep_cancel64(entry, 0, 1 | 4) }
        unsafe expectEncoding(of: CancelAll(of: .receive)) { entry, _, _ in
            unsafe reference_prep_cancel64(entry, 0, 1 | 32)
            unsafe entry.storeBytes(of: 27, toByteOffset: 24, as: UInt32.self)
        }
        unsafe expectEncoding(of: CancelFirst(of: .receive)) { entry, _, _ in
            unsafe reference_prep_cancel64(entry, 0, 32)
            unsafe entry.storeBytes(of: 27, toByteOffset: 24, as: UInt32.self)
        }
        unsafe expectEncoding(of: CancelAll(on: file, of: .receive)) { entry, _, _ in
            unsafe reference_prep_cancel_fd(entry, 7, 1 | 32)
            unsafe entry.storeBytes(of: 27, toByteOffset: 24, as: UInt32.self)
        }
        var ring = try Ring<Int>(entries: 2)
        let table = try ring.makeFileTable(count: 4, allocating: 0..<0)
        let pipe = try DescriptorPair.pipe()
        let direct = try table.register(pipe.first, in: table.freeSlot(3))
        unsafe expectEncoding(of: CancelAll(on: direct), ringIdentity: ring.identity) { entry, _, _ in
            unsafe reference_prep_cancel_fd(entry, 3, 1 | 8)
        }
        unsafe expectEncoding(of: CancelFirst(on: direct, of: .read), ringIdentity: ring.identity) { entry, _, _ in
            unsafe reference_prep_cancel_fd(entry, 3, 8 | 32)
            unsafe entry.storeBytes(of: 22, toByteOffset: 24, as: UInt32.self)
        }
    }

    /// Takes completions until all of these tags have come, and expects that those were cancelled, with what they own.
    private func expectCancelled(_ tags: Set<Int>, _ ring: inout Ring<Int>) throws {
        var remaining = tags
        while !remaining.isEmpty {
            let completion = try ring.nextCompletionWaiting()
            #expect(remaining.remove(completion.tag) != nil)
            let completed = completion.take(Read<Buffer>.self)
            #expect(completed.entry.errno == .canceled)
            #expect(completed.operation.memory.byteCapacity == 8)
        }
        try ring.expectNoCompletion()
    }

    private func prepareRead(_ ring: inout Ring<Int>, _ file: borrowing some FileResource & ~Copyable, tag: Int) throws {
        try ring.prepare(Read(file, into: Buffer(byteCapacity: 8)), tag: tag)
    }

    /// Runs a cancellation whose completion comes among those of what it cancels, so many of these, and gives its result.
    private func cancel<Op: SingleShotOperation & ~Copyable>(
        _ operation: consuming Op, cancelling tags: Set<Int>, count: Int? = nil, _ ring: inout Ring<Int>
    ) throws -> Result<Op.Success, Errno> where Op.Success: Copyable {
        try ring.prepare(operation, tag: -1)
        var remaining = tags
        var result: Result<Op.Success, Errno>?
        while tags.count - remaining.count < count ?? tags.count || result == nil {
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == -1 {
                result = completion.take(Op.self).result
            } else {
                #expect(remaining.remove(completion.tag) != nil)
                let completed = completion.take(Read<Buffer>.self)
                #expect(completed.entry.errno == .canceled)
                #expect(completed.operation.memory.byteCapacity == 8)
            }
        }
        try ring.expectNoCompletion()
        return try #require(result)
    }

    @Test func cancelsAllOnAFileAndOnNoOther() throws {
        var ring = try Ring<Int>(entries: 16)
        let pipe = try DescriptorPair.pipe()
        let other = try DescriptorPair.pipe()
        let duplicate = try unsafe Descriptor(adopting: pipe.first.unowned.fileDescriptor.duplicate())
        for tag in 0..<2 { try prepareRead(&ring, pipe.first, tag: tag) }
        try prepareRead(&ring, duplicate, tag: 2)
        try prepareRead(&ring, other.first, tag: 3)
        try ring.submit()
        let count = try cancel(CancelAll(on: pipe.first), cancelling: [0, 1, 2], &ring).get()
        #expect(count == 3)
        let none = try ring.run(CancelAll(on: pipe.first), tag: -1).result.get()
        #expect(none == 0)
        #expect(ring.inFlightCount == 1)
    }

    @Test func cancelsTheFirstOnAFile() throws {
        var ring = try Ring<Int>(entries: 16)
        let pipe = try DescriptorPair.pipe()
        for tag in 0..<2 { try prepareRead(&ring, pipe.first, tag: tag) }
        try ring.submit()
        for _ in 0..<2 {
            let outcome = try cancel(CancelFirst(on: pipe.first), cancelling: [0, 1], count: 1, &ring).get()
            #expect(outcome == .found)
        }
        let third = try ring.run(CancelFirst(on: pipe.first)).result.get()
        #expect(third == .notFound)
    }

    @Test func cancelsByKind() throws {
        var ring = try Ring<Int>(entries: 16)
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Poll(pipe.first, for: .input), tag: 7)
        for tag in 0..<3 { try prepareRead(&ring, pipe.first, tag: tag) }
        try ring.submit()
        let none = try ring.run(CancelAll(of: .accept), tag: -1).result.get()
        #expect(none == 0)
        let first = try cancel(CancelFirst(of: .read), cancelling: [0, 1, 2], count: 1, &ring).get()
        #expect(first == .found)
        let onFile = try cancel(CancelAll(on: pipe.first, of: .read), cancelling: [0, 1, 2], count: 2, &ring).get()
        #expect(onFile == 2)
        #expect(ring.inFlightCount == 1)
    }

    @Test func cancelsEverything() throws {
        var ring = try Ring<Int>(entries: 16)
        let pipe = try DescriptorPair.pipe()
        let other = try DescriptorPair.pipe()
        try prepareRead(&ring, pipe.first, tag: 0)
        try prepareRead(&ring, other.first, tag: 1)
        try ring.submit()
        let count = try cancel(CancelAll(), cancelling: [0, 1], &ring).get()
        #expect(count == 2)
    }

    @Test func trap10OnlyACancellationEndsWhatIsPendingOnASlot() throws {
        var ring = try Ring<Int>(entries: 16)
        let table = try ring.makeFileTable(count: 4, allocating: 0..<0)
        let pipe = try DescriptorPair.pipe()
        let direct = try table.register(pipe.first, in: table.freeSlot(2))
        try prepareRead(&ring, direct, tag: 0)
        try prepareRead(&ring, pipe.first, tag: 1)
        try ring.submit()
        // Through the slot, both are found, and through the descriptor as well.
        let bySlot = try cancel(CancelAll(on: direct), cancelling: [0, 1], &ring).get()
        #expect(bySlot == 2)
        try prepareRead(&ring, direct, tag: 0)
        try prepareRead(&ring, pipe.first, tag: 1)
        try ring.submit()
        let byNumber = try cancel(CancelAll(on: pipe.first), cancelling: [0, 1], &ring).get()
        #expect(byNumber == 2)
        // Emptying the slot ends nothing.
        try prepareRead(&ring, direct, tag: 0)
        try ring.submit()
        var nothing: Int32 = -1
        let emptiedCount = unsafe withUnsafeMutablePointer(to: &nothing) { nothing in
            var update = curing_files_update(offset: 2, resv: 0, fds: UInt64(UInt(bitPattern: nothing)))
            return unsafe curing_register(ring.core.ring.fd, CURING_REGISTER_FILES_UPDATE, &update, 1)
        }
        #expect(emptiedCount == 1)
        try ring.expectNoCompletion()
        let emptied = try ring.run(CancelAll(on: direct), tag: -1).entry.errno
        #expect(emptied == .badFileDescriptor)
        let stillThere = try cancel(CancelAll(on: pipe.first), cancelling: [0], &ring).get()
        #expect(stillThere == 1)
    }

    @Test func trap11AClosedNumberCancelsNothingAndADuplicateDoes() throws {
        var ring = try Ring<Int>(entries: 16)
        let pipe = try DescriptorPair.pipe()
        // A number that no other test gets meanwhile.
        let number = fcntl(pipe.first.unowned.fileDescriptor.rawValue, F_DUPFD_CLOEXEC, 5000)
        try #require(number >= 5000)
        let unowned = UnownedDescriptor(FileDescriptor(rawValue: number))
        try prepareRead(&ring, unowned, tag: 0)
        try ring.submit()
        close(number)
        let errno = try ring.run(CancelAll(on: unowned), tag: -1).entry.errno
        #expect(errno == .badFileDescriptor)
        #expect(throws: Errno.badFileDescriptor) { try ring.cancelAll(on: unowned) }
        try ring.expectNoCompletion()
        let count = try cancel(CancelAll(on: pipe.first), cancelling: [0], &ring).get()
        #expect(count == 1)
    }

    @Test func isDroppedWithItsRing() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        try prepareRead(&ring, pipe.first, tag: 0)
        try ring.submit()
        try ring.prepare(CancelAll(on: pipe.first), tag: 1)
        try ring.prepare(CancelFirst(on: pipe.first), tag: 2)
        try ring.submit()
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        expectHeld(pipe.first, false)
    }

    // MARK: With a system call of its own

    @Test(arguments: [RingKind.plain, .deferred, .polled]) func aSynchronousCancellationHasEndedTheOperation(kind: RingKind) throws {
        try withRing(kind) { ring in
            let pipe = try DescriptorPair.pipe()
            let token = try ring.prepare(Read(pipe.first, into: Buffer(byteCapacity: 8)), tag: 0)
            try submitted(&ring)
            let outcome = try ring.cancel(token, waitingAtMost: .seconds(10))
            #expect(outcome == .found)
            // A polling thread posts the completion in its own time; otherwise it can be had at once.
            let completion = try kind == .polled ? ring.nextCompletionWaiting() : ring.nextCompletion()
            guard let completed = completion?.take(token) else {
                Issue.record("no completion")
                return
            }
            #expect(completed.entry.errno == .canceled)
            #expect(completed.operation.memory.byteCapacity == 8)
            let again = try ring.cancel(token)
            #expect(again == .notFound)
        }
    }

    /// Submits, and waits until the kernel has taken everything.
    private func submitted(_ ring: inout Ring<Int>) throws {
        try ring.prepare(Nop(), tag: -1)
        let tag = try ring.nextCompletionWaiting().tag
        #expect(tag == -1)
    }

    @Test(arguments: [RingKind.plain, .deferred, .polled]) func aSynchronousCancellationCounts(kind: RingKind) throws {
        try withRing(kind) { ring in
            let pipe = try DescriptorPair.pipe()
            let other = try DescriptorPair.pipe()
            for tag in 0..<2 { try prepareRead(&ring, pipe.first, tag: tag) }
            try prepareRead(&ring, other.first, tag: 2)
            try ring.prepare(Poll(other.first, for: .input), tag: 3)
            try submitted(&ring)
            let onFile = try ring.cancelAll(on: pipe.first)
            #expect(onFile == 2)
            try expectCancelled([0, 1], &ring)
            let polls = try ring.cancelAll(of: .pollAdd)
            #expect(polls == 1)
            let poll = try ring.nextCompletionWaiting().take(Poll.self)
            #expect(poll.entry.errno == .canceled)
            let all = try ring.cancelAll()
            #expect(all == 1)
            try expectCancelled([2], &ring)
            let none = try ring.cancelAll()
            #expect(none == 0)
        }
    }

    /// The kernel does not find it between the tick and when that is worked off.
    @Test(arguments: [true, false]) func aTimeoutIsFoundWhoseTickIsYetToBeWorkedOff(byName: Bool) throws {
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(TimeoutMultishot(every: .milliseconds(100)), tag: 1)
        try ring.submit()
        try ring.waitForDeferredWork()
        if byName {
            let outcome = try ring.cancel(token)
            #expect(outcome == .found)
        } else {
            let count = try ring.cancelAll()
            #expect(count == 1)
        }
        let tick = try ring.nextCompletionWaiting().event(TimeoutMultishot.self).expectMore()
        #expect(tick == .expired)
        let ending = try ring.nextCompletionWaiting().event(TimeoutMultishot.self).expectFinished().ending
        #expect(ending == .cancelled)
    }

    @Test func whatWasNotSubmittedIsNotFoundAndStays() throws {
        var ring = try Ring<Int>(entries: 8)
        let token = try ring.prepare(Nop(), tag: 0)
        let outcome = try ring.cancel(token)
        #expect(outcome == .notFound)
        let tag = try ring.nextCompletionWaiting().tag
        #expect(tag == 0)
    }

    /// Cancels a splice from an empty pipe, which a worker carries out and waits in.
    ///
    /// In the instant in which its thread takes it, the kernel does not find it. It may also say so of one that it has just interrupted: it looks
    /// for it twice, and the worker may have ended it in between.
    private func cancelSplice(_ ring: inout Ring<Int>, waitingAtMost limit: Duration?) throws -> (TargetOutcome, Result<Int, Errno>) {
        let source = try DescriptorPair.pipe()
        let target = try DescriptorPair.pipe()
        let token = try ring.prepare(Splice(from: source.first, to: target.second, byteCount: 4), tag: 0)
        try ring.submit()
        var outcome = try ring.cancel(token, waitingAtMost: limit)
        for _ in 0..<1_000_000 where outcome == .notFound && ring.readyCount == 0 {
            try ring.processPending()
            sched_yield()
            outcome = try ring.cancel(token, waitingAtMost: limit)
        }
        return (outcome, try ring.nextCompletionWaiting().take(token).result)
    }

    /// Under deferred task run the kernel's own wait would not notice that the worker is done, and last for ever.
    @Test(arguments: [RingKind.plain, .deferred]) func whatAWorkerCarriesOutIsWaitedForToo(kind: RingKind) throws {
        try withRing(kind) { ring in
            let (outcome, result) = try cancelSplice(&ring, waitingAtMost: nil)
            #expect(outcome != .alreadyRunning)
            #expect(result == .failure(.interrupted) || result == .failure(.canceled))
        }
    }

    @Test(arguments: [RingKind.plain, .deferred]) func aLimitOfNoTimeInterruptsAsWell(kind: RingKind) throws {
        try withRing(kind) { ring in
            let (_, result) = try cancelSplice(&ring, waitingAtMost: .zero)
            #expect(result == .failure(.interrupted) || result == .failure(.canceled))
        }
    }

    /// A write into memory has nothing to wait in, and ends when all is written.
    @Test(arguments: [RingKind.plain, .deferred]) func aLimitEndsTheWaitForWhatCannotBeInterrupted(kind: RingKind) throws {
        // It may be done before it is looked for, on a busy machine.
        var outcome = TargetOutcome.notFound
        for _ in 0..<20 where outcome != .alreadyRunning { outcome = try cancelLongWrite(kind, waitingAtMost: .milliseconds(1)) }
        #expect(outcome == .alreadyRunning)
        outcome = .notFound
        for _ in 0..<20 where outcome != .found { outcome = try cancelLongWrite(kind, waitingAtMost: nil) }
        #expect(outcome == .found)
    }

    /// Cancels a write that a worker carries out, in the middle of it, and expects that all is written all the same.
    private func cancelLongWrite(_ kind: RingKind, waitingAtMost limit: Duration?) throws -> TargetOutcome {
        let count = 1 << 26
        var outcome = TargetOutcome.notFound
        try withRing(kind) { ring in
            let file = unsafe Descriptor(adopting: FileDescriptor(rawValue: test_memory_file()))
            var bytes = Buffer(byteCapacity: count)
            bytes.append(repeating: 1, count: count)
            let token = try ring.prepare(Write(file, from: bytes, at: 0), tag: 0, options: .asynchronous)
            try ring.submit()
            var status = stat()
            while unsafe fstat(file.unowned.fileDescriptor.rawValue, &status) == 0 && status.st_size == 0 { sched_yield() }
            outcome = try ring.cancel(token, waitingAtMost: limit)
            let result = try ring.nextCompletionWaiting().take(token).result
            #expect(result == .success(count))
        }
        return outcome
    }

    @Test func anotherRingsDirectDescriptorTraps() async {
        expectSentence(
            "This direct descriptor is another ring's; use it on the ring that has the table, or install it as a normal one.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var one = try Ring<Int>(entries: 8)
                var other = try Ring<Int>(entries: 8)
                let table = try one.makeFileTable(count: 2)
                let direct = DirectDescriptor(received: 0, in: table.state)
                try other.cancelAll(on: direct)
            })
    }

    @Test func anotherRingsTokenTraps() async {
        expectSentence(
            "This token belongs to another ring; cancel or update an operation through the ring that prepared it.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var one = try Ring<Int>(entries: 8)
                var other = try Ring<Int>(entries: 8)
                let token = try one.prepare(Nop(), tag: 1)
                _ = try other.cancel(token)
            })
    }
}
