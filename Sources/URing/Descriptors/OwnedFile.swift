// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// An open file with one owner: a ``Descriptor`` or a ``DirectDescriptor``.
///
/// It is the type parameter of the operations that make or end one. `OpenAt<Descriptor>` gives a number of the process;
/// `OpenAt<DirectDescriptor>` puts the file straight into a slot of the ring's file table, and the process never has a number for it.
public protocol OwnedFile: FileResource, ~Copyable {
    /// Where the kernel puts a new file.
    associatedtype Place: ~Copyable

    /// Whether it lies in a ring's file table instead of the process's, so that no program that is executed can get it.
    static var isDirect: Bool { get }

    /// Says in an entry where the file is to go.
    static func encode(_ place: borrowing Place, into entry: borrowing SubmissionEntry)

    /// Becomes the owner of a file that the kernel has made.
    ///
    /// - Important: Unsafe, because the number is believed.
    @unsafe init(delivered number: Int32, to place: inout Place)

    /// Whether operations hold the file.
    var isHeld: Bool { get }

    /// Says in an entry that the file is to be closed.
    borrowing func encodeClosing(into entry: borrowing SubmissionEntry)

    /// Notes that the kernel has closed the file, so that nobody closes its number or slot again.
    ///
    /// - Important: Unsafe, because it is believed: an open file would be nobody's.
    @unsafe mutating func noteClosed()
}

extension Descriptor: OwnedFile {
    /// The process's table of descriptors, in which the kernel takes the lowest free number.
    @frozen
    public struct Place: BitwiseCopyable, Sendable {
        @inlinable
        init() {}
    }

    @inlinable public static var isDirect: Bool { false }

    @inlinable @inline(__always)
    public static func encode(_ place: borrowing Place, into entry: borrowing SubmissionEntry) {}

    @inlinable @inline(__always)
    @unsafe public init(delivered number: Int32, to place: inout Place) {
        self.init(received: number)
    }

    @inlinable @inline(__always)
    public borrowing func encodeClosing(into entry: borrowing SubmissionEntry) {
        entry.fileDescriptor = number
    }

    @inlinable @inline(__always)
    @unsafe public mutating func noteClosed() {
        unsafe block.pointee.number = -1
    }
}

extension DirectDescriptor: OwnedFile {
    public typealias Place = FileSlot

    @inlinable public static var isDirect: Bool { true }

    @inlinable @inline(__always)
    public static func encode(_ place: borrowing FileSlot, into entry: borrowing SubmissionEntry) {
        entry.fileIndex = place.fileIndex(ringIdentity: entry.ringIdentity)
    }

    @inlinable
    @unsafe public init(delivered number: Int32, to place: inout FileSlot) {
        if place.isChosen {
            unsafe self.init(block: place.takeBlock())
        } else {
            self.init(received: number, in: place.table)
        }
    }

    @inlinable
    public borrowing func encodeClosing(into entry: borrowing SubmissionEntry) {
        let hold = hold()
        hold.requireSlot(ofRing: entry.ringIdentity)
        // Without a slot, the entry would close descriptor 0.
        if hold.number < 0 { entry.fileDescriptor = -1 } else { entry.fileIndex = UInt32(bitPattern: hold.number) + 1 }
    }

    @unsafe public mutating func noteClosed() {
        unsafe block.pointee.table?.noteVacated(block.pointee.number)
        unsafe block.pointee.number = -1
    }
}

extension CompletionEntry {
    /// The new file that the result names, or the error.
    @inlinable @inline(__always)
    @unsafe func deliver<File: OwnedFile & ~Copyable>(to place: inout File.Place) -> Result<File, Errno> {
        if let errno { return .failure(isInterrupted ? .interrupted : errno) }
        return .success(unsafe File(delivered: result, to: &place))
    }
}

extension Errno {
    /// A ring's file table has no free slot for the kernel to choose: `ENFILE`.
    ///
    /// What came before the choice has been done all the same: a file was made, a connection accepted and closed again.
    public static var fileTableFull: Errno { .tooManyOpenFilesInSystem }
}
