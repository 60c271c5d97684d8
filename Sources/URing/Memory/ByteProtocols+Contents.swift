// SPDX-License-Identifier: Apache-2.0

// What callers do with the bytes of a buffer, and of everything else that owns bytes.

extension ByteSource where Self: ~Copyable {
    /// The initialised bytes.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            // SAFETY: the bytes are initialised, and stay where they are while the value is borrowed.
            let span = unsafe RawSpan(_unsafeBytes: kernelBytes)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The initialised bytes, one by one.
    @inlinable
    public var span: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            // SAFETY: as for `bytes`; they need no alignment.
            let span = unsafe Span<UInt8>(_unsafeBytes: kernelBytes)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The initialised bytes as an array.
    @inlinable
    public borrowing func copyBytes() -> [UInt8] {
        unsafe [UInt8](kernelBytes)
    }
}

extension ByteDestination where Self: ~Copyable {
    /// The initialised bytes, to be changed in place.
    @inlinable
    public var mutableBytes: MutableRawSpan {
        @_lifetime(&self)
        mutating get {
            // SAFETY: so many bytes of the room are initialised, and the value is accessed exclusively while they are seen.
            let span = unsafe MutableRawSpan(_unsafeBytes: initializedRoom)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    /// The initialised bytes, one by one, to be changed in place.
    @inlinable
    public var mutableSpan: MutableSpan<UInt8> {
        @_lifetime(&self)
        mutating get {
            // SAFETY: as for `mutableBytes`; they need no alignment.
            let span = unsafe MutableSpan<UInt8>(_unsafeBytes: initializedRoom)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    /// How many bytes can be appended.
    @inlinable
    public var freeCapacity: Int { byteCapacity - initializedByteCount }

    /// Copies bytes behind the initialised ones.
    ///
    /// - Precondition: They fit.
    @inlinable
    public mutating func append(_ bytes: RawSpan) {
        let (start, room) = unsafe (initializedByteCount, kernelRoom)
        require(
            isOffset(start, within: room.count) && bytes.byteCount <= room.count - start,
            "The bytes do not fit into the rest of the buffer.")
        // SAFETY: the bytes fit behind the initialised ones, and a span cannot overlap uninitialised memory. Empty room has no address.
        unsafe bytes.withUnsafeBytes { source in
            if let room = room.baseAddress, let first = source.baseAddress {
                unsafe (room + start).copyMemory(from: first, byteCount: source.count)
            }
        }
        unsafe didInitialize(byteCount: start + bytes.byteCount)
    }

    /// Copies bytes behind the initialised ones.
    ///
    /// - Precondition: They fit.
    @inlinable
    public mutating func append(_ bytes: Span<UInt8>) {
        // SAFETY: bytes have no padding.
        append(unsafe bytes.bytes)
    }

    /// Copies a collection's bytes behind the initialised ones.
    ///
    /// - Precondition: They fit.
    @inlinable
    public mutating func append(copying bytes: some Collection<UInt8>) {
        require(fill(with: bytes), "The bytes do not fit into the rest of the buffer.")
    }

    /// Copies as many of a collection's bytes behind the initialised ones as there is room for; whether those are all.
    @inlinable
    mutating func fill(with bytes: some Collection<UInt8>) -> Bool {
        let (start, room) = unsafe (initializedByteCount, kernelRoom)
        require(isOffset(start, within: room.count), "A value has no more initialised bytes than it has room for.")
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: room[start...])
        var (count, areAll) = (0, true)
        // SAFETY: a collection may have more or fewer bytes than it says; as many are copied as it has and there is room for.
        let copied: Void? = bytes.withContiguousStorageIfAvailable { source in
            let part = unsafe source.prefix(free.count)
            unsafe free.copyBytes(from: part)
            (count, areAll) = unsafe (part.count, part.count == source.count)
        }
        if copied == nil {
            for byte in bytes {
                areAll = count < free.count
                if !areAll { break }
                unsafe free[count] = byte
                count += 1
            }
        }
        unsafe didInitialize(byteCount: start + count)
        return areAll
    }

    /// Appends copies of one byte.
    ///
    /// - Precondition: They fit.
    @inlinable
    public mutating func append(repeating byte: UInt8, count additional: Int) {
        let (start, room) = unsafe (initializedByteCount, kernelRoom)
        require(
            additional >= 0 && isOffset(start, within: room.count) && additional <= room.count - start,
            "The bytes do not fit into the rest of the buffer.")
        // SAFETY: the room behind the initialised bytes is so large.
        if let room = room.baseAddress {
            _ = unsafe (room + start).initializeMemory(as: UInt8.self, repeating: byte, count: additional)
        }
        unsafe didInitialize(byteCount: start + additional)
    }

    /// Forgets the bytes from `count` on.
    ///
    /// - Precondition: So many are initialised.
    @inlinable
    public mutating func truncate(to count: Int) {
        require(count >= 0 && count <= initializedByteCount, "A buffer can be truncated only to fewer bytes than it has.")
        require(unsafe count <= kernelRoom.count, "A value has no more initialised bytes than it has room for.")
        // SAFETY: these bytes are initialised.
        unsafe didInitialize(byteCount: count)
    }

    /// The part of the room that is initialised.
    @inlinable
    @unsafe var initializedRoom: UnsafeMutableRawBufferPointer {
        mutating get {
            let (count, room) = unsafe (initializedByteCount, kernelRoom)
            // Only the room itself is believed to say how large it is.
            require(isOffset(count, within: room.count), "A value has no more initialised bytes than it has room for.")
            return unsafe UnsafeMutableRawBufferPointer(start: room.baseAddress, count: count)
        }
    }
}
