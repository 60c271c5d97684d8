// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Foundation
import SystemPackage
import Testing
import URing

/// Loops whose queue has less room than there is to tell the ring.
@Suite(.timeLimit(.minutes(2))) struct FullQueueTests {
    /// The kernel refuses to be entered from another thread, so the queue stays full there.
    ///
    /// With two operations it is the cancellation behind them that finds no room, with three the last of them.
    @Test(arguments: backends, [2, 3])
    func s13WhatAQueueHasNoRoomForIsToldTheRingLater(_ backend: EventLoop.Backend, _ operationCount: Int) throws {
        let owner = LoopOwner(try EventLoop(backend: backend, entries: 2))
        let pair = try DescriptorPair.pipe()
        let writeEnd = pair.second.unowned
        let watch = owner.loop.watch(pair.first, for: .input) { _, _, _ in Issue.record("Nothing can be read.") }
        #expect(try owner.loop.runReady() == 0)
        _ = consume pair.first
        let log = Log<Int>()
        for number in 0..<operationCount { owner.loop.perform(Nop()) { _, _ in log.append(number) } }
        owner.loop.cancel(watch)
        for _ in 0..<2 { #expect(owner.failsOnAnotherThread()) }
        #expect(try owner.loop.runReady() == operationCount)
        #expect(log.entries == Array(0..<operationCount))
        // The poll has ended, as it was the last that had the file open.
        #expect(isBroken(writeEnd))
        _ = consume pair.second
    }

    /// On another thread handlers are called as long as the ring needs not be entered.
    @Test(arguments: backends) func s13AHandlerWhosePollAQueueHasNoRoomForIsCalledAgain(_ backend: EventLoop.Backend) throws {
        let owner = LoopOwner(try EventLoop(backend: backend, entries: 2))
        let pipes = try (0..<4).map { _ in try Pipes.Pair() }
        defer { withExtendedLifetime(pipes) {} }
        let log = Log<Int>()
        for (index, pipe) in pipes.enumerated() {
            try write([1], to: pipe.writeEnd)
            owner.loop.watch(pipe.readEnd, for: .input) { _, _, _ in log.append(index) }
        }
        try owner.loop.loopOnce()
        for _ in 1..<4 { #expect(!owner.failsOnAnotherThread()) }
        #expect(owner.failsOnAnotherThread())
        #expect(Set(log.entries) == [0, 1, 2, 3])
        for _ in 0..<4 { try owner.loop.loopOnce() }
        #expect(Set(log.entries.suffix(4)) == [0, 1, 2, 3] && log.entries.count == 8)
    }

    @Test(arguments: backends) func s10OneEntryIsEnoughForAnyNumberOfHandlers(_ backend: EventLoop.Backend) throws {
        var options = RingOptions.recommended
        options.submitsWhenFull = false
        var loop = try EventLoop(backend: backend, entries: 1, options: options)
        let pipes = try (0..<20).map { _ in try Pipes.Pair() }
        defer { withExtendedLifetime(pipes) {} }
        var calls = Array(repeating: 0, count: pipes.count)
        for (index, pipe) in pipes.enumerated() {
            try write([1], to: pipe.writeEnd)
            loop.watch(pipe.readEnd, for: .input) { loop, own, _ in
                calls[index] += 1
                loop.cancel(own)
            }
        }
        #expect(try loop.runReady() == pipes.count)
        #expect(calls.allSatisfy { $0 == 1 })
        let pair = try DescriptorPair.pipe()
        let writeEnd = pair.second.unowned
        loop.watch(pair.first, for: .input) { _, _, _ in Issue.record("The descriptor is closed.") }
        try loop.close(pair.first)
        #expect(isBroken(writeEnd))
        _ = consume pair.second
    }
}

/// A loop, and another thread's try to run it.
private final class LoopOwner: @unchecked Sendable {
    var loop: EventLoop

    init(_ loop: consuming EventLoop) {
        self.loop = loop
    }

    /// Whether a call of the loop fails on another thread, which it waits for.
    func failsOnAnotherThread() -> Bool {
        let (failed, done) = (FutexWord(), FutexWord())
        // The loop has to end on its own thread, so the other one does not own it.
        Thread.detachNewThread { [unowned self] in
            do { try loop.loopOnce(waiting: false) } catch { failed.value = 1 }
            done.value = 1
            done.wake()
        }
        while done.value == 0 { _ = try? done.wait(while: 0) }
        return failed.value == 1
    }
}
