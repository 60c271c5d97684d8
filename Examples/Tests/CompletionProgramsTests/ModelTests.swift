// SPDX-License-Identifier: Apache-2.0

import CompletionPrograms
import ExamplePrograms
import Foundation
import SystemPackage
import Testing
import URing

@Suite struct ModelTests {
    @Test func s1_1_aThousandProgramsCountExactlyWithoutALock() throws {
        var mainLoop = try MainLoop()
        try mainLoop.start { context in
            let tally = Tally()
            for _ in 0..<1000 { context.attach(CountingProgram(tickCount: 5, interval: .microseconds(100), tally: tally)) }
        }
        let events = try mainLoop.allEvents()
        #expect(events.count == 1000)
        // Messages keep their order, so the last is of the program that has seen all ticks.
        #expect(events.last?.value == 5000)
    }

    @Test func s1_1_eachConnectionHasAProgramWithStateOfItsOwn() throws {
        var mainLoop = try MainLoop()
        var connections: [FileDescriptor] = []
        var others: [FileDescriptor] = []
        for _ in 0..<200 {
            let pair = try DescriptorPair.sockets()
            connections.append(pair.first.relinquish())
            others.append(pair.second.relinquish())
        }
        let shared = connections
        try mainLoop.start { context in
            for (number, connection) in shared.enumerated() {
                context.attach(SumProgram(connection: UnownedDescriptor(connection), number: UInt16(number)))
            }
        }
        // Each program has a receive pending between the rounds.
        for round in 1...3 as ClosedRange<UInt8> {
            for other in others { try other.writeAll([round]) }
        }
        for other in others { try other.close() }
        let events = try mainLoop.allEvents()
        for connection in connections { try connection.close() }
        #expect(events.map(\.kind).sorted() == Array(0..<200))
        #expect(events.allSatisfy { $0.value == 6 })
    }

    @Test func s1_1_aCallRunsToItsEndBeforeTheNext() throws {
        var ring = try ProgramRing()
        let log = Log()
        for name in ["a", "b"] {
            ring.context.attach(
                TestProgram { context in
                    try context.prepare(Nop())
                } completed: { _, context in
                    log.entries.append("\(name) begins")
                    // What is attached and queued in a call has its turn afterwards.
                    context.attach(
                        TestProgram { context in
                            log.entries.append("child of \(name)")
                            context.finish()
                        })
                    log.entries.append("\(name) ends")
                    context.finish()
                })
        }
        try ring.run()
        #expect(log.entries == ["a begins", "a ends", "child of a", "b begins", "b ends", "child of b"])
    }

    @Test func s1_1_aProgramQueuesTwoLinkedEntriesAndEscalatesOnce() throws {
        var mainLoop = try MainLoop()
        try mainLoop.start { context in
            var order: [UInt64] = []
            context.attach(
                TestProgram { context in
                    try context.prepare(Timeout(after: .milliseconds(1)), label: 1)
                } completed: { completion, context in
                    order.append(completion.tag.label)
                    if completion.tag.label == 1 {
                        try context.link { chain, tag in
                            try chain.prepare(Timeout(after: .milliseconds(1), keepsChain: true), tag: tag(2))
                            try chain.prepare(Nop(), tag: tag(3))
                        }
                    }
                    guard completion.tag.label == 3 else { return }
                    try context.post(ProgramMessage(kind: 7, value: UInt32(order.reduce(0) { $0 * 10 + $1 })))
                    context.finish()
                })
        }
        #expect(try mainLoop.allEvents() == [ProgramMessage(kind: 7, value: 123)])
    }

    @Test func s1_1_aStepIsCalledWhenItsIndexIsReachedAndNotAgainAfterStop() throws {
        var ring = try ProgramRing()
        let pipe = try DescriptorPair.pipe()
        let (reader, writer) = (pipe.first.unowned, pipe.second.unowned.fileDescriptor)
        let calls = FutexWord()
        Thread.detachNewThread {
            _ = try? writer.writeAll([1])
            // With one of four there, the step is not called: the wait for that takes all its time.
            _ = try? calls.wait(while: 1, timeout: .milliseconds(50))
            _ = try? writer.writeAll([2, 3, 4])
        }
        var step = BatchStep(reader: reader, calls: calls)
        try ring.run(&step)
        #expect(step.found == [0, 4])
        #expect(ring.completionIndex == 4)
        _ = pipe.second.isHeld
    }

    @Test func s1_1_aStepThatDoesNotWaitGetsItsCompletions() throws {
        for flags in [RingOptions.Flags.deferredTaskRun, [.deferredTaskRun, .showsPendingTaskRun], []] {
            var ring = try ProgramRing(options: RingOptions([.singleIssuer, flags]))
            var step = ImpatientStep()
            try ring.run(&step)
            #expect(ring.completionIndex == 1)
        }
    }

    @Test func s1_1_whatAFinishedProgramLeavesInFlightIsCancelledAndItIsNotCalledForIt() throws {
        var ring = try ProgramRing()
        let pipe = try DescriptorPair.pipe()
        let reader = pipe.first.unowned
        var calls = 0
        weak var released: TestProgram?
        do {
            let program = TestProgram { context in
                try context.prepare(Read(reader, into: Buffer(byteCapacity: 8)))
                try context.prepare(Nop())
            } completed: { _, context in
                calls += 1
                context.finish()
            }
            ring.context.attach(program)
            released = program
        }
        #expect(released != nil)
        try ring.run()
        #expect(calls == 1)
        #expect(ring.context.inFlightCount == 0)
        #expect(released == nil)
    }

    @Test func s1_1_aNameOfAProgramThatHasFinishedReachesNobodyElse() throws {
        var ring = try ProgramRing()
        var received = 0
        let first = ring.context.attach(TestProgram { context in context.finish() })
        try ring.run()
        let address = ring.context.address(of: first)
        // Takes the place of the first, and would throw if it got the message.
        ring.context.attach(
            TestProgram { context in
                try context.send(ProgramMessage(kind: 1), to: address)
                try context.prepare(Timeout(after: .milliseconds(1)))
            } completed: { _, context in
                received += 1
                context.finish()
            })
        try ring.run()
        #expect(received == 1)
    }

    @Test func s1_1_whatAProgramThrowsEndsItsRingAndReachesTheMainLoop() throws {
        var mainLoop = try MainLoop()
        let address = try mainLoop.start { context in
            context.address(of: context.attach(TestProgram { _ in }))
        }
        try address.send(ProgramMessage(kind: 9))
        var caught: (any Error)?
        do { while try mainLoop.nextEvent() != nil {} } catch { caught = error }
        #expect(caught as? ProgramError == .unexpectedMessage(kind: 9))
        #expect(try mainLoop.nextEvent() == nil)
    }

    @Test func s1_1_aRingWithoutAMainLoopSaysSo() throws {
        var ring = try ProgramRing()
        ring.context.attach(TestProgram { context in try context.post(ProgramMessage(kind: 1)) })
        var caught: (any Error)?
        do { try ring.run() } catch { caught = error }
        #expect(caught as? ProgramError == .noMainLoop)
    }
}

/// Adds up the bytes that come in on a connection, and posts the sum at its end.
private final class SumProgram: CompletionProgram {
    private let connection: UnownedDescriptor
    private let number: UInt16
    private var sum: UInt32 = 0

    init(connection: UnownedDescriptor, number: UInt16) {
        self.connection = connection
        self.number = number
    }

    func start(in context: inout ProgramContext) throws {
        try context.prepare(Receive(connection, into: Buffer(byteCapacity: 1)))
    }

    func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        let receive = completion.take(Receive<Buffer>.self)
        if try receive.result.get() == 0 {
            try context.post(ProgramMessage(kind: number, value: sum))
            return context.finish()
        }
        sum += receive.operation.memory.copyBytes().reduce(0) { $0 + UInt32($1) }
        try context.prepare(receive.operation)
    }
}

/// Reads four bytes, each by itself, without programs.
private struct BatchStep: LoopStep {
    let reader: UnownedDescriptor
    let calls: FutexWord
    var found: [Int] = []

    mutating func loopStep(_ ring: inout ProgramRing, waitIndex: inout UInt32) throws -> LoopDecision {
        var count = 0
        while ring.nextCompletion() != nil { count += 1 }
        found.append(count)
        if calls.wrappingAdd(1) == 0 {
            for _ in 0..<4 { try ring.context.prepare(Read(reader, into: Buffer(byteCapacity: 1))) }
            waitIndex = ring.completionIndex &+ 4
        } else {
            calls.wake()
            if ring.completionIndex == 4 { return .stop }
        }
        return .continue
    }
}

/// Runs an operation that takes some time, and looks for its end without waiting.
private struct ImpatientStep: LoopStep {
    private var isPrepared = false
    private let deadline = ContinuousClock.now + .seconds(20)

    mutating func loopStep(_ ring: inout ProgramRing, waitIndex: inout UInt32) throws -> LoopDecision {
        if !isPrepared { try ring.context.prepare(Timeout(after: .milliseconds(1))) }
        isPrepared = true
        return ring.nextCompletion() != nil || .now > deadline ? .stop : .continue
    }
}

/// What happened, in its order.
private final class Log {
    var entries: [String] = []
}
