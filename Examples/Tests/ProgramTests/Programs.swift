// SPDX-License-Identifier: Apache-2.0

import CNetworks
import Foundation
import Support
import SystemPackage
import Testing
import URing

/// What a program did.
struct Outcome {
    /// The exit status, or the signal.
    var status: Int32
    var endedBySignal: Bool
    var output: Data
    var errors: String
}

/// A program of this package, started.
final class Program {
    private let process = Process()
    private let output = Pipe()
    private let errors = Pipe()
    /// An input that never ends, nor brings anything.
    private lazy var openInput = Pipe()

    /// Starts it, in the network of another process if there is one, or by a command that is given the program and its arguments.
    init(
        _ name: String, _ arguments: [String], input: Data? = nil, keepsInputOpen: Bool = false, inNetworkOf other: Program? = nil,
        through command: [String] = []
    ) throws {
        // The programs are built beside the test runner.
        let runner = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let program = runner.deletingLastPathComponent().appendingPathComponent(name)
        if let other {
            process.executableURL = URL(fileURLWithPath: "/usr/bin/nsenter")
            process.arguments = ["--target", String(other.process.processIdentifier), "--net", "--", program.path] + arguments
        } else {
            process.executableURL = command.isEmpty ? program : URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = command.isEmpty ? arguments : command + [program.path] + arguments
        }
        process.standardOutput = output
        process.standardError = errors
        // It is started with the signals blocked that are here, as they are on threads of a pool.
        allowEnd()
        if let input {
            let pipe = Pipe()
            process.standardInput = pipe
            try process.run()
            try pipe.fileHandleForWriting.write(contentsOf: input)
            try pipe.fileHandleForWriting.close()
        } else {
            process.standardInput = keepsInputOpen ? openInput as Any : FileHandle.nullDevice
            try process.run()
        }
    }

    deinit {
        if process.isRunning { process.terminate() }
    }

    var identifier: Int32 { process.processIdentifier }

    /// Reads the first line of the output, or what there is of it when the program ends.
    func firstLine() throws -> String {
        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) { line += byte }
        return String(decoding: line, as: UTF8.self)
    }

    func terminate() {
        process.terminate()
    }

    /// Ends it as Ctrl-C does.
    func interrupt() {
        process.interrupt()
    }

    /// Ends it as closing its terminal does.
    func hangUp() {
        kill(identifier, SIGHUP)
    }

    /// What its open descriptors are, such as "socket:[1234]".
    func openFiles() throws -> [String] {
        let path = "/proc/\(identifier)/fd"
        // One may have been closed meanwhile.
        return try FileManager.default.contentsOfDirectory(atPath: path).compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "\(path)/\($0)")
        }
    }

    /// What its rings have in their file tables, which are no descriptors; nil if a ring was too busy to tell.
    func filesInTables() throws -> [Substring]? {
        let path = "/proc/\(identifier)/fdinfo"
        var files: [Substring] = []
        for descriptor in try FileManager.default.contentsOfDirectory(atPath: path) {
            guard let text = try? String(contentsOfFile: "\(path)/\(descriptor)", encoding: .utf8) else { continue }
            // A ring's begins with how far its queues are, and lists the files between two numbers, if nobody is using it.
            guard text.contains("SqMask:") else { continue }
            guard let begin = text.firstRange(of: "UserFiles:"), let end = text.firstRange(of: "UserBufs:") else { return nil }
            files += text[begin.upperBound..<end.lowerBound].split(separator: "\n").dropFirst()
        }
        return files
    }

    /// Waits until the program has opened what is so called at the beginning.
    func awaitOpenFile(_ prefix: String) throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try !openFiles().contains(where: { $0.hasPrefix(prefix) }) { try #require(.now < deadline) }
    }

    /// The names and states of the program's threads, those of the kernel for its ring included.
    func threads() throws -> [(name: String, state: Substring)] {
        let tasks = URL(fileURLWithPath: "/proc/\(process.processIdentifier)/task")
        return try FileManager.default.contentsOfDirectory(atPath: tasks.path).compactMap { thread in
            // A thread may have ended meanwhile. The state comes behind its name in parentheses: proc(5).
            guard let stat = try? String(contentsOf: tasks.appendingPathComponent("\(thread)/stat"), encoding: .utf8),
                let begin = stat.firstIndex(of: "("), let end = stat.lastIndex(of: ")")
            else { return nil }
            return (String(stat[begin..<end].dropFirst()), stat[end...].dropFirst(2).prefix(1))
        }
    }

    /// How many completions the threads wait for that sleep in their rings: those behind the first, or the first.
    func awaitedCompletionCounts(ofFirstThread isFirst: Bool = false) throws -> [Int] {
        let tasks = URL(fileURLWithPath: "/proc/\(identifier)/task")
        return try (isFirst ? ["\(identifier)"] : otherThreads()).compactMap { thread in
            // The number of the call that a thread is in, and its arguments: proc(5). The third of io_uring_enter(2) is the count.
            let words = try? String(contentsOf: tasks.appendingPathComponent("\(thread)/syscall"), encoding: .utf8).split(separator: " ")
            guard let words, words.count > 3, words[0] == "426" else { return nil }
            return Int(words[3].dropFirst(2), radix: 16)
        }
    }

    /// Has all threads share a processor, and those behind the first have it only when the first has nothing to do.
    func favourFirstThread() throws {
        try runTool("taskset", "--all-tasks", "--cpu-list", "--pid", "0", "\(identifier)")
        for thread in try otherThreads() { try runTool("chrt", "--idle", "--pid", "0", thread) }
    }

    /// Has all threads be equal again.
    func treatThreadsAlike() throws {
        for thread in try otherThreads() { try runTool("chrt", "--other", "--pid", "0", thread) }
    }

    private func otherThreads() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(identifier)/task").filter { $0 != "\(identifier)" }
    }

    private func runTool(_ name: String, _ arguments: String...) throws {
        let tool = Process()
        tool.executableURL = URL(fileURLWithPath: "/usr/bin/\(name)")
        tool.arguments = arguments
        tool.standardOutput = FileHandle.nullDevice
        try tool.run()
        tool.waitUntilExit()
        guard tool.terminationStatus == 0 else { throw CocoaError(.featureUnsupported) }
    }

    /// Stops the program where it is, and returns when it stands still.
    func suspend() throws {
        guard process.suspend() else { throw CocoaError(.featureUnsupported) }
        let deadline = ContinuousClock.now + .seconds(20)
        while try threads().contains(where: { $0.state != "T" }) {
            guard .now < deadline else { throw CocoaError(.featureUnsupported) }
        }
    }

    /// Lets a suspended program go on.
    func resume() {
        _ = process.resume()
    }

    /// Waits for the end of the program, and gives the rest of its output.
    func outcome() throws -> Outcome {
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        let text = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, endedBySignal: process.terminationReason == .uncaughtSignal, output: bytes,
            errors: String(decoding: text, as: UTF8.self))
    }
}

/// Runs a tool of the system to its end, in the network of a program; where there is no such tool, the test is cancelled.
func runTool(_ path: String, _ arguments: String, inNetworkOf program: Program) throws {
    guard FileManager.default.isExecutableFile(atPath: path) else { try Test.cancel("There is no \(path).") }
    let tool = Process()
    tool.executableURL = URL(fileURLWithPath: "/usr/bin/nsenter")
    tool.arguments = ["--target", String(program.identifier), "--net", "--", path] + arguments.split(separator: " ").map(String.init)
    try tool.run()
    tool.waitUntilExit()
    try #require(tool.terminationStatus == 0, "\(path) \(arguments)")
}

/// Does something in the network of a program; a socket stays in the one that it was made in.
func inNetwork<Value: ~Copyable>(of program: Program?, _ body: () throws -> Value) throws -> Value {
    guard let program else { return try body() }
    let own = try Descriptor(opening: "/proc/thread-self/ns/net")
    let other = try Descriptor(opening: FilePath("/proc/\(program.identifier)/ns/net"))
    try #require(networks_enter(other.unowned.fileDescriptor.rawValue) == 0)
    defer { #expect(networks_enter(own.unowned.fileDescriptor.rawValue) == 0) }
    return try body()
}

/// Runs a program to its end.
func run(_ name: String, _ arguments: String..., input: Data? = nil) throws -> Outcome {
    try Program(name, arguments, input: input).outcome()
}

/// The port in a line that says where a program listens.
func portNumber(in line: String) throws -> String {
    try #require(line.split(separator: " ").compactMap { $0.split(separator: ":").last }.first { Int($0) != nil }).description
}

/// A directory of the test's own that goes with it.
final class TemporaryDirectory {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("uring-examples-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    func file(_ name: String, _ contents: Data) throws -> String {
        try contents.write(to: url.appendingPathComponent(name))
        return path(name)
    }

    func contents(_ name: String) throws -> Data {
        try Data(contentsOf: url.appendingPathComponent(name))
    }
}

/// Bytes that differ from place to place.
func pattern(_ count: Int) -> Data {
    Data((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ ($0 >> 8) &* 7) })
}
