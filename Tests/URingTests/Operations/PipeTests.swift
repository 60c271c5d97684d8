// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

// Pipes in a ring's file table are in FileSlotTests.

@Suite struct PipeTests {
    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: Pipe()) { entry, _, numbers in
            unsafe reference_prep_pipe(entry, UnsafeMutableRawPointer(numbers).assumingMemoryBound(to: Int32.self), O_CLOEXEC)
        }
        unsafe expectEncoding(of: Pipe(flags: [.inheritable, .nonBlocking, .packets])) { entry, _, numbers in
            unsafe reference_prep_pipe(
                entry, UnsafeMutableRawPointer(numbers).assumingMemoryBound(to: Int32.self), O_NONBLOCK | Int32(CURING_O_DIRECT))
        }
    }

    @Test func makesAPipe() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try ring.run(Pipe(flags: .nonBlocking)).result.get()
        let isAsAskedFor =
            pipe.first.isCloseOnExec && pipe.second.isCloseOnExec && pipe.first.isNonBlocking && pipe.second.isNonBlocking
        #expect(isAsAskedFor)
        try write(7, to: pipe.second)
        #expect(try readByte(from: pipe.first) == 7)
        let inherited = try ring.run(Pipe(flags: .inheritable)).result.get()
        let isClosedOnExec = inherited.first.isCloseOnExec || inherited.second.isCloseOnExec
        #expect(!isClosedOnExec)
    }

    @Test func keepsPacketsApart() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try ring.run(Pipe(flags: .packets)).result.get()
        try write(1, to: pipe.second)
        try write(2, to: pipe.second)
        let read = try ring.run(Read(pipe.first, into: Buffer(byteCapacity: 8)))
        #expect(read.operation.memory.copyBytes() == [1])
    }

    @Test func reportsFlagsThatTheKernelDoesNotKnow() throws {
        var ring = try Ring<Int>(entries: 8)
        let errno = try ring.run(Pipe(flags: PipeFlags(rawValue: 1 << 30))).entry.errno
        #expect(errno == .invalidArgument)
    }

    @Test func closesBothEndsOfAPipeThatNobodyTakes() throws {
        // Ends of two pipes, whose other ends stay here and tell whether somebody has these.
        let one = try DescriptorPair.pipe()
        let other = try DescriptorPair.pipe()
        var operation = Pipe()
        do {
            let numbers = DescriptorNumbers(first: one.first.relinquish().rawValue, second: other.second.relinquish().rawValue)
            let pair = try unsafe operation.complete(CompletionEntry(result: 0), kernelData: numbers).get()
            expectReader(of: one.second, exists: true)
            expectWriter(of: other.first, exists: true)
            drop(pair)
        }
        expectReader(of: one.second, exists: false)
        expectWriter(of: other.first, exists: false)
    }
}
