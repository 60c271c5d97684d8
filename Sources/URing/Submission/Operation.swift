// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A request to the kernel that owns everything the kernel touches while it runs.
///
/// An operation is a value: it holds its buffers, paths and addresses, and a hold on its descriptor. ``Ring/prepare(_:tag:)``
/// consumes it. It then lies in the ring's in-flight table, at an address that does not change, until its last completion is
/// taken; that gives it back with everything in it.
///
/// A type of another module can be an operation: conform to ``SingleShotOperation`` or ``MultishotOperation`` and write the two
/// requirements ``encode(into:kernelData:)`` and ``complete(_:kernelData:)``. The safety of the program then rests on `encode`: every
/// address it stores must lie in memory that the operation owns. The conformance cannot be an actor's.
public protocol Operation: SendableMetatype, ~Copyable {
    /// What the operation yields when it succeeds; a resource is released when nobody takes it.
    associatedtype Success: ~Copyable
    /// Plain structures the kernel reads or writes, beside the operation at a fixed address; ``NoKernelData`` by default.
    associatedtype KernelData: BitwiseCopyable = NoKernelData

    /// The operation's code, for probing.
    static var opcode: Opcode { get }

    /// The first Linux version that has the operation.
    static var minimumKernel: KernelVersion { get }

    /// What the ring does with the completions before the caller gets them, always the same; ``CompletionRouting/direct`` by default.
    static var routing: CompletionRouting { get }

    /// Fills in the submission queue entry.
    ///
    /// The entry is all zeros but for its user data. The operation lies where it stays until its last completion, so pointers
    /// into it may be taken. `kernelData` is uninitialised memory that stays as long; initialise it unless it is ``NoKernelData``.
    ///
    /// - Important: Unsafe because the compiler does not see that the kernel keeps the addresses in the entry: each must lie in
    ///   memory that the operation or `kernelData` owns.
    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<KernelData>)

    /// Turns a completion queue entry into the operation's result.
    ///
    /// Called once for every completion that somebody takes or drops, also when the ring is torn down. A resource in the
    /// entry, such as a descriptor, must end in the result, or be released here.
    ///
    /// - Important: Unsafe to call, because what the entry says is believed: that so many bytes were written, that a number is a new
    ///   descriptor. Only the entry that the kernel gave for this operation is true, and only once. An implementation whose result
    ///   is harmless need not be marked.
    @unsafe mutating func complete(_ completion: CompletionEntry, kernelData: borrowing KernelData) -> Result<Success, Errno>
}

extension Operation where Self: ~Copyable {
    /// The caller gets each completion as it comes.
    @inlinable public static var routing: CompletionRouting { .direct }
}

/// What a ring does with an operation's completions before the caller gets them.
@frozen
public enum CompletionRouting: Sendable, Hashable {
    /// Each goes to the caller as it comes.
    case direct
    /// The ring counts results and notifications, and a ``NotificationGroup`` may keep the last completion.
    case tracked
    /// As ``tracked``, and the caller gets the last completion only: the results of the others are made and released.
    case merged
    /// As ``direct``, but if the operation takes buffers of an incremental pool, the ring finds out which bytes each has.
    ///
    /// An operation that is made of one of those on a ``BufferRing`` has their routing.
    case pooled

    /// Whether the ring keeps something about such an operation behind it.
    @inlinable
    var isTracked: Bool {
        @inline(__always) get { self == .tracked || self == .merged }
    }
}

/// An operation that may be a member of a ``Chain``, or have a ``LinkedTimeout``: a ``SingleShotOperation`` or a ``ZeroCopyOperation``.
///
/// Behind a multishot a chain would wait until that ends.
public protocol LinkableOperation: Operation, ~Copyable {}

/// An operation that completes once.
public protocol SingleShotOperation: LinkableOperation, ~Copyable {}

/// An operation that has several completions: a ``MultishotOperation`` or a ``ZeroCopyOperation``.
public protocol RepeatingOperation: Operation, ~Copyable {}

/// An operation that completes again and again until it ends.
public protocol MultishotOperation: RepeatingOperation, ~Copyable {
    /// Says why the operation ended, from its last completion.
    borrowing func ending(_ completion: CompletionEntry) -> MultishotEnding
}

extension MultishotOperation where Self: ~Copyable {
    /// Tells a cancelled operation and one that the kernel ended early from a failed one.
    @inlinable
    public borrowing func ending(_ completion: CompletionEntry) -> MultishotEnding {
        switch completion.errno {
        case nil: .rearm
        case .canceled?: .cancelled
        case let errno?: .failed(errno)
        }
    }
}

/// Why a multishot operation ended, and with that whether to prepare it again.
public enum MultishotEnding: Sendable, Hashable {
    /// The kernel ended it although nothing failed: prepare it again.
    ///
    /// The last completion carries a result like all others. A ``PollMultishot`` of a file that is always ready, such as a regular one, ends
    /// so each time at once.
    case rearm
    /// The completion queue was full, and nothing else was wrong: prepare it again.
    ///
    /// The last completion carries a result like all others. Operations that the kernel also ends for other reasons, which it does not tell
    /// apart, end with ``rearm`` instead.
    case completionQueueFull
    /// The stream or file has ended, or a datagram was empty: only who knows the socket can tell.
    case endOfStream
    /// The pool of buffers was empty: prepare it again when buffers have gone back, which ``BufferRing/canRearm`` says.
    case outOfBuffers
    /// The ring's file table was full, and one connection is lost: prepare it again when a slot is free.
    case tableFull
    /// It was cancelled; a ``SendBundle`` also when a worker thread was to carry it out.
    case cancelled
    /// It failed, with what the same operation once would have failed with.
    ///
    /// Most errors would come again. An error that a socket kept, such as `ECONNREFUSED` of a connected datagram socket, is gone when it was
    /// told: prepare it again. And `EMFILE` of an accept is over when descriptors were closed.
    case failed(Errno)
}

/// The kernel data of operations that have none.
@frozen
public struct NoKernelData: BitwiseCopyable, Sendable {
    /// Makes the empty value.
    @inlinable
    public init() {}
}

/// A Linux version, by its first two numbers.
@frozen
public struct KernelVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The first number.
    public let major: Int
    /// The second number.
    public let minor: Int

    /// Names a version.
    @inlinable
    public init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// Orders versions by age.
    @inlinable
    public static func < (left: KernelVersion, right: KernelVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }

    /// The version as people write it.
    public var description: String { "\(major).\(minor)" }
}
