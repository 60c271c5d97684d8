// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Several buffers in a row, for input and output in one operation.
///
/// A read fills the buffers from the first to the last, a write takes their initialised bytes in the same order. The vector owns the
/// buffers and the kernel's list of them (`struct iovec`), whose addresses and byte counts come from the buffers.
@safe @frozen
public struct BufferVector: ~Copyable, @unchecked Sendable {
    // SAFETY: both blocks of memory are this value's alone until `deinit`. `buffers` has room for `capacity` of them, of which the
    // first `initializedCount` are there; `list` has room for as many entries and is filled in when an operation asks for it. That
    // makes the value Sendable as well, as the buffers are.
    @usableFromInline var buffers: UnsafeMutablePointer<Buffer>
    @usableFromInline var list: UnsafeMutablePointer<iovec>
    @usableFromInline var capacity: Int
    @usableFromInline var initializedCount: Int

    /// The most buffers that the kernel takes in one operation, `IOV_MAX`.
    @inlinable public static var maximumCount: Int { 1024 }

    /// Makes an empty vector.
    ///
    /// - Parameter capacity: How many buffers to make room for beforehand.
    /// - Precondition: No more than ``maximumCount``.
    public init(minimumCapacity capacity: Int = 4) {
        require(
            capacity >= 0 && capacity <= BufferVector.maximumCount, "A vector has at most 1024 buffers; use several operations for more.")
        self.capacity = max(capacity, 1)
        unsafe buffers = .allocate(capacity: self.capacity)
        unsafe list = .allocate(capacity: self.capacity)
        initializedCount = 0
    }

    /// Makes a vector of empty buffers.
    ///
    /// - Parameters:
    ///   - count: How many there are.
    ///   - byteCapacity: How many bytes each has room for.
    ///   - alignment: A power of two to align each first byte to.
    /// - Precondition: No more than ``maximumCount``.
    public init(count: Int, byteCapacity: Int, alignment: Int = 16) {
        self.init(minimumCapacity: count)
        for _ in 0..<count { append(Buffer(byteCapacity: byteCapacity, alignment: alignment)) }
    }

    deinit {
        unsafe buffers.deinitialize(count: initializedCount)
        unsafe buffers.deallocate()
        unsafe list.deallocate()
    }

    /// How many buffers there are.
    @inlinable
    public var count: Int { initializedCount }

    /// How many bytes the buffers have room for together.
    public var byteCapacity: Int {
        // SAFETY: here and below, the index is less than `initializedCount`.
        var sum = 0
        for index in 0..<count { unsafe sum += buffers[index].byteCapacity }
        return sum
    }

    /// How many bytes the buffers hold together.
    public var byteCount: Int {
        var sum = 0
        for index in 0..<count { unsafe sum += buffers[index].count }
        return sum
    }

    /// The buffer at a place, to look at or to change.
    ///
    /// - Precondition: There is one.
    @inlinable
    public subscript(index: Int) -> Buffer {
        _read {
            require(index >= 0 && index < count, "There is no buffer at this index.")
            yield unsafe buffers[index]
        }
        _modify {
            require(index >= 0 && index < count, "There is no buffer at this index.")
            yield unsafe &buffers[index]
        }
    }

    /// Adds a buffer at the end.
    ///
    /// - Precondition: There are fewer than ``maximumCount``.
    public mutating func append(_ buffer: consuming Buffer) {
        require(count < BufferVector.maximumCount, "A vector has at most 1024 buffers; use several operations for more.")
        if count == capacity { grow() }
        unsafe (buffers + count).initialize(to: buffer)
        initializedCount += 1
    }

    /// Takes the last buffer out, or returns nil when there is none.
    public mutating func popLast() -> Buffer? {
        guard count > 0 else { return nil }
        initializedCount -= 1
        return unsafe (buffers + initializedCount).move()
    }

    /// Puts a buffer in the place of another and returns that.
    ///
    /// - Precondition: There is one at this index.
    public mutating func replace(at index: Int, with buffer: consuming Buffer) -> Buffer {
        require(index >= 0 && index < count, "There is no buffer at this index.")
        let former = unsafe (buffers + index).move()
        unsafe (buffers + index).initialize(to: buffer)
        return former
    }

    /// The bytes of all buffers as an array.
    public func copyBytes() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        for index in 0..<count { unsafe bytes += buffers[index].kernelBytes }
        return bytes
    }

    private mutating func grow() {
        let larger = min(capacity * 2, BufferVector.maximumCount)
        let moved = UnsafeMutablePointer<Buffer>.allocate(capacity: larger)
        unsafe moved.moveInitialize(from: buffers, count: count)
        unsafe buffers.deallocate()
        unsafe buffers = moved
        unsafe list.deallocate()
        unsafe list = .allocate(capacity: larger)
        capacity = larger
    }
}

extension BufferVector {
    /// How many bytes are initialised without a gap, from the first on.
    public var initializedByteCount: Int {
        var sum = 0
        for index in 0..<count {
            // SAFETY: the index is less than `initializedCount`.
            unsafe sum += buffers[index].count
            if unsafe buffers[index].freeCapacity > 0 { break }
        }
        return sum
    }

    /// Lists all the room from `start` on for the kernel, for an operation that owns the vector.
    ///
    /// - Important: Unsafe to use, because the pointers outlive the access: the list is good until the vector is mutated or destroyed.
    @unsafe public mutating func kernelRoomList(startingAt start: Int = 0) -> UnsafeBufferPointer<iovec> {
        // SAFETY: the room is the buffers' own.
        var remaining = start
        var listed = 0
        for index in 0..<count {
            unsafe enter(buffers[index].kernelRoom.baseAddress, count: buffers[index].byteCapacity, at: &listed, skipping: &remaining)
        }
        return unsafe UnsafeBufferPointer(start: list, count: listed)
    }

    /// Lists the initialised bytes from `start` on for the kernel, for an operation that owns the vector.
    ///
    /// - Important: Unsafe to use, because the pointers outlive the access: the list is good until the vector is mutated or destroyed.
    @unsafe public mutating func kernelBytesList(startingAt start: Int = 0) -> UnsafeBufferPointer<iovec> {
        // SAFETY: the bytes are the buffers' own.
        var remaining = start
        var listed = 0
        for index in 0..<count {
            unsafe enter(buffers[index].kernelRoom.baseAddress, count: buffers[index].count, at: &listed, skipping: &remaining)
        }
        return unsafe UnsafeBufferPointer(start: list, count: listed)
    }

    /// Enters memory into the list, less what is still to be skipped of it; nothing when all of it is.
    @unsafe private func enter(
        _ memory: UnsafeMutableRawPointer?, count byteCount: Int, at listed: inout Int, skipping remaining: inout Int
    ) {
        if remaining > 0 && remaining >= byteCount {
            remaining -= byteCount
            return
        }
        // SAFETY: called once for each buffer, so `listed` is inside the list; what is skipped is inside the memory.
        unsafe (list + listed).initialize(to: iovec(iov_base: memory.map { unsafe $0 + remaining }, iov_len: byteCount - remaining))
        listed += 1
        remaining = 0
    }

    /// Notes that the kernel has initialised so many bytes from the first on: the buffers before that are full, those behind empty.
    ///
    /// - Important: Unsafe, because nothing shows that they are.
    @unsafe public mutating func didInitialize(byteCount: Int) {
        var rest = byteCount
        for index in 0..<count {
            let part = unsafe min(rest, buffers[index].byteCapacity)
            unsafe buffers[index].didInitialize(byteCount: part)
            rest -= part
        }
        require(rest == 0, "More bytes than the buffers have room for cannot have been written.")
    }
}
