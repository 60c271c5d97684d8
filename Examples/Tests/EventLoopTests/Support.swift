// SPDX-License-Identifier: Apache-2.0

import CEventLoop
import EventLoop
import Foundation
import SystemPackage
import Testing
import URing

/// All that a loop can wait for descriptors with.
let backends: [EventLoop.Backend] = [.polls(registeringFiles: false), .polls(registeringFiles: true), .epoll]

/// A pipe with both ends open until it goes; its numbers are for handlers.
struct TestPipe: ~Copyable {
    var pair: DescriptorPair
    let readEnd: UnownedDescriptor
    let writeEnd: UnownedDescriptor

    init(containing bytes: [UInt8] = []) throws {
        let made = try DescriptorPair.pipe()
        if !bytes.isEmpty { try write(bytes, to: made.second.unowned) }
        readEnd = made.first.unowned
        writeEnd = made.second.unowned
        pair = consume made
    }
}

func write(_ bytes: [UInt8], to descriptor: UnownedDescriptor) throws {
    try descriptor.fileDescriptor.writeAll(bytes)
}

/// Reads one byte; nil at the end of the file.
func readByte(from descriptor: UnownedDescriptor) -> UInt8? {
    let handle = FileHandle(fileDescriptor: descriptor.fileDescriptor.rawValue, closeOnDealloc: false)
    return (try? handle.read(upToCount: 1))?.first
}

/// Whether writing to a descriptor fails because nobody can read it any more.
func isBroken(_ descriptor: UnownedDescriptor) -> Bool {
    // Counted rather than fatal; no loop of a test handles it, as all tests of the process would see it.
    _ = event_loop_signal_retain(SIGPIPE)
    defer { event_loop_signal_release(SIGPIPE) }
    do {
        try write([0], to: descriptor)
        return false
    } catch {
        return error as? Errno == .brokenPipe
    }
}

/// How long the present thread has had a processor, as proc(5) says.
func processorTime() throws -> Duration {
    let text = try String(contentsOfFile: "/proc/thread-self/schedstat", encoding: .utf8)
    return .nanoseconds(try #require(text.split(separator: " ").first.flatMap { Int($0) }))
}

/// Whether the process has a handler for a signal, as proc(5) says.
func isHandled(_ signal: Int32) throws -> Bool {
    let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("SigCgt:") })
    return try #require(UInt64(line.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16)) & 1 << (signal - 1) != 0
}

extension EventLoop {
    /// Calls handlers until none is ready; how many.
    mutating func runReady() throws(Errno) -> Int {
        var count = 0
        while try loopOnce(waiting: false) { count += 1 }
        return count
    }
}

/// What handlers noted.
final class Log<Entry> {
    var entries: [Entry] = []

    func append(_ entry: Entry) { entries.append(entry) }
}
