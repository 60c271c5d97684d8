// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A file descriptor that belongs to somebody else.
///
/// For event loops that are handed descriptors. Nothing keeps its owner from closing it while an operation waits, and the number
/// from meaning another file before the operation begins. That is when it is submitted, but later for one that drains or waits for what drains,
/// for a later member of a chain, for one that a worker carries out from the start (``PrepareOptions/asynchronous``), and with a polling thread. A
/// ``Descriptor`` keeps that from happening.
@frozen
public struct UnownedDescriptor: NumberedFileResource, BitwiseCopyable, Sendable, Hashable {
    /// The descriptor.
    public let fileDescriptor: FileDescriptor

    /// Refers to an open descriptor.
    @inlinable @inline(__always)
    public init(_ fileDescriptor: FileDescriptor) {
        self.fileDescriptor = fileDescriptor
    }

    /// Refers to the descriptor without keeping it open.
    @inlinable @inline(__always)
    public borrowing func hold() -> FileHold {
        FileHold(unowned: fileDescriptor.rawValue)
    }

    /// The process's working directory at the moment a path is looked up, `AT_FDCWD`; only good as the directory of a path.
    @inlinable
    public static var currentDirectory: UnownedDescriptor { UnownedDescriptor(FileDescriptor(rawValue: CURING_AT_FDCWD)) }
    /// The process's standard input.
    public static var standardInput: UnownedDescriptor { UnownedDescriptor(.standardInput) }
    /// The process's standard output.
    public static var standardOutput: UnownedDescriptor { UnownedDescriptor(.standardOutput) }
    /// The process's standard error.
    public static var standardError: UnownedDescriptor { UnownedDescriptor(.standardError) }
}
