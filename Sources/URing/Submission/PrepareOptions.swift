// SPDX-License-Identifier: Apache-2.0

import CURing

/// How the kernel treats one operation, whatever it is: the flags that all submission entries have.
///
/// That a completion is left out is no option, because an operation comes back with its completion; see
/// ``Ring/prepareSkippingSuccess(_:)``.
public struct PrepareOptions: Sendable, Hashable {
    /// Whether the operation starts only when all that were prepared before are done, and those after it only when it is done.
    ///
    /// An operation that goes on, such as an armed multishot, holds it up, and so do all that wait for an event. A ``Cancel`` that is
    /// prepared behind it is held up too; ``Ring/cancel(_:waitingAtMost:)-(Token<Op>,_)`` is not, but does not find everything with a
    /// polling thread (<doc:SubmissionPolling>). In a chain the whole chain waits. It is refused on a ring that has prepared an operation
    /// with ``Ring/prepareSkippingSuccess(_:)``, because the kernel then refuses it.
    ///
    /// A ring on which anything was prepared that drains does no zero-copy sends from then on: the kernel (6.18) would have them wait for their own
    /// notifications, without end. Give one of the two a ring of its own.
    public var drains: Bool
    /// Whether a worker thread of the kernel carries the operation out from the start, rather than try it at once.
    ///
    /// For operations of which it is known that they would block the thread that submits.
    public var isAsynchronous: Bool
    /// The registered credentials that the operation is carried out with, instead of those of the thread.
    ///
    /// They are of the ring that the operation is prepared on; with another's, preparing it traps.
    public var personality: PersonalityIdentifier?

    /// Describes how an operation is treated.
    ///
    /// - Parameters:
    ///   - drains: Whether it waits for all that were prepared before, and holds up those after it.
    ///   - isAsynchronous: Whether a worker thread carries it out from the start.
    ///   - personality: The registered credentials that it is carried out with.
    public init(drains: Bool = false, isAsynchronous: Bool = false, personality: PersonalityIdentifier? = nil) {
        self.drains = drains
        self.isAsynchronous = isAsynchronous
        self.personality = personality
    }

    /// Nothing special.
    public static var none: PrepareOptions { PrepareOptions() }
    /// Starts when all that were prepared before are done: `IOSQE_IO_DRAIN`.
    public static var drain: PrepareOptions { PrepareOptions(drains: true) }
    /// Is carried out by a worker thread: `IOSQE_ASYNC`.
    public static var asynchronous: PrepareOptions { PrepareOptions(isAsynchronous: true) }
    /// Is carried out with credentials that are registered with the operation's ring.
    public static func personality(_ personality: borrowing Personality) -> PrepareOptions {
        PrepareOptions(personality: personality.identifier)
    }

    /// What an entry says of them.
    var entryFlags: UInt8 {
        (drains ? CURING_SQE_IO_DRAIN : 0) | (isAsynchronous ? CURING_SQE_ASYNC : 0)
    }
}
