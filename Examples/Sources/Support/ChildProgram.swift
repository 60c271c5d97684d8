// SPDX-License-Identifier: Apache-2.0

import CProcess
import Foundation
import SystemPackage

/// Another process of the same program, whose output is read here.
///
/// What asks this process to end asks the other one first: Ctrl-C alone would not, as that is in a process group of its own.
public final class ChildProgram {
    private let process = Process()
    private let pipe = Pipe()

    /// Starts it, by a command that is given the program and its arguments as its last ones, if there is one.
    public init(_ arguments: [String], through command: [String] = []) throws {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.executableURL = command.isEmpty ? program : URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command.isEmpty ? arguments : command + [program.path] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.terminationHandler = { process_release($0.processIdentifier) }
        var status = process_begin_adoption()
        if status == 0 {
            do {
                try process.run()
            } catch {
                _ = process_adopt(0)
                throw error
            }
            status = process_adopt(process.processIdentifier)
        }
        guard status == 0 else { throw Failure("Cannot end another process with this one: \(Errno(rawValue: -status))") }
    }

    deinit {
        if process.isRunning { process.terminate() }
    }

    /// Its process identifier.
    public var identifier: Int32 { process.processIdentifier }

    /// Reads the first line of the output, or what there is of it when the program ends.
    public func firstLine() throws -> String {
        var line = Data()
        while let byte = try pipe.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) { line += byte }
        return String(decoding: line, as: UTF8.self)
    }

    /// Reads the port in the first line, which says "Listening at address:port …".
    public func port() throws -> UInt16 {
        let line = try firstLine()
        let ports = line.split(separator: " ").compactMap { word in word.split(separator: ":").last.flatMap { UInt16($0) } }
        guard let port = ports.first else { throw Failure("It did not say where it listens: \(line)") }
        return port
    }

    /// Asks it to end, as Ctrl-C does.
    public func end() { process.terminate() }

    /// Waits for its end, and returns the output.
    public func output(whenDoing what: String) throws -> String {
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure("\(what) ended with status \(process.terminationStatus).") }
        return String(decoding: data, as: UTF8.self)
    }
}
