// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// A file descriptor with one owner.
///
/// Operations take a hold: dropping the descriptor, or ``close()``, closes it when the last of them is done, so its number cannot come to
/// mean another file while an operation waits. Pending operations are not ended by this; cancel them. The holds are counted
/// without atomics: the descriptor stays in the isolation region of its ring, and goes elsewhere as a ``TransferableDescriptor``.
@safe @frozen
public struct Descriptor: ~Copyable, NumberedFileResource {
    @usableFromInline let block: UnsafeMutablePointer<DescriptorBlock>

    /// Becomes the owner of an open descriptor.
    ///
    /// - Important: Unsafe, because nothing stops other code from closing the number too; from now on nobody else may.
    @unsafe public init(adopting descriptor: FileDescriptor) {
        unsafe block = DescriptorBlock.make(number: descriptor.rawValue)
    }

    /// Becomes the owner of a descriptor that came out of a completion.
    @usableFromInline
    init(received number: Int32) {
        unsafe block = DescriptorBlock.make(number: number)
    }

    /// Takes a descriptor over from another isolation region.
    public init(_ transferred: consuming TransferableDescriptor) {
        unsafe block = DescriptorBlock.make(number: transferred.take())
    }

    /// Opens a file, as open(2) does, with close-on-exec.
    ///
    /// For opening without blocking the thread there is ``OpenAt``.
    ///
    /// - Precondition: There are permissions if the options contain `create`.
    public init(
        opening path: FilePath, _ mode: FileDescriptor.AccessMode = .readOnly, options: FileDescriptor.OpenOptions = [],
        permissions: FilePermissions? = nil
    ) throws(Errno) {
        let options = options.union(.closeOnExec)
        let opened = Result { try FileDescriptor.open(path, mode, options: options, permissions: permissions) }
        switch opened {
        case .success(let descriptor): unsafe block = DescriptorBlock.make(number: descriptor.rawValue)
        case .failure(let error): throw error as? Errno ?? .invalidArgument
        }
    }

    deinit {
        // SAFETY: the owner's share; see `DescriptorBlock`.
        unsafe DescriptorBlock.release(block)
    }

    /// Keeps the file open for an operation.
    @inlinable @inline(__always)
    public borrowing func hold() -> FileHold {
        unsafe FileHold(block: block, number: block.pointee.number, entryFlags: 0)
    }

    /// Whether operations hold the descriptor: those in flight, and those that were given back with their completions and still exist.
    @inlinable
    public var isHeld: Bool { unsafe block.pointee.holdCount > 1 }

    /// The descriptor for system calls that URing has no operation for.
    ///
    /// - Important: It means this file only as long as the descriptor or an operation on it exists.
    @inlinable
    public var unowned: UnownedDescriptor { unsafe UnownedDescriptor(FileDescriptor(rawValue: block.pointee.number)) }

    /// Closes the descriptor now, or when the last operation that holds it goes; see ``isHeld``.
    ///
    /// - Returns: Whether it was closed now.
    /// - Throws: What close(2) reports of data that could not be written; the descriptor is closed all the same. Nobody is told of that when it
    ///   is closed later.
    @discardableResult
    public consuming func close() throws(Errno) -> Bool {
        guard !isHeld else { return false }
        let number = unsafe block.pointee.number
        unsafe block.pointee.number = -1
        if Glibc.close(number) != 0 { throw Errno(rawValue: Glibc.errno) }
        return true
    }

    /// The number, or -1 once it is closed.
    @inlinable
    var number: Int32 {
        @inline(__always) get { unsafe block.pointee.number }
    }

    /// Gives up ownership: the caller closes the number from now on.
    ///
    /// - Precondition: No operation holds it; see ``isHeld``.
    public consuming func relinquish() -> FileDescriptor {
        require(!isHeld, "An operation still has this descriptor; cancel it, take its completion, and drop what came back first.")
        let number = unsafe block.pointee.number
        unsafe block.pointee.number = -1
        return FileDescriptor(rawValue: number)
    }

    /// Prepares the descriptor for another isolation region, such as the ring of another thread.
    ///
    /// - Precondition: No operation holds it: the holds are this region's. See ``isHeld``.
    public consuming func transfer() -> TransferableDescriptor {
        TransferableDescriptor(relinquish())
    }
}
