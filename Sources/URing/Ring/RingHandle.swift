// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import Synchronization
import SystemPackage

/// What threads need to reach a ring that is another's: to wake it, and to send it messages and descriptors.
///
/// Make one with ``Ring/makeHandle(messageTag:)`` and give copies of it to any thread. Each call is one system call, which does not
/// wait for the ring, and needs no ring on the sender's side (Linux 6.13). A thread that has a ring can send with ``SendRingMessage`` and
/// ``SendRingDescriptor`` as well.
///
/// What was sent is not lost, also when the receiver's completion queue is full. What the receiver has not looked at when its ring ends goes
/// with the ring; descriptors among it are closed, unless the ring ends on another thread than its own: the kernel then keeps what it has
/// deferred. Afterwards sending fails with `EBADFD`, ``SystemPackage/Errno/ringGone``.
@frozen
public struct RingHandle: Sendable {
    @usableFromInline let state: RingHandleState
    /// Which of the ring's tags messages through this handle arrive with.
    @usableFromInline let inbox: UInt32
    /// Whether the ring takes files into its table, see ``Ring/makeHandle(messageTag:receivingInto:)``.
    public let acceptsDirectDescriptors: Bool

    /// Ends the ring's wait for one completion, or counts as one of those it waits for.
    ///
    /// Nothing arrives by it: the next ``Ring/submit(waitingFor:)`` returns, and there may be no completion. Waking a ring that does not wait
    /// has its next wait end at once, unless completions are looked for before: so look at what it was woken for after these.
    ///
    /// - Throws: `EBADFD` if the ring has ended or is not enabled, `EOVERFLOW` or `ENOMEM` if there is no
    ///   memory, and before Linux 6.13 `EINVAL`.
    public func wake() throws(Errno) {
        try post(UserData.fromHandle(.wake, inbox: inbox, value: 0), result: 0, label: 0)
    }

    /// Sends plain bits.
    ///
    /// They arrive as ``RingMessage/value(_:label:)``. A message takes a slot as an operation does when it is read from the queue: the program
    /// ends if the ring has as many in flight then as the process has memory or addresses for.
    ///
    /// - Parameters:
    ///   - value: The bits.
    ///   - label: What the value is about, as sender and receiver agree.
    /// - Throws: `EBADFD` if the ring has ended or is not enabled, `EOVERFLOW` or `ENOMEM` if there is no
    ///   memory, and before Linux 6.13 `EINVAL`.
    ///
    /// The liburing function is `io_uring_register_sync_msg`; see `io_uring_register_sync_msg(3)`.
    public func send(_ value: UInt64, label: UInt16 = 0) throws(Errno) {
        try post(
            UserData.fromHandle(.message, inbox: inbox, value: UInt32(truncatingIfNeeded: value >> 32)),
            result: UInt32(truncatingIfNeeded: value), label: label)
    }

    /// Hands a descriptor over.
    ///
    /// It arrives as ``RingMessage/descriptor(_:value:)``. The receiver owns it then; it is closed if the receiver drops the completion,
    /// if the ring ends before, and if this throws. What is sent is its number, so a forked child cannot send it to its parent's ring.
    ///
    /// - Parameters:
    ///   - descriptor: The descriptor.
    ///   - value: What to tell the receiver with it.
    /// - Throws: `EBADFD` if the ring has ended or is not enabled, `EOVERFLOW` or `ENOMEM` if there is no
    ///   memory, and before Linux 6.13 `EINVAL`.
    ///
    /// The liburing function is `io_uring_register_sync_msg`; see `io_uring_register_sync_msg(3)`.
    public func send(_ descriptor: consuming TransferableDescriptor, value: UInt32 = 0) throws(Errno) {
        // From here until the message is posted the ring cannot end: nobody would close the descriptor then.
        guard state.isOfThisProcess && state.beginPosting() else { throw .ringGone }
        defer { state.endPosting() }
        try post(
            UserData.fromHandle(.descriptorMessage, inbox: inbox, value: value), result: UInt32(bitPattern: descriptor.number), label: 0)
        // The number is the receiver's now.
        _ = descriptor.take()
    }

    /// Whether the ring has not ended yet; it may at any moment.
    public var isRingAlive: Bool { state.isAlive }

    /// The descriptor by which the kernel finds the ring, or -1 if it has ended: the kernel says so too, unless no other file could take the
    /// ring's place there.
    @usableFromInline
    var numberIfAlive: Int32 { isRingAlive ? state.number : -1 }

    private func post(_ userData: UInt64, result: UInt32, label: UInt16) throws(Errno) {
        var entry = curing_sqe()
        let status = unsafe withUnsafeMutablePointer(to: &entry) { entry in
            // SAFETY: the kernel reads the entry before the call returns.
            unsafe SubmissionEntry(entry, of: nil).setMessage(to: self, userData: userData, result: result, label: label)
            return unsafe curing_register(-1, CURING_REGISTER_SEND_MSG_RING, entry, 1)
        }
        // Where there is no number, the ring has ended.
        if status < 0 { throw status == -EBADF ? .ringGone : Errno(rawValue: -status) }
    }
}

extension SubmissionEntry {
    /// Has a completion with this user data, result and label posted on another ring.
    @inlinable @inline(__always)
    func setMessage(to ring: borrowing RingHandle, userData: UInt64, result: UInt32, label: UInt16) {
        opcode = .msgRing
        fileDescriptor = ring.numberIfAlive
        unsafe address = CURING_MSG_DATA
        unsafe offset = userData
        length = result
        if label != 0 {
            // The lower half has meanings of the kernel's.
            fileIndex = UInt32(label) << 16
            operationFlags = CURING_MSG_RING_FLAGS_PASS
        }
    }
}

extension Errno {
    /// The ring that a ``RingHandle`` is of has ended, or is not enabled yet: `EBADFD`.
    public static var ringGone: Errno { Errno(rawValue: EBADFD) }
}

/// What all handles of one ring share: a descriptor of the ring that is theirs.
///
/// Its number stays open as long as there is a handle, so that it cannot come to mean another file while an entry with it waits to be
/// submitted. When the ring ends, another file is put in the ring's place: the kernel lets go of the ring, and messages to it fail.
@usableFromInline
final class RingHandleState: Sendable {
    /// The descriptor.
    @usableFromInline let number: Int32
    /// How many threads are posting something that has an owner; the highest bit says that the ring has ended.
    private let posting = Atomic<UInt32>(0)
    private static let hasEnded: UInt32 = 1 << 31
    /// The process that the ring was made in.
    private let process = curing_process_identity()

    init(ring: Int32) throws(Errno) {
        let status = curing_duplicate(ring)
        if status < 0 { throw Errno(rawValue: -status) }
        number = status
    }

    deinit {
        _ = Glibc.close(number)
    }

    var isOfThisProcess: Bool { process == curing_process_identity() }

    var isAlive: Bool { posting.load(ordering: .relaxed) & RingHandleState.hasEnded == 0 }

    /// Keeps the ring from ending; false if it has ended.
    func beginPosting() -> Bool {
        // Acquire, and release in `endPosting`: a ring that sees nobody post sees everything that was posted.
        if posting.wrappingAdd(1, ordering: .acquiring).oldValue & RingHandleState.hasEnded == 0 { return true }
        endPosting()
        return false
    }

    func endPosting() {
        posting.wrappingSubtract(1, ordering: .releasing)
    }

    /// The ring is about to end: nothing more can be posted when this returns.
    func end() {
        posting.bitwiseOr(RingHandleState.hasEnded, ordering: .relaxed)
        curing_replace(number)
        // Those that came before are in a system call that waits for nothing, but perhaps for this processor.
        var backOff = BackOff()
        while posting.load(ordering: .acquiring) != RingHandleState.hasEnded { backOff.wait() }
    }
}
