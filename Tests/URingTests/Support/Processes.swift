// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

@testable import URing

/// Expects a trap's sentence on the standard error of a process that was meant to trap.
func expectSentence(_ sentence: String, of result: ExitTest.Result?, sourceLocation: SourceLocation = #_sourceLocation) {
    let output = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(output.contains(sentence), "the process said: \(output)", sourceLocation: sourceLocation)
}

private final class ThreadBody {
    let run: () -> Void

    init(_ run: @escaping () -> Void) { self.run = run }
}

/// Runs a function on a thread of its own, and waits for it to end.
func onAnotherThread(_ body: () -> Void) {
    withoutActuallyEscaping(body) { body in
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(ThreadBody(body)).toOpaque()
        // SAFETY: the thread takes the reference over, and ends before this function does.
        let status = unsafe pthread_create(
            &thread, nil,
            { context in
                if let context = unsafe context { unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context)
        precondition(status == 0, "no thread")
        pthread_join(thread, nil)
    }
}

/// Runs a function under a limit on descriptor numbers, and gives the process what it may have afterwards.
///
/// For a process of its own, and not for long: the threads that tests run on look into /proc every second when they have more work than
/// threads, and end the process without a number for that.
func withDescriptorLimit<Value: ~Copyable>(_ limit: UInt64, _ body: () throws -> Value) throws -> Value {
    try #require(test_limit_descriptors(limit) == 0)
    defer { precondition(test_limit_descriptors(UInt64(Memory.descriptorLimit)) == 0, "the limit cannot be raised again") }
    return try body()
}

/// Which file a descriptor's number means now, if any.
func target(of number: Int32) -> String? {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = unsafe bytes.withUnsafeMutableBytes { room in
        guard let start = room.baseAddress else { return -1 }
        return unsafe readlink("/proc/self/fd/\(number)", start.assumingMemoryBound(to: CChar.self), room.count)
    }
    return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
}

/// Whether the other end of a connected socket goes, waiting up to ten seconds: a child of another test has it as well until it executes its
/// program.
func peerGoes(_ socket: borrowing Descriptor) -> Bool {
    var waiting = pollfd(fd: socket.unowned.fileDescriptor.rawValue, events: Int16(PollEvents.readHangUp.rawValue), revents: 0)
    return unsafe poll(&waiting, 1, 10_000) == 1 && isPeerGone(socket)
}

/// Whether the other end of a connected socket is gone, by a non-blocking look.
func isPeerGone(_ socket: borrowing Descriptor) -> Bool {
    var byte: UInt8 = 0
    let count = unsafe recv(socket.unowned.fileDescriptor.rawValue, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
    return count == 0 || (count < 0 && errno == ECONNRESET)
}

/// Sends without blocking or a signal; the count, or a negative error number.
@discardableResult
func send(_ bytes: [UInt8], to socket: borrowing Descriptor) -> Int32 {
    unsafe bytes.withUnsafeBytes { unsafe test_send(socket.unowned.fileDescriptor.rawValue, $0.baseAddress, $0.count) }
}
