// SPDX-License-Identifier: Apache-2.0

/// Memory for input and output, with one owner.
///
/// A buffer has room for ``byteCapacity`` bytes, of which the first ``count`` are initialised and can be looked at. A read overwrites
/// from the start, or from where it is told to, and sets the count to where it ended.
@safe @frozen
public struct Buffer: ~Copyable, @unchecked Sendable, ByteSource, ByteDestination {
    // SAFETY: the memory is this value's alone, from `init` to `deinit`, and `count` never exceeds `byteCapacity`. That makes it
    // Sendable as well: whoever has the value has the memory.
    @usableFromInline let base: UnsafeMutableRawPointer
    /// How many bytes there is room for.
    public let byteCapacity: Int
    /// How many bytes from the start are initialised.
    @inlinable
    public var count: Int { initializedCount }
    @usableFromInline var initializedCount: Int

    /// Allocates uninitialised memory.
    ///
    /// - Parameters:
    ///   - byteCapacity: How many bytes there is room for.
    ///   - alignment: A power of two to align the first byte to; direct I/O wants the block size of the device, commonly 512 or 4096.
    /// - Precondition: The capacity is not negative, and the alignment is a power of two.
    public init(byteCapacity: Int, alignment: Int = 16) {
        require(byteCapacity >= 0, "A buffer's capacity cannot be negative.")
        require(alignment > 0 && alignment & (alignment - 1) == 0, "A buffer's alignment must be a power of two.")
        unsafe base = .allocate(byteCount: max(byteCapacity, 1), alignment: max(alignment, 16))
        self.byteCapacity = byteCapacity
        initializedCount = 0
    }

    /// Allocates memory and copies bytes into it.
    public init(copying bytes: some Collection<UInt8>, byteCapacity: Int? = nil) {
        let count = bytes.count
        self.init(byteCapacity: max(byteCapacity ?? count, count))
        _ = fill(with: bytes)
    }

    /// Allocates memory and copies a span's bytes into it.
    public init(copying bytes: RawSpan) {
        self.init(byteCapacity: bytes.byteCount)
        append(bytes)
    }

    deinit {
        unsafe base.deallocate()
    }
}

extension Buffer {
    /// The initialised bytes, for an operation.
    @inlinable
    @unsafe public var kernelBytes: UnsafeRawBufferPointer {
        @inline(__always) get { unsafe UnsafeRawBufferPointer(start: base, count: count) }
    }

    /// All of the memory, for an operation.
    @inlinable
    @unsafe public var kernelRoom: UnsafeMutableRawBufferPointer {
        @inline(__always) mutating get { unsafe UnsafeMutableRawBufferPointer(start: base, count: byteCapacity) }
    }

    /// How many bytes from the start are initialised.
    @inlinable
    public var initializedByteCount: Int {
        @inline(__always) get { count }
    }

    /// Takes the bytes up to `byteCount` as initialised.
    ///
    /// - Important: Unsafe, because nothing shows that they are.
    @inlinable @inline(__always)
    @unsafe public mutating func didInitialize(byteCount: Int) {
        require(isOffset(byteCount, within: byteCapacity), "More bytes than the buffer has room for cannot have been written.")
        initializedCount = byteCount
    }
}
