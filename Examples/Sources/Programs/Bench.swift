// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CPrograms
import CompletionPrograms
import Glibc
import Support
import SystemPackage
import URing

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure what programs cost, beside what they replace.", subcommands: [Nops.self, Messages.self, Copies.self])
}

struct Nops: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run operations that do nothing, one after the other, in chains, and many at once.")

    @Option(help: ArgumentHelp("How many operations each way of running them gets.", valueName: "count"))
    var count = 200_000

    func validate() throws {
        try ValidationError.check(count, in: 640...100_000_000, "--count")
    }

    func run() throws {
        let single = try measure(NopStep(count: count, size: 1, isLinked: false))
        report("one for each system call", single, single)
        for size in [2, 8, 64] {
            report("chains of \(size)", try measure(NopStep(count: count, size: size, isLinked: true)), single)
        }
        for size in [16, 64] {
            report("\(size) at once", try measure(NopStep(count: count, size: size, isLinked: false)), single)
        }
        // Fewer: on a machine that is busy otherwise, the two threads wait for a processor each time.
        let polling = RingOptions.recommended(submissionPolling: .init(idle: .seconds(1), mayShareProcessor: true))
        report("a polling thread", try measure(NopStep(count: count / 10, size: 1, isLinked: false, spins: true), polling), single)
    }

    /// How many nanoseconds each operation takes.
    private func measure(_ step: NopStep, _ options: RingOptions = .recommended) throws -> Double {
        var step = step
        var ring = try ProgramRing(entries: 64, options: options)
        let count = Double(step.count)
        let start = ContinuousClock.now
        try ring.run(&step)
        return (.now - start) / .nanoseconds(1) / count
    }

    private func report(_ name: String, _ nanoseconds: Double, _ reference: Double) {
        say("\(name): \(decimal(nanoseconds, places: 0)) ns each, \(decimal(nanoseconds / reference, places: 2)) of the first\n")
    }
}

/// Keeps so many operations that do nothing in flight, and the next so many when they are done.
private struct NopStep: LoopStep {
    var count: Int
    let size: Int
    let isLinked: Bool
    /// Whether to look again and again instead of waiting in the kernel.
    var spins = false
    private var outstanding = 0

    init(count: Int, size: Int, isLinked: Bool, spins: Bool = false) {
        self.count = count
        self.size = size
        self.isLinked = isLinked
        self.spins = spins
    }

    mutating func loopStep(_ ring: inout ProgramRing, waitIndex: inout UInt32) throws -> LoopDecision {
        while let completion = ring.nextCompletion() {
            _ = completion.take(Nop.self)
            outstanding -= 1
        }
        if outstanding == 0 {
            guard count > 0 else { return .stop }
            let size = min(size, count)
            count -= size
            outstanding = size
            if isLinked {
                try ring.context.link { chain, tag in
                    for _ in 0..<size { try chain.prepare(Nop(), tag: tag(0)) }
                }
            } else {
                for _ in 0..<size { try ring.context.prepare(Nop()) }
            }
        }
        if spins { sched_yield() }
        waitIndex = spins ? ring.completionIndex : ring.completionIndex &+ UInt32(outstanding)
        return .continue
    }
}

struct Messages: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send messages between two programs on one ring and on two, and bytes between two threads through pipes.")

    @Option(help: ArgumentHelp("How many messages there are.", valueName: "count"))
    var messages: UInt32 = 100_000

    func validate() throws {
        try ValidationError.check(messages, in: 2...100_000_000, "--messages")
    }

    func run() throws {
        for rings in [1, 2] {
            var mainLoop = try MainLoop()
            report(rings == 1 ? "one ring" : "two rings", try PingPong.play(messages, onRings: rings, &mainLoop))
        }
        // There and back are two messages.
        let nanoseconds = programs_ping_pong_through_pipes(Int64(messages / 2))
        guard nanoseconds >= 0 else { throw Failure("Cannot use pipes: \(Errno(rawValue: Int32(-nanoseconds)))") }
        report("two pipes", .nanoseconds(nanoseconds))
    }

    private func report(_ name: String, _ time: Duration) {
        say("\(name): \(decimal(time / .nanoseconds(1) / Double(messages), places: 0)) ns a message\n")
    }
}

struct Copies: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy a file with programs, and with pread(2) and pwrite(2).")

    @Argument(help: "The file to copy.", completion: .file())
    var source: String

    @Argument(help: "The file to make or to replace.", completion: .file())
    var destination: String

    @Option(name: .customLong("block"), help: ArgumentHelp("How large a block is.", valueName: "bytes"))
    var blockByteCount = 65536

    func validate() throws {
        try ValidationError.check(blockByteCount, in: 512...1 << 24, "--block")
    }

    func run() throws {
        // Once for the pages of both files to be there.
        _ = try CopyMode.depth(8).copy(source, to: destination, blockByteCount: blockByteCount)
        let plain = try copyWithoutARing()
        report("pread and pwrite", plain, plain)
        report("one block in flight", try CopyMode.depth(1).copy(source, to: destination, blockByteCount: blockByteCount).time, plain)
        report("eight blocks in flight", try CopyMode.depth(8).copy(source, to: destination, blockByteCount: blockByteCount).time, plain)
        report("linked", try CopyMode.linked.copy(source, to: destination, blockByteCount: blockByteCount).time, plain)
    }

    private func copyWithoutARing() throws -> Duration {
        let reader = try openForReading(source)
        let writer = try openForWriting(destination)
        let nanoseconds = programs_copy(
            reader.unowned.fileDescriptor.rawValue, writer.unowned.fileDescriptor.rawValue, blockByteCount)
        guard nanoseconds >= 0 else { throw Failure("Cannot copy: \(Errno(rawValue: Int32(-nanoseconds)))") }
        return .nanoseconds(nanoseconds)
    }

    private func report(_ name: String, _ time: Duration, _ reference: Duration) {
        say("\(name): \(decimal(time / .milliseconds(1), places: 1)) ms, \(decimal(reference / time, places: 2)) of the first's speed\n")
    }
}
