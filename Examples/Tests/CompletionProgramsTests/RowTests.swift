// SPDX-License-Identifier: Apache-2.0

import CPrograms
import CompletionPrograms
import ExamplePrograms
import Glibc
import Synchronization
import SystemPackage
import Testing
import URing

@Suite struct RowTests {
    @Test func s1_2_aProgramCountsTicks() throws {
        var mainLoop = try MainLoop()
        try mainLoop.start { context in
            context.attach(CountingProgram(tickCount: 50, interval: .microseconds(100), tally: Tally()))
        }
        #expect(try mainLoop.allEvents() == [ProgramMessage(kind: CountingProgram.counted, value: 50)])
    }

    @Test(arguments: [1, 2]) func s1_2_s1_7_aHundredThousandMessagesArriveInOrder(ringCount: Int) throws {
        var mainLoop = try MainLoop()
        let meeting = Rendezvous()
        let attach = { @Sendable (context: inout ProgramContext, peer: Int) in
            meeting.add(context.address(of: context.attach(PingPongProgram(messageCount: 100_000) { meeting[peer] })))
        }
        if ringCount == 1 {
            try mainLoop.start { context in
                attach(&context, 1)
                attach(&context, 0)
            }
        } else {
            try mainLoop.start { context in attach(&context, 1) }
            try mainLoop.start { context in attach(&context, 0) }
        }
        try meeting[0].send(ProgramMessage(kind: PingPongProgram.serve))
        let events = try mainLoop.allEvents()
        #expect(
            events == [
                ProgramMessage(kind: PingPongProgram.ended, value: 50_000), ProgramMessage(kind: PingPongProgram.ended, value: 50_000),
            ])
    }

    @Test(arguments: [0, 8, 4096 * 8, 100_008]) func s1_2_aFileIsWrittenWithEightWritesInFlight(byteCount: UInt64) throws {
        let file = try TemporaryFile()
        var mainLoop = try MainLoop()
        try mainLoop.start { context in
            context.attach(WriteFileProgram(file: try file.open(), byteCount: byteCount, depth: 8, blockByteCount: 4096))
        }
        let blockCount = UInt32((byteCount + 4095) / 4096)
        #expect(try mainLoop.allEvents() == [ProgramMessage(kind: WriteFileProgram.written, value: blockCount)])
        var expected: [UInt8] = []
        for offset in stride(from: 0, to: byteCount, by: 8) {
            let digits = String(offset, radix: 16)
            expected += Array((String(repeating: "0", count: 7 - digits.count) + digits + "\n").utf8)
        }
        let isIdentical = try file.contents == expected
        #expect(isIdentical)
    }

    @Test func s1_2_theWritesAreInFlightTogether() throws {
        var mainLoop = try MainLoop()
        var ring = try ProgramRing(mainLoop: mainLoop)
        let file = try TemporaryFile()
        ring.context.attach(WriteFileProgram(file: try file.open(), byteCount: 1 << 16, depth: 8, blockByteCount: 512))
        var step = DepthStep()
        try ring.run(&step)
        // Until the last eight blocks, and the message behind them.
        #expect(step.depths.count > 16)
        #expect(step.depths.dropLast(10).allSatisfy { $0 == 8 })
        #expect(try mainLoop.allEvents() == [ProgramMessage(kind: WriteFileProgram.written, value: 128)])
    }

    @Test func s1_2_aProgramDoesWhatTheFirstTestOfTheRFCDid() throws {
        var mainLoop = try MainLoop()
        let memory = Memory(10)
        try mainLoop.start { context in
            context.attach(
                TestProgram { context in
                    // Reads and writes memory of the application, submits an entry, and posts more than one completion.
                    memory.value.store(memory.value.load(ordering: .relaxed) * 2, ordering: .releasing)
                    try context.prepare(InjectedNop(result: 42), label: 1)
                    try context.post(ProgramMessage(kind: 1))
                    try context.post(ProgramMessage(kind: 2))
                } completed: { completion, context in
                    // Sees its own completion, with the result and not the main loop's.
                    try context.post(ProgramMessage(kind: 3, value: UInt32(completion.entry.result)))
                    context.finish()
                })
        }
        #expect(try mainLoop.allEvents() == [ProgramMessage(kind: 1), ProgramMessage(kind: 2), ProgramMessage(kind: 3, value: 42)])
        #expect(memory.value.load(ordering: .acquiring) == 20)
    }

    @Test func s1_3_theMainLoopHearsOnceOfEachRecordThatIsUnknown() throws {
        let (count, interval) = (500, 50)
        let file = try TemporaryFile(Records.contents(count: count, unknownEvery: interval))
        var mainLoop = try MainLoop()
        let program = try mainLoop.start { context in
            context.address(of: context.attach(RecordsProgram(file: try file.open())))
        }
        var escalations = 0
        var ends: [ProgramMessage] = []
        while let event = try mainLoop.nextEvent() {
            if event.message.kind == RecordsProgram.escalated {
                escalations += 1
                try program.send(ProgramMessage(kind: RecordsProgram.skip))
            } else {
                ends.append(event.message)
            }
        }
        #expect(escalations == 10)
        let sum = Records.sum(count: count, unknownEvery: interval)
        #expect(ends == [ProgramMessage(kind: RecordsProgram.summed, value: sum)])
    }

    @Test func s1_3_theMainLoopCanStopAProgramThatEscalates() throws {
        let file = try TemporaryFile(Records.contents(count: 10, unknownEvery: 5))
        var mainLoop = try MainLoop()
        let program = try mainLoop.start { context in
            context.address(of: context.attach(RecordsProgram(file: try file.open())))
        }
        _ = try mainLoop.nextEvent()
        try program.send(ProgramMessage(kind: RecordsProgram.stop))
        let sum = Records.sum(count: 4, unknownEvery: 0)
        #expect(try mainLoop.allEvents() == [ProgramMessage(kind: RecordsProgram.summed, value: sum)])
    }

    @Test func s1_3_aTruncatedFileOfRecordsIsAnError() throws {
        let file = try TemporaryFile(Records.contents(count: 10, unknownEvery: 0).dropLast(3))
        var mainLoop = try MainLoop()
        try mainLoop.start { context in
            context.attach(RecordsProgram(file: try file.open()))
        }
        #expect(throws: RecordsError.self) { try mainLoop.allEvents() }
    }

    @Test func s1_3_theMainLoopHearsOnceOfEachJoinOfTenReads() throws {
        let file = try TemporaryFile(pattern(5000))
        var mainLoop = try MainLoop()
        try mainLoop.start { context in
            context.attach(ForkJoinProgram(file: try file.open(), readCount: 10, byteCount: 500, joinCount: 20))
        }
        let joined = ProgramMessage(kind: ForkJoinProgram.joined, value: 5000)
        #expect(try mainLoop.allEvents() == Array(repeating: joined, count: 20))
    }

    @Test func s1_4_theFiveEntriesOfTheDiscussionRunInTheOrderOfTheirGroups() throws {
        var mainLoop = try MainLoop()
        let words = [FutexWord(), FutexWord()]
        try mainLoop.start { context in
            context.attach(FiveEntriesProgram(words: words))
        }
        var order: [UInt32] = []
        var inFlight: [UInt32] = []
        while let event = try mainLoop.nextEvent() {
            guard event.message.kind == FiveEntriesProgram.completed else {
                inFlight.append(event.message.value)
                continue
            }
            order.append(event.message.value)
            // The first entry waits until the group of the second is done.
            guard let word = event.message.value == 5 ? words[1] : event.message.value == 4 ? words[0] : nil else { continue }
            word.value = 1
            word.wake()
        }
        #expect(order == [5, 2, 4, 1, 3])
        // The first two run side by side, and those behind them have not begun.
        #expect(inFlight == [2])
    }

    @Test func s1_4_aGroupGoesOnInOrderWhateverBecomesOfItsOperations() throws {
        var ring = try ProgramRing()
        var order: [UInt64] = []
        ring.context.attach(
            TestProgram { context in
                let group = context.makeSyncGroup()
                for label in 0..<100 as Range<UInt64> {
                    // Shorter and shorter ones: without the group the last would be the first.
                    try context.prepare(Timeout(after: .microseconds(1000 - 10 * Int(label))), label: label, in: group)
                }
                try context.prepare(InjectedNop(result: -5), label: 100, in: group)
                try context.prepare(Nop(), label: 101, in: group)
            } completed: { completion, context in
                order.append(completion.tag.label)
                if order.count == 102 { context.finish() }
            })
        try ring.run()
        #expect(order == Array(0..<102))
    }

    @Test func s1_4_programsShareAGroupAndOneThatHasFinishedLosesItsTurn() throws {
        let file = try TemporaryFile()
        var ring = try ProgramRing()
        let group = ring.context.makeSyncGroup()
        var order: [String] = []
        let descriptor = try file.open()
        ring.context.attach(
            TestProgram { context in
                try context.prepare(Timeout(after: .milliseconds(1)), label: 1, in: group)
                try context.prepare(Write(descriptor, from: Buffer(copying: "too late".utf8)), label: 2, in: group)
            } completed: { completion, context in
                order.append("first \(completion.tag.label)")
                context.finish()
            })
        ring.context.attach(
            TestProgram { context in
                try context.prepare(Nop(), label: 1, in: group)
            } completed: { completion, context in
                order.append("second \(completion.tag.label)")
                context.finish()
            })
        try ring.run()
        #expect(order == ["first 1", "second 1"])
        #expect(try file.contents == [])
    }

    @Test func s1_5_aChainOfAProgramRunsInOrderAndEndsAtAnError() throws {
        var ring = try ProgramRing(entries: 64)
        var results: [String] = []
        ring.context.attach(
            TestProgram { context in
                try context.link { chain, tag in
                    for label in 0..<40 as Range<UInt64> { try chain.prepare(Nop(), tag: tag(label)) }
                    try chain.prepare(InjectedNop(result: -5), tag: tag(40))
                    try chain.prepare(Nop(), tag: tag(41))
                }
            } completed: { completion, context in
                results.append("\(completion.tag.label) \(completion.entry.result)")
                if results.count == 42 { context.finish() }
            })
        try ring.run()
        #expect(results == (0..<40).map { "\($0) 0" } + ["40 -5", "41 -125"])
    }

    @Test func s1_5_aHardChainGoesOnBehindAnError() throws {
        var ring = try ProgramRing()
        var results: [Int32] = []
        ring.context.attach(
            TestProgram { context in
                try context.hardLink { chain, tag in
                    try chain.prepare(InjectedNop(result: -5), tag: tag(0))
                    try chain.prepare(InjectedNop(result: 7), tag: tag(1))
                }
            } completed: { completion, context in
                results.append(completion.entry.result)
                if results.count == 2 { context.finish() }
            })
        try ring.run()
        #expect(results == [-5, 7])
    }

    @Test func s1_5_aChainThatCannotBeGivenAsAWholeIsRefusedWithNothingQueued() throws {
        let owner = try Ring<UInt8>(entries: 8, options: .recommended(submissionPolling: .init(mayShareProcessor: true)))
        var shared = RingOptions.recommended(submissionPolling: .init(mayShareProcessor: true))
        shared.sharedWorkers = owner.descriptor
        for (options, limit) in [(RingOptions.recommended, 16), (shared, 8)] {
            var ring = try ProgramRing(entries: 16, options: options)
            var caught: ChainError?
            ring.context.attach(
                TestProgram { context in
                    do {
                        try context.link { chain, tag in
                            for _ in 0...limit { try chain.prepare(Nop(), tag: tag(0)) }
                        }
                    } catch {
                        caught = error as? ChainError
                    }
                    #expect(context.inFlightCount == 0)
                    context.finish()
                })
            try ring.run()
            #expect(caught == .tooLong(limit: limit))
        }
        _ = owner.descriptor
    }

    @Test func s1_6_withAPollingThreadAChainOf41StaysWholeAndNothingEntersTheKernel() throws {
        try onThread {
            var ring = try ProgramRing(
                entries: 64, options: .recommended(submissionPolling: .init(idle: .seconds(30), mayShareProcessor: true)))
            // A new polling thread that finds nothing sleeps at once, whatever its idle time, and has to be woken.
            var first = SpinningChainStep(remaining: 1)
            try ring.run(&first)
            // From here on entering is an error, which the run would throw.
            let status = programs_forbid_entering()
            #expect(status == 0)
            var step = SpinningChainStep(remaining: 100)
            try ring.run(&step)
            #expect(step.order == (0..<100).flatMap { _ in 0..<41 as Range<UInt64> })
        }
    }

    @Test func s1_6_withoutAPollingThreadEnteringIsWhatIsForbidden() throws {
        try onThread {
            var ring = try ProgramRing()
            let status = programs_forbid_entering()
            #expect(status == 0)
            ring.context.attach(TestProgram { context in try context.prepare(Nop()) })
            #expect(throws: Errno.notPermitted) { try ring.run() }
        }
    }

    @Test func s1_7_aMessageArrivesOnceAndInTheEndNothingIsLeft() throws {
        var mainLoop = try MainLoop()
        try mainLoop.start { context in
            context.attach(
                TestProgram { context in
                    for value in 0..<1000 as Range<UInt32> { try context.post(ProgramMessage(kind: 1, value: value)) }
                    context.finish()
                })
        }
        // More than both queues of the main loop hold.
        #expect(try mainLoop.allEvents().map(\.value) == Array(0..<1000))
    }

    @Test func s1_7_aMessageToARingThatHasEndedIsAnError() throws {
        var mainLoop = try MainLoop()
        let address = try mainLoop.start { context in
            context.address(of: context.attach(TestProgram { context in context.finish() }))
        }
        #expect(try mainLoop.nextEvent() == nil)
        try mainLoop.start { context in
            context.attach(TestProgram { context in try context.send(ProgramMessage(kind: 1), to: address) })
        }
        var caught: (any Error)?
        do { _ = try mainLoop.nextEvent() } catch { caught = error }
        #expect(caught as? ProgramError == .undelivered)
    }

    @Test func s1_8_aWordThatIsWokenReleasesAChain() throws {
        let gate = FutexWord()
        let file = try TemporaryFile()
        var mainLoop = try MainLoop()
        try mainLoop.start { context in
            let file = try file.open()
            context.attach(
                TestProgram { context in
                    try context.link { chain, tag in
                        try chain.prepare(FutexWait(gate, while: 0), tag: tag(1))
                        try chain.prepare(Write(file, from: Buffer(copying: "opened".utf8)), tag: tag(2))
                    }
                    // It was queued behind the chain, and does not wait for it.
                    try context.prepare(Nop(), label: 3)
                } completed: { completion, context in
                    try context.post(ProgramMessage(kind: UInt16(completion.tag.label), value: UInt32(max(completion.entry.result, 0))))
                    if completion.tag.label == 2 { context.finish() }
                })
        }
        #expect(try mainLoop.nextEvent()?.message == ProgramMessage(kind: 3))
        #expect(try file.contents == [])
        gate.value = 1
        gate.wake()
        #expect(try mainLoop.allEvents() == [ProgramMessage(kind: 1), ProgramMessage(kind: 2, value: 6)])
        #expect(try file.contents == Array("opened".utf8))
    }

    @Test func s1_8_oneProgramWakesAnotherAndAProgramWaitsForSeveralWords() throws {
        let words = [FutexWord(), FutexWord()]
        var ring = try ProgramRing()
        var order: [String] = []
        ring.context.attach(
            TestProgram { context in
                try context.prepare(FutexWaitVectored(FutexVector(words.map { ($0, 0) })))
            } completed: { completion, context in
                let outcome = try completion.take(FutexWaitVectored.self).result.get()
                order.append("\(outcome)")
                context.finish()
            })
        ring.context.attach(
            TestProgram { context in
                try context.prepare(Timeout(after: .milliseconds(1)), label: 1)
            } completed: { completion, context in
                if completion.tag.label == 1 {
                    words[1].value = 1
                    try context.prepare(FutexWake(words[1]), label: 2)
                } else {
                    order.append("woke \(try completion.take(FutexWake.self).result.get())")
                    context.finish()
                }
            })
        try ring.run()
        #expect(order.sorted() == ["woke 1", "woken(index: 1)"])
    }

    @Test func s1_12_theCounterThatProgramsKeepWithoutALockIsTheClientsCount() throws {
        var mainLoop = try MainLoop()
        let replies = SharedTally()
        let address = try mainLoop.start(entries: 256) { context in
            let listener = try Descriptor.listening(at: SocketAddress(ip: "127.0.0.1", port: 0))
            let address = try listener.localAddress()
            context.attach(ListenerProgram(listener: listener, connectionCount: 20, byteCount: 100, replies: replies))
            return address
        }
        try mainLoop.start(entries: 256) { context in
            for _ in 0..<20 { context.attach(RequestingProgram(address: address, requestCount: 50, byteCount: 100)) }
        }
        let events = try mainLoop.allEvents()
        #expect(events == Array(repeating: ProgramMessage(kind: RequestingProgram.replied, value: 50), count: 20))
        #expect(replies.count == 1000)
    }

    @Test func s1_12_aReplyThatIsNotTheRequestIsAnError() throws {
        var mainLoop = try MainLoop()
        let address = try mainLoop.start { context in
            let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
            let address = try listener.localAddress()
            context.attach(WrongReplyProgram(listener: listener))
            return address
        }
        try mainLoop.start { context in
            context.attach(RequestingProgram(address: address, requestCount: 1, byteCount: 100))
        }
        #expect(throws: ReplyError.self) { try mainLoop.allEvents() }
    }

    @Test(arguments: [0, 1, 4096, 4097, 100_001]) func s1_14_copiesAreIdentical(byteCount: Int) throws {
        let source = try TemporaryFile(pattern(byteCount))
        for depth in [0, 1, 8] {
            let destination = try TemporaryFile()
            var mainLoop = try MainLoop()
            try mainLoop.start { context in
                let reader = try source.open()
                let writer = try destination.open()
                if depth > 0 {
                    context.attach(CopyFileProgram(from: reader, to: writer, depth: depth, blockByteCount: 4096))
                } else {
                    context.attach(
                        LinkedCopyProgram(from: reader, to: writer, byteCount: UInt64(byteCount), blockByteCount: 4096))
                }
            }
            let copied = ProgramMessage(kind: CopyFileProgram.copied, value: UInt32((byteCount + 4095) / 4096))
            #expect(try mainLoop.allEvents() == [copied])
            let isIdentical = try destination.contents == source.contents
            #expect(isIdentical)
        }
    }
}

/// Answers one request of a hundred bytes, with one of them changed.
private final class WrongReplyProgram: CompletionProgram {
    private let listener: Descriptor

    init(listener: consuming Descriptor) {
        self.listener = listener
    }

    func start(in context: inout ProgramContext) throws {
        try context.prepare(Accept<Descriptor>(listener))
    }

    func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        if completion.is(Accept<Descriptor>.self) {
            let connection = try completion.take(Accept<Descriptor>.self).result.get().descriptor
            try context.prepare(Receive(connection, into: Buffer(byteCapacity: 100), flags: .waitAll))
        } else if completion.is(Receive<Buffer>.self) {
            let receive = completion.take(Receive<Buffer>.self)
            var bytes = receive.operation.memory.copyBytes()
            bytes[99] ^= 1
            try context.prepare(Send(receive.operation.file, from: Buffer(copying: bytes), flags: .waitAll))
        } else {
            context.finish()
        }
    }
}

/// Memory of the application that programs use.
private final class Memory: Sendable {
    let value: Atomic<Int>

    init(_ value: Int) {
        self.value = Atomic(value)
    }
}

/// Calls programs, and notes how much was in flight whenever that was done.
private struct DepthStep: LoopStep {
    private var programs = ProgramStep()
    private(set) var depths: [Int] = []

    mutating func loopStep(_ ring: inout ProgramRing, waitIndex: inout UInt32) throws -> LoopDecision {
        let decision = try programs.loopStep(&ring, waitIndex: &waitIndex)
        depths.append(ring.context.inFlightCount)
        return decision
    }
}

/// Runs chains of 41 operations, and looks for their ends without waiting.
private struct SpinningChainStep: LoopStep {
    var remaining: Int
    var order: [UInt64] = []

    mutating func loopStep(_ ring: inout ProgramRing, waitIndex: inout UInt32) throws -> LoopDecision {
        while let completion = ring.nextCompletion() {
            order.append(completion.tag.label)
        }
        waitIndex = ring.completionIndex
        guard ring.context.inFlightCount == 0 else {
            // The polling thread may have to have this processor.
            sched_yield()
            return .continue
        }
        if remaining == 0 { return .stop }
        remaining -= 1
        try ring.context.link { chain, tag in
            for label in 0..<41 as Range<UInt64> { try chain.prepare(Nop(), tag: tag(label)) }
        }
        return .continue
    }
}
