// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Sends plain bits to another ring, or to the same one.
///
/// They arrive there as ``RingMessage/value(_:label:)``. A success says that they were posted, also when the receiver's completion queue was
/// full; it fails with ``SystemPackage/Errno/ringGone`` if the ring has ended or is not enabled.
///
/// - Requires: Linux 5.18, `IORING_OP_MSG_RING`; with a label Linux 6.3, `IORING_MSG_RING_FLAGS_PASS`.
/// - Important: The kernel touches no memory.
///
/// The liburing functions are `io_uring_prep_msg_ring` and `io_uring_prep_msg_ring_cqe_flags`; see `io_uring_prep_msg_ring(3)`.
@frozen
public struct SendRingMessage: SingleShotOperation, ~Copyable {
    /// The receiving ring.
    public var target: RingHandle
    /// The bits.
    public var value: UInt64
    /// What the value is about, as sender and receiver agree.
    public var label: UInt16

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - value: The bits.
    ///   - target: The receiving ring.
    ///   - label: What the value is about, as sender and receiver agree; 0 says nothing.
    @inlinable @inline(__always)
    public init(_ value: UInt64, to target: RingHandle, label: UInt16 = 0) {
        self.target = target
        self.value = value
        self.label = label
    }

    @inlinable public static var opcode: Opcode { .msgRing }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(5, 18) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.setMessage(
            to: target, userData: UserData.fromHandle(.message, inbox: target.inbox, value: UInt32(truncatingIfNeeded: value >> 32)),
            result: UInt32(truncatingIfNeeded: value), label: label)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.statusOfMessage(to: target)
    }
}

/// Hands a file in this ring's table over to another ring's table.
///
/// It arrives there as ``RingMessage/directDescriptor(_:value:)``, in a slot that the kernel chooses, and is closed if the receiver drops the
/// completion or its ring ends before. This ring's slot still has the file, too, until the operation is dropped; after a failure nobody
/// else has it, but for `EOVERFLOW`: the kernel had no memory to keep the message for a full completion queue, and the file stays in the
/// receiver's table, where nobody is told of it, until that table ends. It fails with ``SystemPackage/Errno/ringGone`` if the ring has ended or
/// is not enabled, `ENFILE` if its table is full, and `EINVAL` if it is this ring.
///
/// A ``Descriptor`` is handed over with ``RingHandle/send(_:value:)``.
///
/// - Requires: Linux 6.3, `IORING_OP_MSG_RING` with `IORING_MSG_SEND_FD`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_msg_ring_fd_alloc`; see `io_uring_prep_msg_ring_fd_alloc(3)`.
@frozen
public struct SendRingDescriptor: SingleShotOperation, ~Copyable {
    /// The file, in the table of the ring that the operation is prepared on.
    public var descriptor: DirectDescriptor
    /// The receiving ring.
    public var target: RingHandle
    /// What to tell the receiver with it.
    public var value: UInt32

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - descriptor: The file, in the table of the ring that the operation is prepared on.
    ///   - target: The receiving ring, by a handle that accepts direct descriptors.
    ///   - value: What to tell the receiver with it.
    @inlinable @inline(__always)
    public init(_ descriptor: consuming DirectDescriptor, to target: RingHandle, value: UInt32 = 0) {
        self.descriptor = descriptor
        self.target = target
        self.value = value
    }

    @inlinable public static var opcode: Opcode { .msgRing }

    // Linux 6.0 has it, but tells the receiver slot 0 whichever the kernel chose: that was mended in 6.3 ("let target know allocated index"),
    // and in late stable versions of 6.1 and 6.2.
    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 3) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        require(
            target.acceptsDirectDescriptors,
            "The receiving ring has no table for this file; make its handle with makeHandle(messageTag:receivingInto:).")
        let source = descriptor.hold()
        source.requireSlot(ofRing: entry.ringIdentity)
        entry.opcode = .msgRing
        entry.fileDescriptor = target.numberIfAlive
        unsafe entry.address = CURING_MSG_SEND_FD
        // One that was closed has no slot, and the kernel finds no file there.
        unsafe entry.address3 = UInt64(UInt32(bitPattern: source.number))
        entry.fileIndex = CURING_FILE_INDEX_ALLOC
        unsafe entry.offset = UserData.fromHandle(.directDescriptorMessage, inbox: target.inbox, value: value)
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        // The slot in the other table, which is told to its ring.
        completion.statusOfMessage(to: target)
    }
}

extension CompletionEntry {
    /// What became of a message; there is no file where the receiving ring had ended when it was prepared.
    @usableFromInline
    func statusOfMessage(to target: RingHandle) -> Result<Void, Errno> {
        errno == .badFileDescriptor && !target.isRingAlive ? .failure(.ringGone) : status
    }
}
