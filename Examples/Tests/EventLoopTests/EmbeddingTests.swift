// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Foundation
import SystemPackage
import Testing
import URing

/// Rows S0-10 to S0-12: set-up, operations beside events, other loops.
@Suite(.timeLimit(.minutes(2))) struct EmbeddingTests {
    @Test func s10AnOptionThatTheKernelLacksIsDoneWithoutAndTold() throws {
        // IORING_SETUP_SQ_REWIND, which 6.18 does not have, and URing does not use where there is one.
        let rewinding = RingOptions.Flags(rawValue: 1 << 20)
        var options = RingOptions.recommended
        options.flags.insert(rewinding)
        options.optional.insert(rewinding)
        var loop = try EventLoop(options: options)
        #expect(loop.missingOptions.contains(rewinding))
        var calls = 0
        loop.schedule { _ in calls += 1 }
        try loop.loopOnce()
        #expect(calls == 1)
    }

    @Test(arguments: backends) func s11AnOperationCompletesBetweenEvents(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pair = try DescriptorPair.sockets()
        let (own, peer) = (pair.first.unowned, pair.second.unowned)
        let log = Log<String>()
        var submission: Duration?
        loop.watch(peer, for: .input) { _, _, _ in log.append("byte \(readByte(from: peer).map(String.init) ?? "?")") }
        try write([1], to: own)
        loop.perform(
            SendMessage(pair.first, Message(Buffer(copying: [2]))),
            beforeSubmission: {
                submission = TimeoutClock.monotonic.now
                return .submit
            },
            then: { _, completed in
                let sent = completed.result
                log.append("sent \(sent)")
            })
        #expect(submission == nil, "The hook is called when the ring is entered.")
        #expect(try loop.runReady() == 3)
        #expect(submission != nil)
        #expect(Set(log.entries) == ["byte 1", "sent success(1)", "byte 2"])
        let kept = pair.second.isHeld
        #expect(!kept)
    }

    @Test func s11AnOperationIsWithdrawnBeforeTheRingHasIt() throws {
        var loop = try EventLoop()
        let pair = try DescriptorPair.pipe()
        loop.perform(
            Write(pair.second, from: Buffer(copying: [1])), beforeSubmission: { .withdraw },
            then: { _, _ in Issue.record("It was withdrawn.") })
        #expect(try loop.runReady() == 0)
        // It is dropped, with its hold on the descriptor; nothing was written.
        let isHeld = pair.second.isHeld
        #expect(!isHeld)
        _ = try pair.second.close()
        #expect(readByte(from: pair.first.unowned) == nil)
    }

    @Test(arguments: backends) func s12AnotherLoopIsWokenThroughAnEventDescriptor(_ backend: EventLoop.Backend) throws {
        var foreign = try EventLoop(backend: .epoll)
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe()
        let readEnd = pipe.readEnd
        var bytes: [UInt8?] = []
        loop.watch(readEnd, for: .input) { _, _, _ in bytes.append(readByte(from: readEnd)) }
        var wakes = 0
        foreign.watch(try loop.makeWakeDescriptor(), for: .input) { _, _, _ in wakes += 1 }
        #expect(try loop.runReady() == 0)
        for round in 1...10 {
            // Until now nothing happened, and nothing woke the other loop.
            #expect(try foreign.runReady() == 0)
            try write([UInt8(round)], to: pipe.writeEnd)
            try foreign.loopOnce()
            #expect(wakes == round)
            #expect(try loop.runReady() == 1)
            #expect(bytes.last == UInt8(round))
        }
    }

    /// Without deferred work nothing but a signal itself signals the descriptor.
    @Test func s12AnotherLoopIsWokenForEachSignal() throws {
        for backend in backends {
            var foreign = try EventLoop(backend: .epoll)
            var loop = try EventLoop(backend: backend, options: RingOptions())
            var signals = 0
            try loop.onSignal(SIGIO) { _, count in signals += count }
            foreign.watch(try loop.makeWakeDescriptor(), for: .input) { _, _, _ in }
            #expect(try loop.runReady() == 0)
            for round in 1...3 {
                #expect(try !foreign.loopOnce(waiting: false))
                raise(SIGIO)
                #expect(try foreign.loopOnce(waiting: false))
                #expect(try loop.runReady() == 1)
                #expect(signals == round)
            }
        }
    }

    @Test func s12AnotherLoopIsToldOfDeadlines() throws {
        var loop = try EventLoop()
        #expect(loop.nextDeadline == nil)
        let timer = loop.schedule(at: .seconds(1_000_000_000)) { _ in }
        #expect(loop.nextDeadline == .seconds(1_000_000_000))
        loop.schedule { _ in }
        #expect(loop.nextDeadline == .zero)
        try loop.loopOnce()
        loop.cancel(timer)
        #expect(loop.nextDeadline == nil)
    }

    @Test func s12AReadThatFallsShortGoesOn() throws {
        var loop = try EventLoop()
        let pipe = try TestPipe(containing: [1, 2, 3])
        let writeEnd = pipe.writeEnd
        var bytes: [UInt8] = []
        loop.readFully(pipe.readEnd, into: Buffer(byteCapacity: 8)) { _, buffer, error in
            #expect(error == nil)
            bytes = buffer.copyBytes()
        }
        // The first read has what is there, and is not enough.
        while try loop.loopOnce(waiting: false) {}
        #expect(bytes == [])
        try write([4, 5, 6, 7, 8, 9], to: writeEnd)
        while try loop.loopOnce(waiting: false) {}
        #expect(bytes == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test func s12AReadEndsWithTheFile() throws {
        var loop = try EventLoop()
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("event-loop-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data((0..<100).map { UInt8($0) }).write(to: file)
        let opened = try Descriptor(opening: FilePath(file.path))
        var bytes: [UInt8] = []
        loop.readFully(opened, into: Buffer(byteCapacity: 4096), at: .offset(90)) { loop, buffer, _ in
            bytes = buffer.copyBytes()
            loop.stop()
        }
        try loop.run()
        #expect(bytes == Array(90..<100))
    }
}
