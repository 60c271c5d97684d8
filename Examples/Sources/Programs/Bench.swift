// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CProcess
import CPrograms
import CompletionPrograms
import Glibc
import Support
import SystemPackage
import URing

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure what programs cost, beside what they replace.",
        discussion: """
            All ways take turns, several times over, and of each the median is printed. The processor time is that of all threads of the \
            process, the kernel's for its rings included.
            """,
        subcommands: [Nops.self, Messages.self, Copies.self])
}

/// Ways to do the same that take turns.
private struct Comparison {
    private struct Way {
        let name: String
        let count: Double
        /// The name of the way that this is compared with; else it is the first.
        let other: String?
        let run: () throws -> Duration
        var times: [Double] = []
        var processorTimes: [Double] = []
    }

    private var ways: [Way] = []

    /// Adds a way, which does something so many times and says how long that took; it may be beside another as well.
    mutating func add(_ name: String, count: Int, beside other: String? = nil, _ run: @escaping () throws -> Duration) {
        ways.append(Way(name: name, count: Double(count), other: other, run: run))
    }

    /// Prints the nanoseconds that each way takes for one, and the processor's, beside those of the first, and of another if it has one.
    consuming func report(rounds: Int) throws {
        for _ in 0..<rounds {
            for index in ways.indices {
                let before = process_used_time()
                let time = try ways[index].run()
                let after = process_used_time()
                let microseconds = after.user + after.system - before.user - before.system
                ways[index].times.append(time / .nanoseconds(1) / ways[index].count)
                ways[index].processorTimes.append(Double(microseconds) * 1000 / ways[index].count)
            }
        }
        for way in ways {
            let (time, used) = (median(way.times), median(way.processorTimes))
            var parts = ["\(way.name): \(decimal(time, places: 0)) ns", "\(decimal(used, places: 0)) ns of processor time"]
            parts.append("\(decimal(used / median(ways[0].processorTimes), places: 2)) of the first's")
            // Round by round, as what else the machine does changes from one to the next.
            if let other = ways.first(where: { $0.name == way.other }) {
                let ratio = median(zip(way.processorTimes, other.processorTimes).map { $0 / $1 })
                parts.append("\(decimal(ratio, places: 2)) of that in C")
            }
            say("\(parts.joined(separator: ", "))\n")
        }
    }

    private func median(_ values: [Double]) -> Double {
        values.sorted()[values.count / 2]
    }
}

struct Nops: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run operations that do nothing, one after the other, in chains, and many at once, here and in C with liburing.")

    @Option(help: ArgumentHelp("How many operations each way of running them gets.", valueName: "count"))
    var count = 200_000

    @Option(help: ArgumentHelp("How often.", valueName: "count"))
    var rounds = 5

    func validate() throws {
        try ValidationError.check(count, in: 640...100_000_000, "--count")
        try ValidationError.check(rounds, in: 1...1000, "--rounds")
    }

    func run() throws {
        var comparison = Comparison()
        add("one for each system call", NopStep(count: count, size: 1, isLinked: false), to: &comparison)
        for size in [2, 8, 64] { add("chains of \(size)", NopStep(count: count, size: size, isLinked: true), to: &comparison) }
        for size in [16, 64] { add("\(size) at once", NopStep(count: count, size: size, isLinked: false), to: &comparison) }
        // Fewer: on a machine that is busy otherwise, the two threads wait for a processor each time.
        let polling = RingOptions.recommended(submissionPolling: .init(idle: .seconds(1), mayShareProcessor: true))
        add("a polling thread", NopStep(count: count / 100, size: 1, isLinked: false, spins: true), polling, to: &comparison)
        try comparison.report(rounds: rounds)
    }

    private func add(_ name: String, _ step: NopStep, _ options: RingOptions = .recommended, to comparison: inout Comparison) {
        let inC = "C, \(name)"
        comparison.add(inC, count: step.count) {
            let nanoseconds = programs_run_nops(Int64(step.count), UInt32(step.size), step.isLinked, step.spins)
            guard nanoseconds >= 0 else { throw Failure("Cannot run operations in C: \(Errno(rawValue: Int32(-nanoseconds)))") }
            return .nanoseconds(nanoseconds)
        }
        comparison.add(name, count: step.count, beside: inC) {
            var step = step
            var ring = try ProgramRing(entries: 64, options: options)
            let start = ContinuousClock.now
            try ring.run(&step)
            return .now - start
        }
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

    @Option(help: ArgumentHelp("How often.", valueName: "count"))
    var rounds = 5

    func validate() throws {
        try ValidationError.check(messages, in: 2...100_000_000, "--messages")
        try ValidationError.check(rounds, in: 1...1000, "--rounds")
    }

    func run() throws {
        var comparison = Comparison()
        let messages = messages
        // There and back are two messages.
        comparison.add("two pipes", count: Int(messages)) {
            let nanoseconds = programs_ping_pong_through_pipes(Int64(messages / 2))
            guard nanoseconds >= 0 else { throw Failure("Cannot use pipes: \(Errno(rawValue: Int32(-nanoseconds)))") }
            return .nanoseconds(nanoseconds)
        }
        for rings in [2, 1] {
            comparison.add(rings == 1 ? "one ring" : "two rings", count: Int(messages)) {
                var mainLoop = try MainLoop()
                return try PingPong.play(messages, onRings: rings, &mainLoop)
            }
        }
        try comparison.report(rounds: rounds)
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

    @Option(help: ArgumentHelp("How often.", valueName: "count"))
    var rounds = 5

    func validate() throws {
        try ValidationError.check(blockByteCount, in: 512...1 << 24, "--block")
        try ValidationError.check(rounds, in: 1...1000, "--rounds")
    }

    func run() throws {
        // Once for the pages of the source to be there, and to know how many blocks there are.
        let blockCount = Int(try CopyMode.depth(8).copy(source, to: destination, blockByteCount: blockByteCount).blockCount)
        guard blockCount > 0 else { throw Failure("\(source) is empty.") }
        var comparison = Comparison()
        let (source, destination, blockByteCount) = (source, destination, blockByteCount)
        comparison.add("pread and pwrite", count: blockCount) {
            let start = ContinuousClock.now
            let reader = try openForReading(source)
            // Ctrl-C waits until the copy is whole.
            _ = try stopDescriptor()
            let writer = try openForWriting(destination)
            try filling(destination) {
                let status = programs_copy(
                    reader.unowned.fileDescriptor.rawValue, writer.unowned.fileDescriptor.rawValue, blockByteCount)
                guard status >= 0 else { throw Failure("Cannot copy: \(Errno(rawValue: -status))") }
            }
            return .now - start
        }
        for (name, mode) in [("one block in flight", CopyMode.depth(1)), ("eight blocks in flight", .depth(8)), ("linked", .linked)] {
            comparison.add(name, count: blockCount) {
                try mode.copy(source, to: destination, blockByteCount: blockByteCount).time
            }
        }
        try comparison.report(rounds: rounds)
    }
}
