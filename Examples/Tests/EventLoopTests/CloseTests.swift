// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Foundation
import SystemPackage
import Testing
import URing

/// Rows S0-6 to S0-8: ends of descriptors and operations.
@Suite(.serialized, .timeLimit(.minutes(2))) struct CloseTests {
    @Test(arguments: backends) func s06AfterATypedCloseTheWriterOfAPipeKnows(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.pipe()
        let writeEnd = pair.second.unowned
        for _ in 0..<3 { loop.watch(pair.first, for: .input) { _, _, _ in Issue.record("The descriptor is closed.") } }
        #expect(try loop.runReady() == 0)
        try loop.close(pair.first)
        #expect(isBroken(writeEnd))
        #expect(try loop.runReady() == 0)
        let kept = pair.second.isHeld
        #expect(!kept)
    }

    /// It is not in the ring's queue yet.
    @Test(arguments: backends) func s06AnOperationThatWasJustBegunIsCancelledByAClose(_ backend: EventLoop.Backend) throws {
        for isByNumber in [false, true] {
            var loop = try EventLoop(backend: backend)
            let pair = try DescriptorPair.pipe()
            let writeEnd = pair.second.unowned
            var results: [Result<Int, Errno>] = []
            let read = { (completed: consuming Completed<Read<Buffer>>) in results.append(completed.result) }
            if isByNumber {
                let readEnd = UnownedDescriptor(pair.first.relinquish())
                loop.perform(Read(readEnd, into: Buffer(byteCapacity: 8))) { _, completed in read(completed) }
                try loop.close(readEnd)
                // Another file gets the number, unless another test was faster.
                let other = try TestPipe(containing: [1, 2, 3])
                try loop.run()
                _ = consume other
            } else {
                loop.perform(Read(pair.first, into: Buffer(byteCapacity: 8))) { _, completed in read(completed) }
                try loop.close(pair.first)
                try loop.run()
            }
            #expect(results == [.failure(.canceled)])
            #expect(isBroken(writeEnd))
            _ = consume pair.second
        }
    }

    /// A thread of the kernel's takes what is begun, and may not have done so when the descriptor is closed.
    @Test func s06AnOperationThatAPollingThreadHasToTakeIsCancelledByACloseByNumber() throws {
        var loop = try EventLoop(options: .recommended(submissionPolling: .init(idle: .milliseconds(1))))
        for _ in 0..<30 {
            let pair = try DescriptorPair.pipe()
            let readEnd = UnownedDescriptor(pair.first.relinquish())
            var results: [Result<Int, Errno>] = []
            loop.perform(Read(readEnd, into: Buffer(byteCapacity: 8))) { _, completed in results.append(completed.result) }
            try loop.close(readEnd)
            // Another file gets the number, unless another test was faster.
            let other = try TestPipe(containing: [1, 2, 3])
            try loop.run()
            _ = consume other
            #expect(results == [.failure(.canceled)])
            _ = consume pair.second
        }
    }

    @Test(arguments: backends) func s06AfterACloseByNumberTheWriterOfAPipeKnows(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.pipe()
        let writeEnd = pair.second.unowned
        let readEnd = UnownedDescriptor(pair.first.relinquish())
        loop.watch(readEnd, for: .input) { _, _, _ in Issue.record("The descriptor is closed.") }
        #expect(try loop.runReady() == 0)
        try loop.close(readEnd)
        #expect(isBroken(writeEnd))
        _ = consume pair.second
    }

    @Test(arguments: backends) func s06AHandlerClosesItsOwnDescriptor(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.pipe()
        let writeEnd = pair.second.unowned
        let readEnd = UnownedDescriptor(pair.first.relinquish())
        var outcomes: [Bool] = []
        loop.watch(readEnd, for: .input) { loop, _, _ in
            try? loop.close(readEnd)
            outcomes.append(isBroken(writeEnd))
        }
        try write([1], to: writeEnd)
        #expect(try loop.runReady() == 1)
        #expect(outcomes == [true])
        _ = consume pair.second
    }

    @Test(arguments: backends) func s06AHandlerThatEndsItselfLetsGoOfItsFile(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.pipe()
        let writeEnd = pair.second.unowned
        let readEnd = UnownedDescriptor(pair.first.relinquish())
        var outcomes: [Bool] = []
        loop.watch(readEnd, for: .input) { loop, own, _ in
            loop.cancel(own)
            try? readEnd.fileDescriptor.close()
            outcomes.append(isBroken(writeEnd))
        }
        try write([1], to: writeEnd)
        #expect(try loop.runReady() == 1)
        #expect(outcomes == [true])
        _ = consume pair.second
    }

    @Test(arguments: backends) func s06AHandlerThatClosesAnotherDescriptorIsCalledAgain(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe(containing: [1])
        let others = Log<UnownedDescriptor>()
        var calls = 0
        loop.watch(pipe.readEnd, for: .input) { loop, own, _ in
            calls += 1
            guard let other = others.entries.popLast() else { return }
            // The ring is entered while the handler is paused.
            loop.change(own, to: [])
            try? loop.close(other)
            loop.change(own, to: .input)
        }
        var writeEnds: [FileDescriptor] = []
        defer { for writeEnd in writeEnds { try? writeEnd.close() } }
        for _ in 0..<2 {
            let pair = try DescriptorPair.pipe()
            writeEnds.append(pair.second.relinquish())
            let readEnd = UnownedDescriptor(pair.first.relinquish())
            loop.watch(readEnd, for: .input) { _, _, _ in Issue.record("Nothing can be read.") }
            others.append(readEnd)
        }
        for count in 1...4 {
            #expect(try loop.loopOnce(waiting: false))
            #expect(calls == count)
        }
    }

    @Test(arguments: backends) func s06AfterATypedCloseAPortIsFree(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
        let address = try listener.localAddress()
        loop.watch(listener, for: .input) { _, _, _ in Issue.record("Nobody connects.") }
        #expect(try loop.runReady() == 0)
        try loop.close(listener)
        // While anything listens there, this fails.
        _ = try Descriptor.listening(at: address)
    }

    @Test(arguments: backends) func s06AfterATypedCloseAPeerSeesTheEnd(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.sockets()
        let peer = pair.second.unowned
        loop.watch(pair.first, for: .input) { _, _, _ in Issue.record("The descriptor is closed.") }
        #expect(try loop.runReady() == 0)
        try loop.close(pair.first)
        #expect(readByte(from: peer) == nil)
        let kept = pair.second.isHeld
        #expect(!kept)
    }

    @Test(arguments: backends) func s06ADescriptorOfTheSameNumberHasItsOwnHandlersOnly(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        var numbers: Set<Int32> = []
        for _ in 0..<50 {
            let pair = try DescriptorPair.pipe()
            numbers.insert(pair.first.unowned.fileDescriptor.rawValue)
            var calls = 0
            // One that is ready when it is closed, and was found to be.
            let old = try DescriptorPair.pipe()
            numbers.insert(old.first.unowned.fileDescriptor.rawValue)
            loop.watch(pair.first, for: .input) { loop, own, _ in
                calls += 1
                loop.cancel(own)
            }
            loop.watch(old.first, for: .input) { _, _, _ in Issue.record("This descriptor was closed before its turn.") }
            try write([1], to: pair.second.unowned)
            try write([1], to: old.second.unowned)
            try loop.loopOnce()
            #expect(calls == 1)
            try loop.close(old.first)
            try loop.close(pair.first)
            _ = consume old.second
            _ = consume pair.second
            #expect(try loop.runReady() == 0)
        }
        // Numbers did come back, or nothing was tested.
        #expect(numbers.count < 100)
    }

    @Test func s07ARawCloseByOthersEndsTheFileThatEpollWatches() throws {
        var loop = try EventLoop(backend: .epoll)
        let other = try TestPipe()
        let pair = try DescriptorPair.pipe()
        let writeEnd = pair.second.unowned
        let readEnd = UnownedDescriptor(pair.first.relinquish())
        var calls = 0
        let watch = loop.watch(readEnd, for: .input) { _, _, _ in Issue.record("Nothing can be read.") }
        loop.watch(other.readEnd, for: .input) { _, _, _ in calls += 1 }
        #expect(try loop.runReady() == 0)
        try readEnd.fileDescriptor.close()
        #expect(isBroken(writeEnd))
        // No event comes of it, and the operation goes on for others.
        #expect(try loop.runReady() == 0)
        try write([1], to: other.writeEnd)
        try loop.loopOnce()
        #expect(calls == 1)
        loop.cancel(watch)
        try loop.loopOnce()
        #expect(calls == 2)
        _ = consume pair.second
    }

    @Test func s07ANumberThatCameBackAfterARawCloseIsWatchedAnew() throws {
        var loop = try EventLoop(backend: .epoll)
        let pair = try DescriptorPair.pipe()
        let readEnd = UnownedDescriptor(pair.first.relinquish())
        let old = loop.watch(readEnd, for: .input) { _, _, _ in Issue.record("This file is closed.") }
        #expect(try loop.runReady() == 0)
        let replacement = try TestPipe(containing: [1])
        // In one step, so that no other thread can get the number in between.
        _ = try replacement.readEnd.fileDescriptor.duplicate(as: readEnd.fileDescriptor)
        loop.cancel(old)
        var calls = 0
        loop.watch(readEnd, for: .input) { _, _, _ in calls += 1 }
        try loop.loopOnce()
        #expect(calls == 1)
        try loop.close(readEnd)
        _ = consume pair.second
    }

    @Test func s07ANumberThatMeansAnotherFileIsWatchedAnewForAllItsHandlers() throws {
        var loop = try EventLoop(backend: .epoll)
        let pair = try DescriptorPair.pipe()
        let readEnd = UnownedDescriptor(pair.first.relinquish())
        var calls = [0, 0]
        loop.watch(readEnd, for: .input) { _, _, _ in calls[0] += 1 }
        #expect(try loop.runReady() == 0)
        let replacement = try TestPipe(containing: [1])
        _ = try replacement.readEnd.fileDescriptor.duplicate(as: readEnd.fileDescriptor)
        // Another handler is the occasion to look.
        loop.watch(readEnd, for: .input) { _, _, _ in calls[1] += 1 }
        for _ in 0..<4 { try loop.loopOnce() }
        #expect(calls == [2, 2])
        try loop.close(readEnd)
        _ = consume pair.second
    }

    @Test func s07EventsOfAFileThatIsOpenElsewhereReachNobodyElse() throws {
        var loop = try EventLoop(backend: .epoll)
        let pair = try DescriptorPair.pipe()
        let readEnd = UnownedDescriptor(pair.first.relinquish())
        // The set has the file as long as this does, and nobody can take it out by the number.
        let elsewhere = try readEnd.fileDescriptor.duplicate()
        defer { try? elsewhere.close() }
        let old = loop.watch(readEnd, for: .input) { _, _, _ in Issue.record("It was cancelled.") }
        #expect(try loop.runReady() == 0)
        try readEnd.fileDescriptor.close()
        loop.cancel(old)
        let pipe = try TestPipe()
        loop.watch(pipe.readEnd, for: .input) { _, _, _ in Issue.record("Nothing can be read.") }
        #expect(try loop.runReady() == 0)
        try write([1], to: pair.second.unowned)
        #expect(try loop.runReady() == 0)
        _ = consume pair.second
    }

    /// What makes the row necessary: a poll of a ring keeps its file.
    @Test func s07ARawCloseByOthersLeavesTheFileThatAPollWatches() throws {
        var loop = try EventLoop()
        let pair = try DescriptorPair.pipe()
        let writeEnd = pair.second.unowned
        let readEnd = UnownedDescriptor(pair.first.relinquish())
        let watch = loop.watch(readEnd, for: .input) { loop, own, _ in loop.cancel(own) }
        #expect(try loop.runReady() == 0)
        try readEnd.fileDescriptor.close()
        #expect(!isBroken(writeEnd))
        loop.cancel(watch)
        _ = try loop.runReady()
        #expect(isBroken(writeEnd))
        _ = consume pair.second
    }

    @Test(arguments: backends) func s08ACancelledOperationEndsAndLeavesTheData(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe()
        let read = loop.perform(Read(pipe.readEnd, into: Buffer(byteCapacity: 1))) { _, _ in Issue.record("It was cancelled.") }
        #expect(try loop.runReady() == 0)
        loop.cancel(read)
        #expect(try loop.runReady() == 0)
        try write([9], to: pipe.writeEnd)
        #expect(try loop.runReady() == 0)
        #expect(readByte(from: pipe.readEnd) == 9)
        let hasWork = loop.hasWork
        #expect(!hasWork)
    }

    @Test(arguments: backends) func s08WhatACloseByNumberCancelsIsToldToItsHandler(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.pipe()
        let (readEnd, writeEnd) = (UnownedDescriptor(pair.first.relinquish()), pair.second.unowned)
        var outcome: Errno?
        loop.perform(Read(readEnd, into: Buffer(byteCapacity: 1))) { _, completed in
            if case .failure(let errno) = completed.result { outcome = errno }
        }
        #expect(try loop.runReady() == 0)
        try loop.close(readEnd)
        #expect(try loop.runReady() == 1)
        #expect(outcome == .canceled)
        #expect(isBroken(writeEnd))
        _ = consume pair.second
    }

    @Test func s08WhatATypedCloseCancelsIsToldToItsHandler() throws {
        var loop = try EventLoop()
        let pair = try DescriptorPair.pipe()
        let writeEnd = pair.second.unowned
        var outcome: Errno?
        loop.perform(Read(pair.first, into: Buffer(byteCapacity: 1))) { _, completed in
            if case .failure(let errno) = completed.result { outcome = errno }
        }
        #expect(try loop.runReady() == 0)
        try loop.close(pair.first)
        #expect(try loop.runReady() == 1)
        #expect(outcome == .canceled)
        #expect(isBroken(writeEnd))
        _ = consume pair.second
    }
}
