// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Foundation
import SystemPackage
import Testing
import URing

/// Rows S0-4 and S0-5: several handlers, and changes.
@Suite(.timeLimit(.minutes(2))) struct WatchTests {
    @Test(arguments: backends) func s04OneDescriptorHasHandlersForReadingAndForWriting(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.sockets()
        let (own, peer) = (pair.first.unowned, pair.second.unowned)
        var calls = (reading: 0, writing: 0)
        loop.watch(own, for: .input) { _, _, events in
            #expect(events == .input)
            calls.reading += 1
            #expect(readByte(from: own) == 5)
        }
        let writing = loop.watch(own, for: .output) { _, _, events in
            #expect(events == .output)
            calls.writing += 1
        }
        for _ in 0..<3 { try loop.loopOnce() }
        #expect(calls == (0, 3))
        try write([5, 5], to: peer)
        loop.change(writing, to: [])
        #expect(try loop.runReady() == 2)
        #expect(calls == (2, 3))
    }

    @Test(arguments: backends) func s04HandlersOfOneDirectionAreAllCalled(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe(containing: [1])
        var calls = [0, 0, 0]
        for index in calls.indices { loop.watch(pipe.readEnd, for: .input) { _, _, _ in calls[index] += 1 } }
        for _ in 0..<30 { try loop.loopOnce() }
        #expect(calls == [10, 10, 10])
    }

    @Test(arguments: backends) func s04WhatOneHandlerTookAnotherIsNotCalledFor(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe(containing: [1, 2, 3])
        let readEnd = pipe.readEnd
        var bytes: [UInt8?] = []
        // A call for nothing would block here for ever.
        for _ in 0..<2 { loop.watch(readEnd, for: .input) { _, _, _ in bytes.append(readByte(from: readEnd)) } }
        #expect(try loop.runReady() == 3)
        #expect(bytes == [1, 2, 3])
    }

    @Test(arguments: backends, backends)
    func s04TwoLoopsShareADescriptor(_ first: EventLoop.Backend, _ second: EventLoop.Backend) throws {
        var one = try EventLoop(backend: first)
        var two = try EventLoop(backend: second)
        let pipe = try TestPipe()
        var calls = [0, 0]
        one.watch(pipe.readEnd, for: .input) { _, _, _ in calls[0] += 1 }
        two.watch(pipe.readEnd, for: .input) { _, _, _ in calls[1] += 1 }
        #expect(try one.runReady() == 0 && two.runReady() == 0)
        try write([1], to: pipe.writeEnd)
        try one.loopOnce()
        try two.loopOnce()
        #expect(calls == [1, 1])
    }

    @Test(arguments: backends) func thePlaceOfACancelledHandlerIsUsedAgain(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.pipe()
        var places: Set<UInt32> = []
        for round in 0..<12 {
            // Paused, waiting, or ready when it is cancelled.
            let isReady = round % 3 == 2
            if isReady { try write([1], to: pair.second.unowned) }
            let watch = loop.watch(pair.first, for: round % 3 == 0 ? [] : .input) { loop, own, _ in
                _ = readByte(from: pair.first.unowned)
                loop.cancel(own)
            }
            #expect(try loop.runReady() == (isReady ? 1 : 0))
            loop.cancel(watch)
            #expect(try loop.runReady() == 0)
            places.insert(try #require(Mirror(reflecting: watch).descendant("index") as? UInt32))
        }
        #expect(places.count == 1)
    }

    @Test(arguments: backends) func theNameOfACancelledHandlerNamesNoneThatHasItsPlace(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe()
        let readEnd = pipe.readEnd
        let old = loop.watch(readEnd, for: .input) { _, _, _ in Issue.record("It was cancelled.") }
        loop.cancel(old)
        #expect(try loop.runReady() == 0)
        var bytes: [UInt8?] = []
        let new = loop.watch(readEnd, for: .input) { _, _, _ in bytes.append(readByte(from: readEnd)) }
        let index = { (watch: Watch) in Mirror(reflecting: watch).descendant("index") as? UInt32 }
        #expect(index(old) == index(new) && index(new) != nil && old != new)
        loop.change(old, to: [])
        loop.cancel(old)
        #expect(loop.interests(of: old) == [] && loop.interests(of: new) == .input)
        try write([1], to: pipe.writeEnd)
        #expect(try loop.runReady() == 1)
        #expect(bytes == [1])
    }

    /// What a loop with registered files promises, and one without does not.
    @Test(arguments: backends) func aRegisteredFileIsOpenAsLongAsItHasAHandler(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.pipe()
        let (readEnd, writeEnd) = (UnownedDescriptor(pair.first.relinquish()), pair.second.unowned)
        // A paused handler: nothing in flight has the file.
        let watch = loop.watch(readEnd, for: []) { _, _, _ in Issue.record("It is paused.") }
        #expect(try loop.runReady() == 0)
        try readEnd.fileDescriptor.close()
        #expect(isBroken(writeEnd) == (backend != .polls(registeringFiles: true)))
        loop.cancel(watch)
        #expect(try loop.runReady() == 0)
        #expect(isBroken(writeEnd))
        _ = consume pair.second
    }

    @Test(arguments: backends) func s05AChangeBeforeTheRingIsEnteredHolds(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.sockets()
        var seen: [PollEvents] = []
        let watch = loop.watch(pair.first, for: .output) { loop, own, events in
            seen.append(events)
            loop.change(own, to: [])
        }
        loop.change(watch, to: [])
        #expect(try loop.runReady() == 0)
        loop.change(watch, to: .output)
        loop.change(watch, to: .input)
        #expect(try loop.runReady() == 0)
        try write([1], to: pair.second.unowned)
        #expect(try loop.runReady() == 1)
        #expect(seen == [.input])
        #expect(loop.interests(of: watch) == [])
    }

    @Test(arguments: backends) func s05AChangeWhileTheKernelWaitsHolds(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.sockets()
        var seen: [PollEvents] = []
        let watch = loop.watch(pair.first, for: .input) { _, _, events in seen.append(events) }
        #expect(try loop.runReady() == 0)
        // The new interest is ready already.
        loop.change(watch, to: .output)
        try loop.loopOnce()
        #expect(seen == [.output])
        loop.change(watch, to: .input)
        #expect(try loop.runReady() == 0)
        // Paused in flight: what comes meanwhile is told when it goes on.
        loop.change(watch, to: [])
        #expect(try loop.runReady() == 0)
        try write([1], to: pair.second.unowned)
        #expect(try loop.runReady() == 0)
        loop.change(watch, to: [.input, .output])
        try loop.loopOnce()
        #expect(seen == [.output, [.input, .output]])
    }

    /// Its poll ends for what is not wanted any more, and is armed anew in a turn that does not wait.
    @Test(arguments: backends) func s05AChangeHoldsWhenThePollHasJustEnded(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.sockets()
        var seen: [PollEvents] = []
        let watch = loop.watch(pair.first, for: .input) { _, _, events in seen.append(events) }
        #expect(try loop.runReady() == 0)
        try write([1], to: pair.second.unowned)
        loop.change(watch, to: .output)
        #expect(try loop.loopOnce(waiting: false))
        #expect(seen == [.output])
    }

    @Test(arguments: backends) func s05AChangeOfWhatIsReadyHolds(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipes = [try Pipes.Pair(), try Pipes.Pair()]
        defer { withExtendedLifetime(pipes) {} }
        let watches = Log<Watch>()
        var calls = [0, 0]
        for (index, pipe) in pipes.enumerated() {
            try write([1], to: pipe.writeEnd)
            watches.append(
                loop.watch(pipe.readEnd, for: .input) { loop, _, _ in
                    calls[index] += 1
                    loop.change(watches.entries[1 - index], to: [])
                })
        }
        for _ in 0..<3 { try loop.loopOnce() }
        #expect(calls == [3, 0])
    }

    @Test(arguments: backends) func s05AHandlerChangesWhatItIsCalledForNext(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.sockets()
        let own = pair.first.unowned
        var seen: [PollEvents] = []
        loop.watch(own, for: .output) { loop, watch, events in
            seen.append(events)
            if events == .input { #expect(readByte(from: own) == 1) }
            loop.change(watch, to: events == .output ? .input : .output)
        }
        #expect(try loop.runReady() == 1)
        try write([1], to: pair.second.unowned)
        #expect(try loop.runReady() == 2)
        #expect(seen == [.output, .input, .output])
    }

    @Test(arguments: backends) func s05AHandlerIsToldOfTheOtherSidesEnd(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.pipe()
        var seen: [PollEvents] = []
        loop.watch(pair.first, for: .input) { loop, own, events in
            seen.append(events)
            loop.cancel(own)
        }
        #expect(try loop.runReady() == 0)
        _ = consume pair.second
        #expect(try loop.runReady() == 1)
        #expect(seen == [.hangUp])
    }

    @Test(arguments: backends) func s05ADescriptorThatIsNotOpenIsToldOnce(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        var seen: [PollEvents] = []
        // No process has so many.
        let watch = loop.watch(UnownedDescriptor(FileDescriptor(rawValue: 1 << 30)), for: .input) { _, _, events in seen.append(events) }
        #expect(try loop.runReady() == 1)
        #expect(seen == [.invalid])
        loop.change(watch, to: .input)
        #expect(try loop.runReady() == 0)
    }

    @Test(arguments: backends) func s03AHandlerForUrgentDataAloneIsCalledWhenThatComes(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let sockets = try DescriptorPair.sockets()
        let receiver = sockets.first.unowned
        var told: [PollEvents] = []
        loop.watch(receiver, for: .priority) { loop, own, events in
            told.append(events)
            loop.cancel(own)
        }
        #expect(try loop.runReady() == 0)
        loop.perform(Send(sockets.second, from: Buffer(copying: [1]), flags: .outOfBand)) { _, completed in
            #expect(completed.result == .success(1))
        }
        // An alarm, in case that nothing comes.
        loop.schedule(after: .seconds(10)) { _ in Issue.record("The byte did not arrive.") }
        for _ in 0..<3 where told.isEmpty { try loop.loopOnce() }
        #expect(told == [.priority])
        _ = consume sockets.first
    }

    /// As tevent's `samba_io_uring_ev` does it, with the ring alone.
    @Test func s05APollIsReplacedInFlightByAHardLink() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try TestPipe()
        let old = try ring.prepare(Poll(pipe.readEnd, for: .input), tag: 40)
        try ring.submit()
        try ring.hardLink { (chain) throws(ChainError) in
            try chain.prepare(Cancel(old), tag: 0)
            try chain.prepare(Poll(pipe.readEnd, for: .input), tag: 41)
        }
        var outcomes = try completions(of: &ring, count: 2)
        #expect(outcomes[0] == 0 && outcomes[40] == -Errno.canceled.rawValue && outcomes[41] == nil)
        try write([1], to: pipe.writeEnd)
        outcomes = try completions(of: &ring, count: 1)
        #expect(outcomes == [41: Int32(PollEvents.input.rawValue)])

        // What is to be replaced may be gone: a hard link arms the new one all the same, a soft one does not.
        try ring.hardLink { (chain) throws(ChainError) in
            try chain.prepare(Cancel(old), tag: 0)
            try chain.prepare(Poll(pipe.readEnd, for: .input), tag: 42)
        }
        outcomes = try completions(of: &ring, count: 2)
        #expect(outcomes == [0: -Errno.noSuchFileOrDirectory.rawValue, 42: Int32(PollEvents.input.rawValue)])
        try ring.link { (chain) throws(ChainError) in
            try chain.prepare(Cancel(old), tag: 0)
            try chain.prepare(Poll(pipe.readEnd, for: .input), tag: 43)
        }
        outcomes = try completions(of: &ring, count: 2)
        #expect(outcomes == [0: -Errno.noSuchFileOrDirectory.rawValue, 43: -Errno.canceled.rawValue])
    }

    /// The results of so many completions, by their tags.
    private func completions(of ring: inout Ring<Int>, count: Int) throws -> [Int: Int32] {
        try ring.submit(waitingFor: count)
        var results: [Int: Int32] = [:]
        while let completion = ring.nextCompletion() { results[completion.tag] = completion.entry.result }
        return results
    }
}
