// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// A counter of the kernel's that can be waited for: an eventfd that does not block.
///
/// Its descriptor is readable as long as the count is not zero. It is the way of a ring into another event loop:
/// ``Ring/registerEvents(on:onlyAsynchronous:)`` has the kernel count completions in it, and the loop waits for it. What else counts in it
/// wakes a ``Poll`` in a ring.
public struct EventCounter: ~Copyable, NumberedFileResource {
    /// The eventfd, which a program that the process executes does not inherit.
    public let descriptor: Descriptor

    /// Makes a counter.
    ///
    /// - Parameter count: What it begins with.
    /// - Throws: `EMFILE` or `ENFILE` if there are too many descriptors.
    public init(_ count: UInt32 = 0) throws(Errno) {
        let number = curing_eventfd(count)
        if number < 0 { throw Errno(rawValue: -number) }
        descriptor = Descriptor(received: number)
    }

    /// Keeps the counter open for an operation.
    public borrowing func hold() -> FileHold { descriptor.hold() }

    /// Counts up, which wakes whoever waits for the counter.
    ///
    /// - Parameter count: By how much.
    /// - Throws: `EAGAIN` if the count would come to 2^64 - 1 or more, and `EINVAL` for that number itself. The count is then what it was.
    public borrowing func add(_ count: UInt64 = 1) throws(Errno) {
        var count = count
        // SAFETY: the kernel reads the eight bytes during the call.
        if unsafe write(descriptor.number, &count, 8) < 0 { throw Errno(rawValue: Glibc.errno) }
    }

    /// Takes the count, and begins again with zero.
    ///
    /// - Returns: What was counted since it was taken last, possibly nothing.
    public borrowing func take() -> UInt64 {
        var count: UInt64 = 0
        // SAFETY: the kernel writes eight bytes during the call, or none when there is nothing to take.
        return unsafe read(descriptor.number, &count, 8) == 8 ? count : 0
    }
}
