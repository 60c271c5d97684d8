// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage

/// Something an operation can be directed at: a ``Descriptor``, an ``UnownedDescriptor`` or a ``DirectDescriptor``.
///
/// A type of an actor's cannot be one: its holds would count in the actor's region, and could leave it.
public protocol FileResource: SendableMetatype, ~Copyable {
    /// Keeps the file open for an operation.
    borrowing func hold() -> FileHold
}

/// A file with a number that the whole process knows it by: a ``Descriptor`` or an ``UnownedDescriptor``.
///
/// Paths begin at one, messages carry them, and an eventfd is one; none of these can be a ``DirectDescriptor``.
public protocol NumberedFileResource: FileResource, ~Copyable {}

/// An operation's share in a file: as long as it exists, the descriptor's number is not closed and so means this file.
///
/// Holds are counted without atomics, because a descriptor and the operations on it belong to one isolation region.
@safe @frozen
public struct FileHold: ~Copyable {
    @usableFromInline let block: UnsafeMutablePointer<DescriptorBlock>?
    /// The number, and above it the flags: one word is moved in fewer instructions than its parts.
    @usableFromInline let word: UInt64

    /// Takes a share in a counted descriptor.
    @inlinable @inline(__always)
    init(block: UnsafeMutablePointer<DescriptorBlock>, number: Int32, entryFlags: UInt8) {
        // SAFETY: the caller has a share itself, so the block lives; this share keeps it until `deinit`.
        unsafe block.pointee.holdCount &+= 1
        unsafe self.block = unsafe block
        word = UInt64(entryFlags) << 32 | UInt64(UInt32(bitPattern: number))
    }

    /// Refers to a descriptor that is somebody else's.
    @inlinable @inline(__always)
    init(unowned number: Int32) {
        unsafe block = nil
        word = UInt64(UInt32(bitPattern: number))
    }

    /// The descriptor's number.
    @inlinable
    var number: Int32 {
        @inline(__always) get { Int32(truncatingIfNeeded: word) }
    }

    /// What the submission entry's flags say of the number, `IOSQE_FIXED_FILE`.
    @inlinable
    var entryFlags: UInt8 {
        @inline(__always) get { UInt8(truncatingIfNeeded: word &>> 32) }
    }

    @inlinable
    deinit {
        if let block = unsafe block {
            unsafe DescriptorBlock.release(block)
        }
    }
}

extension FileHold: FileResource {
    /// Takes another share in the same file, for a further operation.
    @inlinable @inline(__always)
    public borrowing func hold() -> FileHold {
        if let block = unsafe block {
            return unsafe FileHold(block: block, number: number, entryFlags: entryFlags)
        }
        return FileHold(unowned: number)
    }
}

extension FileHold {
    /// Lets go of the file, which may be closed from now on, and remembers it for ``takeAgain()``.
    ///
    /// It stands for no file meanwhile, because the number may come to mean another.
    @usableFromInline
    mutating func letGo() {
        guard let block = unsafe block, unsafe !block.pointee.isMemory else { return }
        unsafe self = FileHold(block: DescriptorBlock.memory(of: block), number: -1, entryFlags: entryFlags)
    }

    /// Takes a share again in the file that was let go of; in none, if that has been closed.
    ///
    /// A hold that has not let go is left as it is.
    @usableFromInline
    mutating func takeAgain() {
        guard let memory = unsafe block, unsafe memory.pointee.isMemory else { return }
        if let block = unsafe memory.pointee.other {
            unsafe self = FileHold(block: block, number: block.pointee.number, entryFlags: entryFlags)
        } else {
            self = FileHold(unowned: -1)
        }
    }
}

extension FileHold {
    /// The number, for what takes numbers of the process only: a slot's would be some other file's.
    @inlinable
    var processNumber: Int32 {
        @inline(__always) get {
            require(entryFlags == 0, "A direct descriptor has no number in the process; install it as a normal one first.")
            return number
        }
    }

    /// Sees to it that a slot is one of this ring's table: another ring has another file in it.
    ///
    /// Inlined as a whole: a call that returns would cost operations on normal descriptors too.
    @inlinable @inline(__always)
    borrowing func requireSlot(ofRing identity: UInt32) {
        require(
            unsafe block?.pointee.ringIdentity == identity,
            "This direct descriptor is another ring's; use it on the ring that has the table, or install it as a normal one.")
    }
}

/// The counted state of an owned descriptor: closed when its owner and all operations have let go.
@safe @usableFromInline
struct DescriptorBlock {
    /// The number, or -1 once somebody else has closed it.
    @usableFromInline var number: Int32
    /// One for the owner and one for each operation.
    @usableFromInline var holdCount: Int32
    /// The ring's table that the number is a slot of, if it is not a descriptor of the process.
    let table: FileTableState?
    /// The ring that has the table; no ring has zero.
    @usableFromInline let ringIdentity: UInt32
    /// Whether this is the memory of another block: what those who have let go of a file have a share in, instead of in the file.
    let isMemory: Bool
    /// The memory of this block, if there is one, in which it has a share; of a memory, the block as long as that may be found.
    var other: UnsafeMutablePointer<DescriptorBlock>?

    init(number: Int32, table: FileTableState?) {
        self.number = number
        holdCount = 1
        self.table = table
        ringIdentity = table?.ringIdentity ?? 0
        isMemory = false
        unsafe other = nil
    }

    /// Makes the memory of a block.
    private init(of block: UnsafeMutablePointer<DescriptorBlock>) {
        number = -1
        holdCount = 1
        table = nil
        ringIdentity = unsafe block.pointee.ringIdentity
        isMemory = true
        unsafe other = unsafe block
    }

    static func make(number: Int32, table: FileTableState? = nil) -> UnsafeMutablePointer<DescriptorBlock> {
        let block = UnsafeMutablePointer<DescriptorBlock>.allocate(capacity: 1)
        unsafe block.initialize(to: DescriptorBlock(number: number, table: table))
        return unsafe block
    }

    @inlinable @inline(__always)
    static func release(_ block: UnsafeMutablePointer<DescriptorBlock>) {
        // SAFETY: the caller gives up its share, which kept the block alive until here.
        unsafe block.pointee.holdCount &-= 1
        if unsafe block.pointee.holdCount == 0 { unsafe end(block) }
    }

    /// The memory of a block; each has one at most.
    static func memory(of block: UnsafeMutablePointer<DescriptorBlock>) -> UnsafeMutablePointer<DescriptorBlock> {
        if let memory = unsafe block.pointee.other { return unsafe memory }
        let memory = UnsafeMutablePointer<DescriptorBlock>.allocate(capacity: 1)
        unsafe memory.initialize(to: DescriptorBlock(of: block))
        unsafe block.pointee.other = unsafe memory
        return unsafe memory
    }

    /// Sees to it that nobody takes a share in the block again who has let go of it.
    @usableFromInline
    static func forget(_ block: UnsafeMutablePointer<DescriptorBlock>) {
        // SAFETY: the block has a share in its memory, and gives it up here.
        guard let memory = unsafe block.pointee.other else { return }
        unsafe block.pointee.other = nil
        unsafe memory.pointee.other = nil
        unsafe release(memory)
    }

    @usableFromInline @inline(never)
    static func end(_ block: UnsafeMutablePointer<DescriptorBlock>) {
        let number = unsafe block.pointee.number
        let table = unsafe block.pointee.table
        // Of a memory that ends, the block has gone before.
        unsafe forget(block)
        unsafe block.deallocate()
        if let table {
            // Nothing is left to be cleared when the kernel has closed the slot.
            if number >= 0 { table.vacate(number) } else { table.release() }
            return
        }
        // Linux frees the number whatever close(2) returns, so there is nothing to retry and nobody to tell.
        if number >= 0 { _ = close(number) }
    }
}
