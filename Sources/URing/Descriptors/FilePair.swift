// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// Two connected descriptors: a pipe's ends, or two sockets.
@frozen
public struct FilePair<File: OwnedFile & ~Copyable>: ~Copyable {
    /// A pipe's read end, or one of the sockets.
    public var first: File
    /// A pipe's write end, or the other socket.
    public var second: File

    @inlinable
    init(_ first: consuming File, _ second: consuming File) {
        self.first = first
        self.second = second
    }
}

/// Two connected descriptors of the process.
public typealias DescriptorPair = FilePair<Descriptor>

extension FilePair where File == Descriptor {
    @unsafe private init(_ make: (UnsafeMutablePointer<Int32>) -> Int32) throws(Errno) {
        var numbers: InlineArray<2, Int32> = [-1, -1]
        var span = numbers.mutableSpan
        // SAFETY: the calls fill two numbers, and the array has room for two; nobody else knows the numbers they return.
        let status = unsafe span.withUnsafeMutableBufferPointer { unsafe make($0.baseAddress.unsafelyUnwrapped) }
        guard status == 0 else { throw Errno(rawValue: -status) }
        self.init(Descriptor(received: numbers[0]), Descriptor(received: numbers[1]))
    }

    /// Makes a pipe as pipe2(2) does, with close-on-exec: ``first`` reads what is written to ``second``.
    public static func pipe(isNonBlocking: Bool = false) throws(Errno) -> DescriptorPair {
        try unsafe DescriptorPair { unsafe curing_pipe($0, O_CLOEXEC | (isNonBlocking ? O_NONBLOCK : 0)) }
    }

    /// Makes two connected Unix sockets as socketpair(2) does, with close-on-exec.
    public static func sockets(_ type: SocketType = .stream) throws(Errno) -> DescriptorPair {
        try unsafe DescriptorPair {
            unsafe socketpair(AF_UNIX, type.rawValue | Int32(SOCK_CLOEXEC.rawValue), 0, $0) == 0 ? 0 : -Glibc.errno
        }
    }
}
