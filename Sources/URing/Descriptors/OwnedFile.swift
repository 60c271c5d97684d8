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

    /// Where on a ring the file is to go.
    static func target(_ place: borrowing Place, on ring: RingIdentity) -> FileTarget

    /// Becomes the owner of a file that the kernel has made.
    ///
    /// - Important: Unsafe, because the number is believed.
    @unsafe init(delivered number: Int32, to place: inout Place)

    /// Whether operations hold the file.
    var isHeld: Bool { get }

    /// What is to be closed on a ring.
    ///
    /// - Important: Unsafe, because it is closed whoever else has it: it has to be this value's alone, and in use by no operation unless
    ///   ``isHeld`` says so.
    @unsafe borrowing func closingTarget(on ring: RingIdentity) -> ClosingTarget

    /// Notes that the kernel has closed the file, so that nobody closes its number or slot again.
    ///
    /// - Important: Unsafe, because it is believed: an open file would be nobody's.
    @unsafe mutating func noteClosed()
}

/// Where an entry puts a new file.
///
/// Only URing makes one, because an entry that names another slot replaces somebody else's file. A type that wraps a file passes on what
/// that gives.
@frozen
public struct FileTarget: BitwiseCopyable, Sendable {
    /// The slot plus one; 0 for the process's own table.
    @usableFromInline let fileIndex: UInt32

    @inlinable @inline(__always)
    init(fileIndex: UInt32) {
        self.fileIndex = fileIndex
    }
}

/// Which file an entry closes.
///
/// Only URing makes one, because an entry that names another number or slot closes somebody else's file. A type that wraps a file passes on
/// what that gives, if it is the only one to have it.
@frozen
public struct ClosingTarget: BitwiseCopyable, Sendable {
    /// The number to close, if it is no slot.
    @usableFromInline let number: Int32
    /// The slot plus one; 0 for the process's own table.
    @usableFromInline let fileIndex: UInt32

    @inlinable @inline(__always)
    init(number: Int32, fileIndex: UInt32) {
        self.number = number
        self.fileIndex = fileIndex
    }
}

extension SubmissionEntry {
    /// Says where a new file is to go.
    @inlinable @inline(__always)
    func setPlace<File: OwnedFile & ~Copyable>(_ place: borrowing File.Place, of _: File.Type) {
        fileIndex = File.target(place, on: RingIdentity(ringIdentity)).fileIndex
    }

    /// Says that a file is to be closed, which belongs to the operation.
    @inlinable @inline(__always)
    @unsafe func setClosing<File: OwnedFile & ~Copyable>(_ file: borrowing File) {
        let target = unsafe file.closingTarget(on: RingIdentity(ringIdentity))
        fileDescriptor = target.number
        fileIndex = target.fileIndex
    }
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
    public static func target(_ place: borrowing Place, on ring: RingIdentity) -> FileTarget { FileTarget(fileIndex: 0) }

    @inlinable @inline(__always)
    @unsafe public init(delivered number: Int32, to place: inout Place) {
        self.init(received: number)
    }

    @inlinable @inline(__always)
    @unsafe public borrowing func closingTarget(on ring: RingIdentity) -> ClosingTarget {
        // Nobody holds it while it is being closed.
        unsafe DescriptorBlock.forget(block)
        return ClosingTarget(number: number, fileIndex: 0)
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
    public static func target(_ place: borrowing FileSlot, on ring: RingIdentity) -> FileTarget {
        FileTarget(fileIndex: place.fileIndex(ringIdentity: ring.number))
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
    @unsafe public borrowing func closingTarget(on ring: RingIdentity) -> ClosingTarget {
        unsafe DescriptorBlock.forget(block)
        let hold = hold()
        hold.requireSlot(ofRing: ring.number)
        // Without a slot, the entry would close descriptor 0.
        return hold.number < 0
            ? ClosingTarget(number: -1, fileIndex: 0) : ClosingTarget(number: 0, fileIndex: UInt32(bitPattern: hold.number) + 1)
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
