// SPDX-License-Identifier: Apache-2.0

import CEventLoop
import CProcess
import EventLoop
import Foundation
import SystemPackage
import Testing
import URing

/// Rows S0-1 to S0-3: what one call does.
@Suite(.serialized, .timeLimit(.minutes(2))) struct LoopOnceTests {
    @Test(arguments: backends) func s01EachCallCallsOneHandlerInTeventsOrder(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe(containing: [1])
        let log = Log<String>()
        loop.watch(pipe.readEnd, for: .input) { _, _, _ in log.append("descriptor") }
        loop.schedule(at: .zero) { _ in log.append("timer") }
        try loop.onSignal(SIGWINCH) { _, _ in log.append("signal") }
        loop.schedule { _ in log.append("immediate") }
        raise(SIGWINCH)
        for count in 1...5 {
            try loop.loopOnce()
            #expect(log.entries.count == count)
        }
        #expect(log.entries == ["immediate", "signal", "timer", "descriptor", "descriptor"])
    }

    @Test(arguments: backends) func s01AReadyHandlerThatAnotherFreesIsNeverCalled(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipes = [try Pipes.Pair(), try Pipes.Pair(), try Pipes.Pair()]
        defer { withExtendedLifetime(pipes) {} }
        let log = Log<Int>()
        let watches = Log<Watch>()
        for (index, pipe) in pipes.enumerated() {
            try write([1], to: pipe.writeEnd)
            watches.append(
                loop.watch(pipe.readEnd, for: .input) { loop, own, _ in
                    log.append(index)
                    for watch in watches.entries where watch != own { loop.cancel(watch) }
                })
        }
        // All were found ready at once; the first is called, and frees the others.
        try loop.loopOnce()
        #expect(log.entries == [0])
        for _ in 0..<5 { try loop.loopOnce() }
        #expect(log.entries == [0, 0, 0, 0, 0, 0])
    }

    @Test(arguments: backends) func s01AHandlerMayFreeItselfAndItsPlaceBeTakenAtOnce(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe(containing: [1])
        let readEnd = pipe.readEnd
        let log = Log<String>()
        loop.watch(readEnd, for: .input) { loop, own, _ in
            log.append("first")
            loop.cancel(own)
            loop.watch(readEnd, for: .input) { _, _, _ in log.append("second") }
        }
        for _ in 0..<3 { try loop.loopOnce() }
        #expect(log.entries == ["first", "second", "second"])
    }

    @Test func s01CancelledHandlersOfEveryKindAreNotCalled() throws {
        var loop = try EventLoop()
        let pipe = try TestPipe(containing: [1])
        let log = Log<String>()
        let immediate = loop.schedule { _ in log.append("immediate") }
        let timer = loop.schedule(at: .zero) { _ in log.append("timer") }
        let signal = try loop.onSignal(SIGWINCH) { _, _ in log.append("signal") }
        try loop.onSignal(SIGWINCH) { _, _ in log.append("kept signal") }
        let read = loop.perform(Read(pipe.readEnd, into: Buffer(byteCapacity: 1))) { _, _ in log.append("operation") }
        raise(SIGWINCH)
        loop.cancel(immediate)
        loop.cancel(timer)
        loop.cancel(signal)
        loop.cancel(read)
        #expect(try loop.runReady() == 1)
        #expect(log.entries == ["kept signal"])
        #expect(readByte(from: pipe.readEnd) == 1)
    }

    @Test func s01TheNextTimerEndsAWait() throws {
        var loop = try EventLoop()
        let pipe = try TestPipe()
        let log = Log<Duration>()
        loop.watch(pipe.readEnd, for: .input) { _, _, _ in Issue.record("Nothing can be read.") }
        let start = TimeoutClock.monotonic.now
        for milliseconds in [30, 10, 20] {
            loop.schedule(at: start + .milliseconds(milliseconds)) { _ in log.append(.milliseconds(milliseconds)) }
        }
        for count in 1...3 {
            try loop.loopOnce()
            #expect(log.entries.count == count)
            #expect(TimeoutClock.monotonic.now - start >= .milliseconds(10 * count))
        }
        #expect(log.entries == [.milliseconds(10), .milliseconds(20), .milliseconds(30)])
    }

    @Test func s01TimersOfOneTimeAndImmediatesKeepTheirOrder() throws {
        var loop = try EventLoop()
        let log = Log<Int>()
        for number in 0..<200 { loop.schedule(at: .milliseconds(number % 2)) { _ in log.append(number) } }
        for number in 1000..<1200 { loop.schedule { _ in log.append(number) } }
        #expect(try loop.runReady() == 400)
        let (even, odd) = (Array(stride(from: 0, to: 200, by: 2)), Array(stride(from: 1, to: 200, by: 2)))
        #expect(log.entries == Array(1000..<1200) + even + odd)
    }

    @Test func s01OneOfSeveralTimersAndImmediatesIsCancelled() throws {
        var loop = try EventLoop()
        let log = Log<Int>()
        let timers = (0..<10).map { number in loop.schedule(at: .zero) { _ in log.append(number) } }
        let immediates = (100..<300).map { number in loop.schedule { _ in log.append(number) } }
        // Those that were called are forgotten at some time, and the others keep their names.
        for _ in 0..<150 { try loop.loopOnce() }
        for number in [100, 249, 260, 299] { loop.cancel(immediates[number - 100]) }
        for number in [0, 4, 9] { loop.cancel(timers[number]) }
        #expect(try loop.runReady() == 55)
        #expect(log.entries == Array(100..<260) + Array(261..<299) + [1, 2, 3, 5, 6, 7, 8])
    }

    @Test func s01ARunEndsWhenNothingIsLeftThatCouldCallAHandler() throws {
        var loop = try EventLoop()
        let pipe = try TestPipe(containing: [1])
        let log = Log<String>()
        loop.schedule { _ in log.append("immediate") }
        loop.schedule(after: .milliseconds(1)) { _ in log.append("timer") }
        loop.perform(Timeout(after: .milliseconds(1))) { _, _ in log.append("operation") }
        loop.watch(pipe.readEnd, for: .input) { loop, own, _ in
            log.append("descriptor")
            loop.cancel(own)
        }
        try loop.run()
        #expect(Set(log.entries) == ["immediate", "timer", "operation", "descriptor"] && log.entries.count == 4)
    }

    @Test(arguments: backends) func s01ARunEndsWhenTheLastOperationIsWithdrawn(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe()
        let read = Read(pipe.readEnd, into: Buffer(byteCapacity: 8))
        loop.perform(read, beforeSubmission: { .withdraw }, then: { _, _ in Issue.record("It was withdrawn.") })
        try loop.run()
        let hasWork = loop.hasWork
        #expect(!hasWork)
        #expect(try loop.loopOnce() == false)
    }

    @Test(arguments: backends) func s01AWatchThatCannotBeIsToldAtOnce(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let nothing = UnownedDescriptor(FileDescriptor(rawValue: 1 << 20))
        var log: [PollEvents] = []
        loop.schedule(after: .seconds(30)) { _ in Issue.record("The loop waited.") }
        loop.watch(nothing, for: .input) { _, _, events in log.append(events) }
        #expect(try loop.loopOnce())
        #expect(log == [.invalid])
    }

    /// With what is ready paused, the loop has nothing to do until the timer's time has come.
    @Test(arguments: backends) func s01AWaitTakesNoProcessorTime(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe(containing: [1])
        var calls = 0
        let watch = loop.watch(pipe.readEnd, for: .input) { _, _, _ in calls += 1 }
        try loop.loopOnce()
        loop.change(watch, to: [])
        var isOver = false
        loop.schedule(after: .milliseconds(300)) { _ in isOver = true }
        let before = try processorTime()
        try loop.loopOnce()
        #expect(try processorTime() - before < .milliseconds(100))
        #expect(isOver && calls == 1)
    }

    @Test(arguments: backends) func s01AHandlerThatHasTheLoopCallOthersIsNotCalledByThat(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let (first, second) = (try Pipes.Pair(), try Pipes.Pair())
        defer { withExtendedLifetime((first, second)) {} }
        let log = Log<String>()
        loop.watch(first.readEnd, for: .input) { loop, own, _ in
            log.append("first begins")
            // It wants to be called again, and what it is called for is still there.
            loop.change(own, to: .input)
            while log.entries.count < 8, (try? loop.loopOnce(waiting: false)) == true {}
            log.append("first ends")
        }
        loop.watch(second.readEnd, for: .input) { _, _, _ in log.append("second \(readByte(from: second.readEnd) ?? 0)") }
        try write([1], to: first.writeEnd)
        try write([2, 3], to: second.writeEnd)
        try loop.loopOnce()
        #expect(log.entries == ["first begins", "second 2", "second 3", "first ends"])
        try loop.loopOnce()
        #expect(log.entries.suffix(2) == ["first begins", "first ends"])
    }

    /// The shape of tevent's `test_event_context`: each event raises two signals, and one more was raised before.
    @Test(arguments: backends) func s01SignalsAreCountedOnceForEachEventAndOne(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe()
        let (readEnd, writeEnd) = (pipe.readEnd, pipe.writeEnd)
        var (events, alarms, users) = (0, 0, 0)
        try loop.onSignal(SIGALRM) { _, count in alarms += count }
        try loop.onSignal(SIGUSR1) { _, count in users += count }
        raise(SIGALRM)
        raise(SIGUSR1)
        loop.watch(readEnd, for: .input) { loop, _, _ in
            raise(SIGUSR1)
            raise(SIGALRM)
            #expect(readByte(from: readEnd) == 7)
            events += 1
            if events == 500 { loop.stop() }
        }
        loop.watch(writeEnd, for: .output) { _, _, _ in try? write([7], to: writeEnd) }
        try loop.run()
        _ = try loop.loopOnce(waiting: false)
        _ = try loop.loopOnce(waiting: false)
        #expect(events == 500)
        #expect(alarms == events + 1)
        #expect(users == events + 1)
    }

    @Test func s01ASignalEndsAWaitWheneverItComes() throws {
        var loop = try EventLoop()
        var count = 0
        try loop.onSignal(SIGUSR2) { _, delivered in count += delivered }
        for round in 1...20 {
            Thread.detachNewThread { kill(getpid(), SIGUSR2) }
            while count < round { try loop.loopOnce() }
        }
        #expect(count == 20)
    }

    @Test func s01ASignalIsToldToAllLoopsAndRestored() throws {
        #expect(try !isHandled(SIGURG))
        var calls = Log<Int>()
        do {
            var first = try EventLoop()
            do {
                var second = try EventLoop()
                try first.onSignal(SIGURG) { _, count in calls.append(10 + count) }
                try second.onSignal(SIGURG) { _, count in calls.append(20 + count) }
                raise(SIGURG)
                raise(SIGURG)
                #expect(try second.loopOnce())
                #expect(try first.loopOnce())
            }
            #expect(calls.entries == [22, 12])
            calls = Log<Int>()
            raise(SIGURG)
            #expect(try first.loopOnce())
            #expect(calls.entries == [11])
        }
        // The process does about it what it did before.
        #expect(try !isHandled(SIGURG))
    }

    @Test func s01ASignalThatIsAlwaysThereKeepsNoOtherWaiting() throws {
        var loop = try EventLoop()
        let log = Log<Int32>()
        for signal in [SIGUSR1, SIGUSR2] {
            try loop.onSignal(signal) { _, _ in
                log.append(signal)
                raise(signal)
            }
        }
        raise(SIGUSR1)
        raise(SIGUSR2)
        for _ in 0..<4 { try loop.loopOnce() }
        #expect(log.entries == [SIGUSR1, SIGUSR2, SIGUSR1, SIGUSR2])
    }

    @Test func s01ASignalThatTheThreadBlocksIsHandled() throws {
        let count = FutexWord()
        Thread.detachNewThread {
            _ = process_stop_descriptor()
            if var loop = try? EventLoop(), (try? loop.onSignal(SIGTERM, { _, delivered in count.value = UInt32(delivered) })) != nil {
                raise(SIGTERM)
                _ = try? loop.loopOnce(waiting: false)
            }
            _ = count.wrappingAdd(100)
            count.wake()
        }
        while count.value < 100 { _ = try? count.wait(while: count.value) }
        #expect(count.value == 101)
    }

    @Test(arguments: [0, -1, 65, .min, .max, SIGKILL, SIGSTOP]) func s01ASignalThatCannotBeHandledIsRefused(_ signal: Int32) throws {
        var loop = try EventLoop()
        #expect(throws: Errno.invalidArgument) { try loop.onSignal(signal) { _, _ in } }
    }

    @Test(arguments: backends) func s02AHandlerIsCalledAgainForWhatItLeft(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe(containing: [1, 2])
        let readEnd = pipe.readEnd
        var bytes: [UInt8?] = []
        loop.watch(readEnd, for: .input) { _, _, _ in bytes.append(readByte(from: readEnd)) }
        #expect(try loop.runReady() == 2)
        #expect(bytes == [1, 2])
    }

    /// What it finds out in the middle of its turn no longer holds at the end of that: a call for nothing would block here for ever.
    @Test(arguments: backends) func s02AHandlerThatHasTheLoopCallOthersIsArmedWhenItIsDone(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let (first, second) = (try Pipes.Pair(), try Pipes.Pair())
        defer { withExtendedLifetime((first, second)) {} }
        let log = Log<String>()
        loop.watch(first.readEnd, for: .input) { loop, own, _ in
            loop.change(own, to: [])
            loop.change(own, to: .input)
            for _ in 0..<2 { _ = try? loop.loopOnce(waiting: false) }
            log.append("first \(readByte(from: first.readEnd) ?? 0)")
        }
        loop.watch(second.readEnd, for: .input) { _, _, _ in log.append("second \(readByte(from: second.readEnd) ?? 0)") }
        try write([1], to: first.writeEnd)
        try write([2, 3, 4], to: second.writeEnd)
        #expect(try loop.runReady() == 2)
        #expect(log.entries == ["second 2", "second 3", "first 1", "second 4"])
        try write([5], to: first.writeEnd)
        #expect(try loop.runReady() == 1)
        #expect(log.entries.last == "first 5")
    }

    @Test(arguments: backends) func s02AHandlerThatTakesNothingIsCalledEachTime(_ backend: EventLoop.Backend) throws {
        var loop = try EventLoop(backend: backend)
        let pipe = try TestPipe(containing: [1])
        var calls = 0
        loop.watch(pipe.readEnd, for: .input) { _, _, _ in calls += 1 }
        for count in 1...100 {
            try loop.loopOnce()
            #expect(calls == count)
        }
    }

    @Test(arguments: backends) func s15AnEagerLoopTellsTheRingBeforeTheNextHandler(_ backend: EventLoop.Backend) throws {
        for rearming in [EventLoop.Rearming.lazy, .eager] {
            var loop = try EventLoop(backend: backend, rearming: rearming)
            let pipes = [try Pipes.Pair(), try Pipes.Pair()]
            defer { withExtendedLifetime(pipes) {} }
            let log = Log<String>()
            for pipe in pipes {
                try write([1], to: pipe.writeEnd)
                loop.watch(pipe.readEnd, for: .input) { loop, _, _ in
                    log.append("called")
                    let told = { () -> SubmissionDecision in
                        log.append("told")
                        return .withdraw
                    }
                    loop.perform(Nop(), beforeSubmission: told, then: { _, _ in })
                }
            }
            for _ in 0..<2 { try loop.loopOnce() }
            #expect(log.entries == (rearming == .eager ? ["called", "told", "called"] : ["called", "called"]))
        }
    }

    @Test(arguments: backends, [EventLoop.Rearming.lazy, .eager])
    func s03HandlersThatAreAlwaysReadyHaveTheirTurn(_ backend: EventLoop.Backend, _ rearming: EventLoop.Rearming) throws {
        var loop = try EventLoop(backend: backend, rearming: rearming)
        let pipes = try (0..<64).map { _ in try Pipes.Pair() }
        defer { withExtendedLifetime(pipes) {} }
        var calls = Array(repeating: 0, count: pipes.count)
        for (index, pipe) in pipes.enumerated() {
            try write([1], to: pipe.writeEnd)
            loop.watch(pipe.readEnd, for: .input) { _, _, _ in calls[index] += 1 }
        }
        for round in 1...100 {
            for _ in 0..<64 { try loop.loopOnce() }
            // Nobody is called twice before the others.
            #expect(calls.allSatisfy { $0 == round })
        }
    }
}

/// Pipes as objects, for arrays of them.
///
/// Their ends are closed with them, so they have to be kept.
enum Pipes {
    final class Pair {
        let pair: DescriptorPair
        var readEnd: UnownedDescriptor { pair.first.unowned }
        var writeEnd: UnownedDescriptor { pair.second.unowned }

        init() throws { pair = try DescriptorPair.pipe() }
    }
}
