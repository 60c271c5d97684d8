// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Which children to wait for, `P_*`.
@frozen
public enum ChildSelection: ~Copyable {
    /// Any child of this process.
    case any
    /// The child with this number.
    case process(Int32)
    /// Any child of the process group with this number; 0 is the caller's own.
    case processGroup(Int32)
    /// The child that a descriptor of ``Descriptor/process(_:isNonBlocking:)`` or clone(2) is of, which is kept open until the operation is done.
    case descriptor(FileHold)
}

/// What to wait for, and how, `W*`.
@frozen
public struct WaitIDFlags: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// Takes the kernel's bits.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Waits for a child that has ended.
    @inlinable public static var exited: WaitIDFlags { WaitIDFlags(rawValue: CURING_WEXITED) }
    /// Waits for a child that a signal has stopped.
    @inlinable public static var stopped: WaitIDFlags { WaitIDFlags(rawValue: CURING_WSTOPPED) }
    /// Waits for a child that a signal has made go on.
    @inlinable public static var continued: WaitIDFlags { WaitIDFlags(rawValue: CURING_WCONTINUED) }
    /// Ends at once when there is nothing to tell.
    @inlinable public static var noHang: WaitIDFlags { WaitIDFlags(rawValue: CURING_WNOHANG) }
    /// Leaves the child to be waited for again.
    @inlinable public static var noWait: WaitIDFlags { WaitIDFlags(rawValue: CURING_WNOWAIT) }
}

/// What became of a child, of `siginfo_t`.
@frozen
public struct ChildStatus: BitwiseCopyable, Sendable {
    @usableFromInline let info: curing_siginfo

    @inlinable @inline(__always)
    init(_ info: curing_siginfo) {
        self.info = info
    }

    /// What can become of a child, `CLD_*`.
    @frozen
    public enum Change: Sendable, Hashable {
        /// It has ended by itself, with the lower eight bits of what it gave exit(3).
        case exited(status: Int32)
        /// A signal has ended it, and it may have left a core dump.
        case killed(signal: Int32, dumpedCore: Bool)
        /// A signal has stopped it.
        case stopped(signal: Int32)
        /// It goes on.
        case continued
        /// Something else, by the kernel's code: what happens to children that are traced.
        case other(code: Int32, status: Int32)
    }

    /// The child's number; that of one that has ended is free again, unless ``WaitIDFlags/noWait`` was asked for.
    @inlinable
    public var process: Int32 { info.pid }

    /// The child's real user.
    @inlinable
    public var user: UInt32 { info.uid }

    /// What became of the child.
    @inlinable
    public var change: Change {
        switch info.code {
        case CURING_CLD_EXITED: .exited(status: info.status)
        case CURING_CLD_KILLED: .killed(signal: info.status, dumpedCore: false)
        case CURING_CLD_DUMPED: .killed(signal: info.status, dumpedCore: true)
        case CURING_CLD_STOPPED: .stopped(signal: info.status)
        case CURING_CLD_CONTINUED: .continued
        default: .other(code: info.code, status: info.status)
        }
    }
}

/// Waits for a child process to end, stop or go on.
///
/// The result is what became of which child, and nil if nothing did and that was not to be waited for: with ``WaitIDFlags/noHang``, or a
/// descriptor that is non-blocking. When there is no such child, it is `ECHILD`. A child that has ended is gone with this, also when nobody
/// takes the completion; whoever cancels or drops the operation before leaves the child to be waited for.
///
/// - Requires: Linux 6.7, `IORING_OP_WAITID`.
/// - Important: The kernel writes to the operation's kernel data until the completion. The operation does not fit a slot of the in-flight table
///   and lies in a box. Any wait of the process for the same child, such as that of Foundation for its own, and this compete for it: wait for
///   one by its number or its descriptor, rather than for any.
///
/// The liburing function is `io_uring_prep_waitid`; see `io_uring_prep_waitid(3)`, `waitid(2)`.
@frozen
public struct WaitID: SingleShotOperation, ~Copyable {
    /// Which children to wait for.
    public var children: ChildSelection
    /// What to wait for, and how.
    public var flags: WaitIDFlags

    /// Makes an operation that waits for one of some children.
    ///
    /// - Parameters:
    ///   - children: Which children to wait for.
    ///   - flags: What to wait for, and how; neither ended, nor stopped, nor continued is `EINVAL` in the result.
    @inlinable @inline(__always)
    public init(_ children: consuming ChildSelection, _ flags: WaitIDFlags = .exited) {
        self.children = children
        self.flags = flags
    }

    /// Makes an operation that waits for the child that a descriptor is of.
    ///
    /// - Parameters:
    ///   - descriptor: The child's descriptor, of ``Descriptor/process(_:isNonBlocking:)`` or clone(2); another file is `EBADF` in the result.
    ///   - flags: What to wait for, and how; neither ended, nor stopped, nor continued is `EINVAL` in the result.
    @inlinable @inline(__always)
    public init(_ descriptor: borrowing some NumberedFileResource & ~Copyable, _ flags: WaitIDFlags = .exited) {
        self.init(.descriptor(descriptor.hold()), flags)
    }

    @inlinable public static var opcode: Opcode { .waitid }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 7) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<ChildStatus>) {
        // SAFETY: the kernel data is uninitialised, and stays in place until the operation is done.
        unsafe kernelData.initialize(to: ChildStatus(curing_siginfo()))
        entry.opcode = .waitid
        switch children {
        case .any:
            entry.length = CURING_P_ALL
        case .process(let number):
            entry.length = CURING_P_PID
            entry.fileDescriptor = number
        case .processGroup(let number):
            entry.length = CURING_P_PGID
            entry.fileDescriptor = number
        case .descriptor(let hold):
            entry.length = CURING_P_PIDFD
            entry.fileDescriptor = hold.processNumber
        }
        unsafe entry.offset = UInt64(UInt(bitPattern: kernelData))
        entry.fileIndex = flags.rawValue
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(
        _ completion: CompletionEntry, kernelData: borrowing ChildStatus
    ) -> Result<ChildStatus?, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        // No signal, when there is nothing to tell.
        return .success(kernelData.info.signo == 0 ? nil : copy kernelData)
    }
}
