// SPDX-License-Identifier: Apache-2.0

import Foundation
import SystemPackage
import Testing
import URing

/// A directory of the test's own that goes with it.
final class TemporaryDirectory {
    let path: FilePath

    init() throws {
        path = FilePath(NSTemporaryDirectory()).appending("uring-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path.string)
    }

    /// Writes a file and returns its path.
    func file(_ name: String, containing bytes: some Collection<UInt8>) throws -> FilePath {
        let file = path.appending(name)
        try Data(bytes).write(to: URL(fileURLWithPath: file.string))
        return file
    }
}

/// The bytes of a file as they are on the disk now.
func contents(of path: FilePath) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path.string)))
}

/// Bytes that differ from place to place, and between seeds.
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 31 &+ ($0 >> 8) &* 7) }
}

/// The counts of the buffers of a vector.
func counts(of vector: borrowing BufferVector) -> [Int] {
    var counts: [Int] = []
    for index in 0..<vector.count { counts.append(vector[index].count) }
    return counts
}

/// The process's open descriptors, to find leaks.
func openDescriptors() throws -> Set<String> {
    var names = Set<String>()
    for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)") {
            names.insert("\(name) \(target)")
        }
    }
    return names
}

/// The completion did not come.
struct NoCompletion: Error {}

extension Ring where Tag: BitwiseCopyable {
    /// Submits what is prepared and gives the next completion, waiting for it.
    mutating func nextCompletionWaiting() throws -> Completion<Tag> {
        // Bounded, so that a completion that never comes fails the test instead of hanging it.
        for _ in 0..<100 {
            if let completion = nextCompletion() { return completion }
            try submit(waitingFor: 1, timeout: .milliseconds(200))
        }
        throw NoCompletion()
    }

    /// Runs one operation to its end.
    mutating func run<Op: SingleShotOperation & ~Copyable>(_ operation: consuming Op, tag: Tag) throws -> Completed<Op> {
        try prepare(operation, tag: tag)
        return try nextCompletionWaiting().take(Op.self)
    }
}

extension Ring where Tag == Int {
    /// Runs one operation to its end on a ring with nothing else in flight.
    mutating func run<Op: SingleShotOperation & ~Copyable>(_ operation: consuming Op) throws -> Completed<Op> {
        try run(operation, tag: 0)
    }
}
