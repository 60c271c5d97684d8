// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Why an operation could not become a member of a chain.
public enum ChainError: Error, Sendable, Hashable {
    /// The chain has more entries than the ring can submit at once; a member takes one, and its timeout another.
    ///
    /// The limit is the size of the submission queue, or 8 where the rings of several share one polling thread, which takes no more
    /// from each at a time; so it stays when the others have ended.
    case tooLong(limit: Int)
    /// What was queued before the chain had to be submitted first, and could not be; or the kernel would refuse the options, or there is no
    /// memory for another operation.
    case failed(Errno)
}

extension ChainError: CustomStringConvertible {
    /// The error in words.
    public var description: String {
        switch self {
        case .tooLong(let limit): "a chain on this ring has \(limit) entries at the most"
        case .failed(let errno):
            "there is no memory for a member, its options are not supported, or what was queued before the chain could not be submitted: \(errno)"
        }
    }
}

/// Operations that the kernel carries out one after the other, while they are being put together.
///
/// ``Ring/link(_:)`` and ``Ring/hardLink(_:)`` lend one to a closure.
@safe @frozen
public struct Chain<Tag: BitwiseCopyable>: ~Copyable, ~Escapable {
    @usableFromInline let core: UnsafeMutablePointer<RingCore>
    /// How its members are linked.
    @usableFromInline let flag: UInt8
    /// Where in the queue it begins.
    @usableFromInline let start: UInt32
    /// The slot of the member prepared last, by its user data, or 0.
    @usableFromInline var last: UInt64

    // SAFETY: the pointer is to the ring's own, which the ring has exclusive access to for as long as the chain exists; a chain cannot
    // be copied, and cannot leave the closure that it is lent to.
    @inlinable
    @_lifetime(borrow core)
    init(_ core: UnsafeMutablePointer<RingCore>, flag: UInt8) {
        unsafe self.core = unsafe core
        self.flag = flag
        start = unsafe core.pointee.submissions.tail
        last = 0
    }

    /// Consumes an operation and makes it the next member.
    ///
    /// - Parameters:
    ///   - operation: The operation; one that completes again and again cannot be linked.
    ///   - tag: The tag of its completion.
    ///   - timeout: The time it may take, from when its turn comes.
    ///   - options: How the kernel treats it.
    /// - Returns: The operation's name, for cancelling or updating it.
    /// - Throws: When there is no room for it; the operation is then dropped, and the chain is as it was before.
    @inlinable @discardableResult
    public mutating func prepare<Op: LinkableOperation & ~Copyable>(
        _ operation: consuming Op, tag: Tag, timeout: LinkedTimeout? = nil, options: PrepareOptions = .none
    ) throws(ChainError) -> Token<Op> {
        // A copy, because the thread sanitizer's build takes a use of the stored pointer for an escape of the chain.
        let core = unsafe core
        // SAFETY: see `init`.
        unsafe try core.pointee.reserveMember(
            isZeroCopy: Op.routing.isTracked, withTimeout: timeout != nil, options: options, forChainFrom: start)
        let prepared: PreparedEntry
        do throws(Errno) {
            prepared = try unsafe core.pointee.write(operation, tag: tag)
        } catch {
            throw .failed(error)
        }
        let token = unsafe core.pointee.addLinked(
            prepared, flag: flag, timeout: timeout, timeoutFlag: flag, options: options, after: last)
        last = prepared.userData
        return Token(any: token)
    }
}

extension RingCore {
    /// Makes room for a member of a chain.
    @usableFromInline
    mutating func reserveMember(
        isZeroCopy: Bool, withTimeout hasTimeout: Bool, options: PrepareOptions, forChainFrom start: UInt32
    ) throws(ChainError) {
        do throws(Errno) {
            try check(options, isZeroCopy: isZeroCopy)
            if options.drains { try expectNoZeroCopy(from: start) }
        } catch {
            throw .failed(error)
        }
        try reserve(hasTimeout ? 2 : 1, forChainFrom: start)
    }
}

extension Ring where Tag: BitwiseCopyable {
    /// Prepares operations that the kernel carries out one after the other, each only if the one before it succeeded, as far as the kernel
    /// looks at that.
    ///
    /// - Important: Of an ``Fsync``, a ``RenameAt`` and most others that work on names and attributes of files it does not: what is behind one of
    ///   them starts although it has failed. <doc:LinkedRequests> lists them.
    ///
    /// Each has a completion of its own, and they come in order, though that of a member with a time limit may come later, and that of a
    /// ``MergedNotification`` when its memory is free. When one fails, or transfers less than was asked for, those after it do not start: they
    /// end with `ECANCELED`, and ``Completed/cancelledByLink`` tells that from being cancelled otherwise. Sends and receives count as complete
    /// with less, unless they wait for everything (`MSG_WAITALL`).
    ///
    /// The chain goes to the kernel as a whole, with the next submission. If the queue does not hold it besides what is queued, that
    /// is submitted first. When the closure throws, nothing of the chain is queued, and its operations are dropped.
    ///
    /// - Parameter build: Prepares the members with ``Chain/prepare(_:tag:timeout:options:)``. The ring cannot be used in it.
    /// - Returns: What the closure returns.
    /// - Throws: What the closure throws.
    /// - Requires: Linux 5.3, `IOSQE_IO_LINK`.
    @inlinable @discardableResult
    public mutating func link<Outcome, Failure: Error>(
        _ build: (inout Chain<Tag>) throws(Failure) -> Outcome
    ) throws(Failure) -> Outcome {
        try chain(flag: CURING_SQE_IO_LINK, build)
    }

    /// Prepares operations that the kernel carries out one after the other, whatever becomes of them.
    ///
    /// It is as ``link(_:)``, except that an operation that fails, is cancelled or runs out of time does not keep those after it from being
    /// carried out. Only when the kernel cannot make sense of a member's entry, as on a kernel that is too old for it, do the
    /// others end with `ECANCELED` without having started, those before it included.
    ///
    /// - Parameter build: Prepares the members with ``Chain/prepare(_:tag:timeout:options:)``. The ring cannot be used in it.
    /// - Returns: What the closure returns.
    /// - Throws: What the closure throws.
    /// - Requires: Linux 5.5, `IOSQE_IO_HARDLINK`.
    @inlinable @discardableResult
    public mutating func hardLink<Outcome, Failure: Error>(
        _ build: (inout Chain<Tag>) throws(Failure) -> Outcome
    ) throws(Failure) -> Outcome {
        try chain(flag: CURING_SQE_IO_HARDLINK, build)
    }

    @inlinable
    mutating func chain<Outcome, Failure: Error>(
        flag: UInt8, _ build: (inout Chain<Tag>) throws(Failure) -> Outcome
    ) throws(Failure) -> Outcome {
        try unsafe withUnsafeMutablePointer(to: &core) { (core) throws(Failure) -> Outcome in
            var chain = unsafe Chain<Tag>(core, flag: flag)
            let start = chain.start
            // SAFETY: the table lives as long as the ring.
            let hadDrained = unsafe core.pointee.table.state.pointee.hasDrained
            do throws(Failure) {
                let outcome = try build(&chain)
                unsafe core.pointee.endChain(from: start)
                return outcome
            } catch {
                unsafe core.pointee.withdrawChain(from: start)
                // What would have drained never will.
                unsafe core.pointee.table.state.pointee.hasDrained = hadDrained
                throw error
            }
        }
    }
}
