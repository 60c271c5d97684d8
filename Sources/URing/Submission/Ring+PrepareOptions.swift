// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

extension Ring where Tag: BitwiseCopyable {
    /// Consumes an operation and writes its submission queue entry, as ``prepare(_:tag:)`` does, with options.
    ///
    /// - Parameters:
    ///   - operation: The operation.
    ///   - tag: The tag of its completions.
    ///   - options: How the kernel treats it.
    /// - Returns: The operation's name, for cancelling or updating it.
    /// - Throws: As ``prepare(_:tag:)``, and `EOPNOTSUPP` for ``PrepareOptions/drains`` of a zero-copy send, or on a ring that has prepared an
    ///   operation with ``prepareSkippingSuccess(_:)``. The operation is then dropped.
    @inlinable @discardableResult
    public mutating func prepare<Op: Operation & ~Copyable>(
        _ operation: consuming Op, tag: Tag, options: PrepareOptions
    ) throws(Errno) -> Token<Op> {
        try core.check(options, isZeroCopy: Op.routing.isTracked)
        if !core.submissions.hasRoom() { try core.makeRoom() }
        let prepared = try core.write(operation, tag: tag)
        return Token(any: core.add(prepared, options: options))
    }

    /// Consumes an operation and writes its submission queue entry, with a limit to the time that it may take.
    ///
    /// When the time is up, the kernel cancels the operation. ``Completed/timedOut`` then says so; the result is `ECANCELED`, or what the
    /// operation had done by then. The operation completes when the kernel is also done with the timeout, which follows
    /// at once. The limit can be changed with ``TimeoutUpdate/init(linkedTo:after:)``.
    ///
    /// The timeout takes an entry of its own, and its completion is one of those that ``submit(waitingFor:)`` counts, so a wait may
    /// end before the operation's own completion is there: look again, and wait again.
    ///
    /// - Parameters:
    ///   - operation: The operation.
    ///   - tag: The tag of its completion.
    ///   - timeout: The time it may take.
    ///   - options: How the kernel treats it.
    /// - Returns: The operation's name, for cancelling or updating it.
    /// - Throws: As ``prepare(_:tag:options:)``.
    /// - Precondition: The ring was made with two entries at least.
    /// - Requires: Linux 5.5, `IORING_OP_LINK_TIMEOUT`; clocks other than the monotonic one Linux 5.15. Where the kernel refuses the timeout, for
    ///   its version, a restriction of the ring, or on a ring with ``RingOptions/Flags/ioPolling``, the operation ends with `ECANCELED`
    ///   without having started, and without ``Completed/timedOut``.
    /// - Important: The kernel reads the time when it consumes the entry; it lies with the ring.
    ///
    /// The liburing function is `io_uring_prep_link_timeout`; see `io_uring_prep_link_timeout(3)`.
    @inlinable @discardableResult
    public mutating func prepare<Op: LinkableOperation & ~Copyable>(
        _ operation: consuming Op, tag: Tag, timeout: LinkedTimeout, options: PrepareOptions = .none
    ) throws(Errno) -> Token<Op> {
        try core.check(options, isZeroCopy: Op.routing.isTracked)
        try core.reservePair()
        let prepared = try core.write(operation, tag: tag)
        return Token(
            any: core.addLinked(prepared, flag: CURING_SQE_IO_LINK, timeout: timeout, timeoutFlag: 0, options: options, after: 0))
    }

    /// Writes the submission queue entry of an operation that completes only when it fails, and then only as a number.
    ///
    /// Nothing comes back of it, so it has no tag; ``unreportedFailureCount`` counts the failures. From now on the kernel takes no
    /// operation with ``PrepareOptions/drains`` on this ring. It cannot be a member of a chain: its failure would take the
    /// completions of the members after it along.
    ///
    /// - Parameter operation: The operation.
    /// - Precondition: Its type owns nothing.
    /// - Throws: As ``prepare(_:tag:)``.
    /// - Requires: Linux 5.17, `IOSQE_CQE_SKIP_SUCCESS`.
    @inlinable
    public mutating func prepareSkippingSuccess<Op: SkippableOperation & ~Copyable>(
        _ operation: consuming Op
    ) throws(Errno) where Op.KernelData == NoKernelData {
        // Known when this is compiled; anybody can have a type conform.
        require(_isPOD(Op.self), "An operation that owns something has to come back; prepare it with a tag.")
        if !core.submissions.hasRoom() { try core.makeRoom() }
        // SAFETY: the entry is behind the published tail, and gets no address that outlives this call, because the operation has no memory.
        let entry = unsafe core.submissions.nextEntry()
        var kernelData = NoKernelData()
        unsafe operation.encode(into: SubmissionEntry(entry, of: core.table), kernelData: &kernelData)
        unsafe core.addUnreported(entry)
    }

    /// How many operations that were prepared with ``prepareSkippingSuccess(_:)`` have failed.
    public var unreportedFailureCount: UInt64 { core.unreportedFailureCount }
}
