// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CPipeEngines
import EventLoop
import Support
import SystemPackage
import URing

/// Compares loops on pipes.
struct Pipes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare loops by how many handlers of pipes they call in a second of processor time.",
        discussion: """
            Each pipe has a handler that writes a byte and one that reads it, and each loop calls one handler at a time. The loops take \
            turns on one processor, and the best of their rounds is printed: what else the machine does can only slow them. Samba's \
            tevent is among them if libtevent is installed.
            """)

    @Option(name: .customLong("pipes"), help: ArgumentHelp("How many pipes there are, one or more numbers.", valueName: "counts"))
    var counts = "1,8,64"

    @Option(help: ArgumentHelp("How many handlers are called in each round.", valueName: "count"))
    var calls = 300_000

    @Option(help: ArgumentHelp("How often each loop has its turn.", valueName: "count"))
    var rounds = 5

    @Option(name: .customLong("loop"), help: ArgumentHelp("Only the loops whose names contain this.", valueName: "text"))
    var wanted = ""

    func validate() throws {
        _ = try pipeCounts()
        if engines.isEmpty {
            let names = PipeEngine.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: "; ")
            throw ValidationError("--loop must be a part of one of these names: \(names).")
        }
        try ValidationError.check(calls, in: 1...1_000_000_000, "--calls")
        try ValidationError.check(rounds, in: 1...1000, "--rounds")
    }

    func run() throws {
        pipes_bind_thread()
        for count in try pipeCounts() {
            say("\(count) \(count == 1 ? "pipe" : "pipes"), \(calls) calls, best of \(rounds) rounds:\n")
            say(try table(of: measure(count)))
        }
        say(
            """
            The C loop with the same polls is what the Swift loop with registered files is to be compared with, and epoll, one event at \
            a time, what tevent does.

            """)
    }

    private func pipeCounts() throws -> [Int] {
        try counts.split(separator: ",", omittingEmptySubsequences: false).map { text in
            guard let count = Int(text), (1...500).contains(count) else {
                throw ValidationError("--pipes must be numbers between 1 and 500, such as 1,8,64.")
            }
            return count
        }
    }

    /// The loops that were asked for.
    private var engines: [PipeEngine] { PipeEngine.allCases.filter { wanted.isEmpty || $0.rawValue.contains(wanted) } }

    /// Times of each engine that there is, round by round.
    private func measure(_ count: Int) throws -> [(engine: PipeEngine, times: [Double])] {
        var measured = engines.map { (engine: $0, times: [Double]()) }
        for _ in 0..<rounds {
            for index in measured.indices {
                let status = pipes_open(Int32(count))
                guard status == 0 else { throw Failure("Cannot make \(count) pipes: \(Errno(rawValue: -status))") }
                defer { pipes_close() }
                if let time = try measured[index].engine.run(calls: calls, pipes: count) { measured[index].times.append(time) }
            }
        }
        return measured.filter { !$0.times.isEmpty }
    }

    private func table(of measured: [(engine: PipeEngine, times: [Double])]) -> String {
        let rates = measured.map { Double(calls) / ($0.times.min() ?? .infinity) }
        let rate = { (engine: PipeEngine) in
            measured.firstIndex { $0.engine == engine }.map { rates[$0] }
        }
        let column = { (text: String) in String(repeating: " ", count: max(11 - text.count, 1)) + text }
        let ratio = { (value: Double, base: Double?) in column(base.map { decimal(value / $0, places: 2) } ?? "-") }
        var table = "  loop                                 thousand/s   of epoll  of tevent  of C ring\n"
        for (index, entry) in measured.enumerated() {
            let name = entry.engine.rawValue
            table += "  \(name)\(String(repeating: " ", count: 37 - name.count))\(column(decimal(rates[index] / 1000, places: 0)))"
            table += ratio(rates[index], rate(.epoll)) + ratio(rates[index], rate(.tevent)) + ratio(rates[index], rate(.ring)) + "\n"
        }
        return table
    }
}

/// A loop that is compared.
enum PipeEngine: String, CaseIterable {
    case poll = "C, poll"
    case epoll = "C, epoll, one event at a time"
    case tevent = "C, Samba's tevent on epoll"
    case eagerRing = "C, polls, eager"
    case ring = "C, polls, lazy"
    case eagerSwift = "Swift, registered files, eager"
    case unregisteredSwift = "Swift, polls, lazy"
    case swift = "Swift, registered files, lazy"
    case epollSwift = "Swift, epoll in the ring"

    /// Calls so many handlers, and returns how many seconds of the processor that took; nil if there is no such loop here.
    func run(calls: Int, pipes: Int) throws -> Double? {
        switch self {
        case .poll: try checked(pipes_run_poll(Int64(calls)))
        case .epoll: try checked(pipes_run_epoll(Int64(calls)))
        case .tevent: try checked(pipes_run_tevent(Int64(calls)))
        case .eagerRing: try checked(pipes_run_eager_ring(Int64(calls)))
        case .ring: try checked(pipes_run_ring(Int64(calls)))
        case .eagerSwift: try runSwift(.polls(registeringFiles: true), .eager, calls: calls, pipes: pipes)
        case .unregisteredSwift: try runSwift(.polls(registeringFiles: false), .lazy, calls: calls, pipes: pipes)
        case .swift: try runSwift(.polls(registeringFiles: true), .lazy, calls: calls, pipes: pipes)
        case .epollSwift: try runSwift(.epoll, .lazy, calls: calls, pipes: pipes)
        }
    }

    private func checked(_ seconds: Double) throws(Failure) -> Double? {
        if seconds >= 0 { return seconds }
        let errno = Errno(rawValue: -Int32(seconds))
        guard errno == .noSuchFileOrDirectory else { throw Failure("The loop \"\(rawValue)\" failed: \(errno)") }
        return nil
    }

    private func runSwift(_ backend: EventLoop.Backend, _ rearming: EventLoop.Rearming, calls: Int, pipes: Int) throws -> Double? {
        var loop = try makeLoop(backend, rearming: rearming)
        for index in 0..<Int32(pipes) {
            let read = pipes_read_end(index)
            loop.watch(UnownedDescriptor(FileDescriptor(rawValue: read)), for: .input) { _, _, _ in pipes_read(read) }
        }
        for index in 0..<Int32(pipes) {
            let write = pipes_write_end(index)
            loop.watch(UnownedDescriptor(FileDescriptor(rawValue: write)), for: .output) { _, _, _ in pipes_write(write) }
        }
        let start = pipes_seconds()
        for _ in 0..<calls { try loop.loopOnce() }
        return pipes_seconds() - start
    }
}
