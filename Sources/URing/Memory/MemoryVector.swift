// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Several pieces of memory in a row, for input and output in one operation.
///
/// A read fills them from the first to the last, a write takes their initialised bytes in the same order. The vector owns the
/// pieces and the kernel's list of them (`struct iovec`), whose addresses and byte counts come from the pieces; empty ones are left out.
///
/// A ``BufferVector`` is one of buffers. With ``RegisteredSlice`` as the element, the operations are the kernel's fixed ones; all elements
/// then have to be parts of one registered buffer.
@safe @frozen
public struct MemoryVector<Element: OperationMemory & ~Copyable>: ~Copyable {
    // SAFETY: both blocks of memory are this value's alone until `deinit`. `elements` has room for `capacity` of them, of which the
    // first `initializedCount` are there; `list` has room for as many entries and is filled in when an operation asks for it.
    @usableFromInline var elements: UnsafeMutablePointer<Element>
    @usableFromInline var list: UnsafeMutablePointer<iovec>
    @usableFromInline var capacity: Int
    @usableFromInline var initializedCount: Int

    /// The most elements that the kernel takes in one operation, `IOV_MAX`.
    @inlinable public static var maximumCount: Int { 1024 }

    /// Makes an empty vector.
    ///
    /// - Parameter capacity: How many elements to make room for beforehand.
    /// - Precondition: No more than ``maximumCount``.
    @inlinable
    public init(minimumCapacity capacity: Int = 4) {
        require(
            capacity >= 0 && capacity <= MemoryVector.maximumCount, "A vector has at most 1024 buffers; use several operations for more.")
        self.capacity = max(capacity, 1)
        unsafe elements = .allocate(capacity: self.capacity)
        unsafe list = .allocate(capacity: self.capacity)
        initializedCount = 0
    }

    @inlinable
    deinit {
        unsafe elements.deinitialize(count: initializedCount)
        unsafe elements.deallocate()
        unsafe list.deallocate()
    }

    /// How many elements there are.
    @inlinable
    public var count: Int { initializedCount }

    /// The element at a place, to look at or to change.
    ///
    /// - Precondition: There is one.
    @inlinable
    public subscript(index: Int) -> Element {
        // SAFETY: the element lies there for as long as the vector is borrowed or changed. An address, so that spans of its bytes may live as long.
        unsafeAddress {
            require(index >= 0 && index < count, "There is no buffer at this index.")
            return unsafe UnsafePointer(elements + index)
        }
        unsafeMutableAddress {
            require(index >= 0 && index < count, "There is no buffer at this index.")
            return unsafe elements + index
        }
    }

    /// Adds an element at the end.
    ///
    /// - Precondition: There are fewer than ``maximumCount``.
    @inlinable
    public mutating func append(_ element: consuming Element) {
        require(count < MemoryVector.maximumCount, "A vector has at most 1024 buffers; use several operations for more.")
        if count == capacity { grow() }
        unsafe (elements + count).initialize(to: element)
        initializedCount += 1
    }

    /// Takes the last element out, or returns nil when there is none.
    @inlinable
    public mutating func popLast() -> Element? {
        guard count > 0 else { return nil }
        initializedCount -= 1
        return unsafe (elements + initializedCount).move()
    }

    /// Puts an element in the place of another and returns that.
    ///
    /// - Precondition: There is one at this index.
    @inlinable
    public mutating func replace(at index: Int, with element: consuming Element) -> Element {
        require(index >= 0 && index < count, "There is no buffer at this index.")
        let former = unsafe (elements + index).move()
        unsafe (elements + index).initialize(to: element)
        return former
    }

    @usableFromInline
    mutating func grow() {
        let larger = min(capacity * 2, MemoryVector.maximumCount)
        let moved = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        unsafe moved.moveInitialize(from: elements, count: count)
        unsafe elements.deallocate()
        unsafe elements = moved
        unsafe list.deallocate()
        unsafe list = .allocate(capacity: larger)
        capacity = larger
    }
}

// Whoever has the vector has what is in it.
extension MemoryVector: @unchecked Sendable where Element: Sendable & ~Copyable {}

/// Several buffers in a row.
public typealias BufferVector = MemoryVector<Buffer>

extension MemoryVector where Element == Buffer {
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
}

extension MemoryVector where Element: ByteSource & ~Copyable {
    /// How many bytes the elements hold together.
    @inlinable
    public var byteCount: Int {
        // SAFETY: here and below, the index is less than `initializedCount`.
        var sum = 0
        for index in 0..<count { unsafe sum += elements[index].kernelBytes.count }
        return sum
    }

    /// The bytes of all elements as an array.
    @inlinable
    public func copyBytes() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        for index in 0..<count { unsafe bytes += elements[index].kernelBytes }
        return bytes
    }

    /// Lists the initialised bytes from `start` on for the kernel, for an operation that owns the vector.
    ///
    /// - Important: Unsafe to use, because the pointers outlive the access: the list is good until the vector is mutated or destroyed.
    @inlinable
    @unsafe public mutating func kernelBytesList(startingAt start: Int = 0) -> UnsafeBufferPointer<iovec> {
        // SAFETY: the bytes are the elements' own, and the kernel only reads them.
        var remaining = start
        var listed = 0
        for index in 0..<count {
            let bytes = unsafe elements[index].kernelBytes
            unsafe enter(UnsafeMutableRawBufferPointer(mutating: bytes), at: &listed, skipping: &remaining)
        }
        return unsafe UnsafeBufferPointer(start: list, count: listed)
    }

    /// Lists the initialised bytes behind the first `start` for the kernel, for an operation that owns the vector.
    ///
    /// - Precondition: There are so many bytes, and an element; the sentences say which of it does not hold.
    @inlinable
    @unsafe mutating func kernelBytesList(
        behind start: Int, _ outside: @autoclosure () -> StaticString, _ noElement: @autoclosure () -> StaticString
    ) -> UnsafeBufferPointer<iovec> {
        require(count > 0, noElement())
        require(isOffset(start, within: byteCount), outside())
        return unsafe kernelBytesList(startingAt: start)
    }
}

extension MemoryVector where Element: ByteDestination & ~Copyable {
    /// How many bytes the elements have room for together.
    @inlinable
    public var byteCapacity: Int {
        var sum = 0
        for index in 0..<count { unsafe sum += elements[index].byteCapacity }
        return sum
    }

    /// How many bytes are initialised without a gap, from the first on.
    @inlinable
    public var initializedByteCount: Int {
        var sum = 0
        for index in 0..<count {
            unsafe sum += elements[index].initializedByteCount
            if unsafe elements[index].freeCapacity > 0 { break }
        }
        return sum
    }

    /// Lists all the room from `start` on for the kernel, for an operation that owns the vector.
    ///
    /// - Important: Unsafe to use, because the pointers outlive the access: the list is good until the vector is mutated or destroyed.
    @inlinable
    @unsafe public mutating func kernelRoomList(startingAt start: Int = 0) -> UnsafeBufferPointer<iovec> {
        // SAFETY: the room is the elements' own.
        var remaining = start
        var listed = 0
        for index in 0..<count { unsafe enter(elements[index].kernelRoom, at: &listed, skipping: &remaining) }
        return unsafe UnsafeBufferPointer(start: list, count: listed)
    }

    /// Notes that the kernel has initialised so many bytes from the first on: the elements before that are full, those behind empty.
    ///
    /// - Important: Unsafe, because nothing shows that they are.
    @inlinable
    @unsafe public mutating func didInitialize(byteCount: Int) {
        var rest = byteCount
        for index in 0..<count {
            // As it was listed: only the room itself is believed to say how large it is.
            let part = unsafe min(rest, elements[index].kernelRoom.count)
            unsafe elements[index].didInitialize(byteCount: part)
            rest -= part
        }
        require(rest == 0, "More bytes than the buffers have room for cannot have been written.")
    }
}

extension MemoryVector where Element: ~Copyable {
    /// Enters memory into the list, less what is still to be skipped of it; nothing when all of it is, or there is none.
    ///
    /// The operations on registered buffers answer `EFAULT` to an empty entry, and an empty list is none to any.
    @inlinable
    @unsafe mutating func enter(_ memory: UnsafeMutableRawBufferPointer, at listed: inout Int, skipping remaining: inout Int) {
        if remaining >= memory.count {
            remaining -= memory.count
            return
        }
        // SAFETY: called once for each element, so `listed` is inside the list; what is skipped is inside the memory.
        let start = unsafe memory.baseAddress.map { unsafe $0 + remaining }
        unsafe (list + listed).initialize(to: iovec(iov_base: start, iov_len: memory.count - remaining))
        listed += 1
        remaining = 0
    }
}

extension MemoryVector: OperationMemory where Element: ~Copyable {
    /// Whether the elements are parts of registered buffers.
    @inlinable public static var isRegistered: Bool {
        @inline(__always) get { Element.isRegistered }
    }

    /// The registered buffer that all elements are part of.
    ///
    /// - Precondition: It is the same one.
    @inlinable
    public borrowing func registeredIndex(on ring: RingIdentity) -> UInt16 {
        guard count > 0 else { return .max }
        let registered = unsafe elements[0].registeredIndex(on: ring)
        for index in 1..<count {
            require(
                unsafe elements[index].registeredIndex(on: ring) == registered,
                "The memory of one vectored operation has to be of one registered buffer; use an operation for each.")
        }
        return registered
    }
}
