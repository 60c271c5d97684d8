// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A submission queue entry being filled in, `struct io_uring_sqe`.
///
/// The names are the kernel's main ones; each says which others share the field. The ring writes the user data itself. What may be an address
/// for the kernel is unsafe: it has to lie in what the operation owns, or in its kernel data.
@safe @frozen
public struct SubmissionEntry: ~Copyable {
    @usableFromInline let pointer: UnsafeMutablePointer<curing_sqe>
    @usableFromInline let table: InFlightTable?

    // SAFETY: the pointer is to an entry that the kernel does not look at yet: one that is about to be written to the submission queue, or lies
    // there behind the tail. It is valid for the call that gets the entry, which cannot copy it.
    @inlinable @inline(__always)
    init(_ pointer: UnsafeMutablePointer<curing_sqe>, of table: InFlightTable?) {
        unsafe self.pointer = unsafe pointer
        self.table = table
    }

    /// The ring that the entry is of, if it is of one; no ring is zero.
    ///
    /// Looked up by the few operations that have to know, instead of for all of them.
    @inlinable
    var ringIdentity: UInt32 {
        @inline(__always) get { table?.identity ?? 0 }
    }

    /// Which operation this is.
    @inlinable
    public var opcode: Opcode {
        @inline(__always) get { unsafe Opcode(rawValue: pointer.pointee.opcode) }
        @inline(__always) nonmutating set { unsafe pointer.pointee.opcode = newValue.rawValue }
    }

    /// The flags common to all operations, `IOSQE_*`.
    @inlinable
    public var flags: UInt8 {
        @inline(__always) get { unsafe pointer.pointee.flags }
        @inline(__always) nonmutating set { unsafe pointer.pointee.flags = newValue }
    }

    /// The I/O priority, or flags of the socket operations.
    @inlinable
    public var ioPriority: UInt16 {
        @inline(__always) get { unsafe pointer.pointee.ioprio }
        @inline(__always) nonmutating set { unsafe pointer.pointee.ioprio = newValue }
    }

    /// The file descriptor, or what some operations keep in its place.
    @inlinable
    public var fileDescriptor: Int32 {
        @inline(__always) get { unsafe pointer.pointee.fd }
        @inline(__always) nonmutating set { unsafe pointer.pointee.fd = newValue }
    }

    /// The file offset; also `addr2`.
    @unsafe @inlinable
    public var offset: UInt64 {
        @inline(__always) get { unsafe pointer.pointee.off }
        @inline(__always) nonmutating set { unsafe pointer.pointee.off = newValue }
    }

    /// The address of the data; also `splice_off_in`.
    @unsafe @inlinable
    public var address: UInt64 {
        @inline(__always) get { unsafe pointer.pointee.addr }
        @inline(__always) nonmutating set { unsafe pointer.pointee.addr = newValue }
    }

    /// The byte count of the data, or a count, a mode or flags.
    @inlinable
    public var length: UInt32 {
        @inline(__always) get { unsafe pointer.pointee.len }
        @inline(__always) nonmutating set { unsafe pointer.pointee.len = newValue }
    }

    /// The operation's own flags.
    @inlinable
    public var operationFlags: UInt32 {
        @inline(__always) get { unsafe pointer.pointee.op_flags }
        @inline(__always) nonmutating set { unsafe pointer.pointee.op_flags = newValue }
    }

    /// The index of a registered buffer, or the buffer group.
    @inlinable
    public var bufferIndex: UInt16 {
        @inline(__always) get { unsafe pointer.pointee.buf_index }
        @inline(__always) nonmutating set { unsafe pointer.pointee.buf_index = newValue }
    }

    /// The registered credentials to use.
    @inlinable
    public var personality: UInt16 {
        @inline(__always) get { unsafe pointer.pointee.personality }
        @inline(__always) nonmutating set { unsafe pointer.pointee.personality = newValue }
    }

    /// The slot for a new direct descriptor plus one; also `splice_fd_in`, `optlen` and the lower half `addr_len`.
    @inlinable
    public var fileIndex: UInt32 {
        @inline(__always) get { unsafe pointer.pointee.file_index }
        @inline(__always) nonmutating set { unsafe pointer.pointee.file_index = newValue }
    }

    /// A third address.
    @unsafe @inlinable
    public var address3: UInt64 {
        @inline(__always) get { unsafe pointer.pointee.addr3 }
        @inline(__always) nonmutating set { unsafe pointer.pointee.addr3 = newValue }
    }

    /// The last eight bytes.
    @unsafe @inlinable
    public var lastWord: UInt64 {
        @inline(__always) get { unsafe pointer.pointee.pad2 }
        @inline(__always) nonmutating set { unsafe pointer.pointee.pad2 = newValue }
    }
}

extension SubmissionEntry {
    /// Directs the operation at a file: its descriptor, or its slot with the flag for fixed files.
    ///
    /// - Precondition: A slot is of the same ring's file table.
    @inlinable @inline(__always)
    public func setFile(_ file: borrowing FileHold) {
        if file.entryFlags != 0 { file.requireSlot(ofRing: ringIdentity) }
        fileDescriptor = file.number
        flags |= file.entryFlags
    }

    /// Has a path begin at a directory, which the kernel takes no slot for.
    @inlinable @inline(__always)
    func setDirectory(_ directory: borrowing FileHold) {
        fileDescriptor = directory.processNumber
    }

    /// Points the entry at memory that the operation owns, with its byte count.
    ///
    /// Counts above 0x7ffff000 are cut to that, as read(2) and write(2) cut them: the operation then transfers less than asked for.
    @inlinable @inline(__always)
    @unsafe public func setBytes(_ bytes: UnsafeRawBufferPointer) {
        unsafe address = UInt64(UInt(bitPattern: bytes.baseAddress))
        length = UInt32(truncatingIfNeeded: min(bytes.count, SubmissionEntry.maximumTransfer))
    }

    /// Points the entry at what memory that the operation owns has behind its first `start` bytes.
    ///
    /// - Precondition: The memory has so many bytes; the sentence says so.
    @inlinable @inline(__always)
    @unsafe func setBytes(_ bytes: UnsafeRawBufferPointer, behind start: Int, _ sentence: @autoclosure () -> StaticString) {
        // SAFETY: slicing does not check in optimised code.
        require(isOffset(start, within: bytes.count), sentence())
        unsafe setBytes(UnsafeRawBufferPointer(rebasing: bytes[start...]))
    }

    /// The most bytes that the kernel moves in one operation: the largest signed 32-bit number rounded down to a page.
    @inlinable public static var maximumTransfer: Int { 0x7fff_f000 }

    /// Takes another operation's user data, for operations that name one.
    ///
    /// - Precondition: The token is from the same ring.
    @inlinable
    func target(_ token: AnyToken) -> UInt64 {
        token.userData(on: ringIdentity)
    }
}
