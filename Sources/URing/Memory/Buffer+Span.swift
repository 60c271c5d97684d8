// SPDX-License-Identifier: Apache-2.0

extension Buffer {
    /// The initialised bytes, one by one.
    @inlinable
    public var span: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            // SAFETY: the first `count` bytes are initialised, bytes need no alignment, and the span borrows the buffer.
            let span = unsafe Span<UInt8>(_unsafeStart: base.assumingMemoryBound(to: UInt8.self), count: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The initialised bytes, one by one, to be changed in place.
    @inlinable
    public var mutableSpan: MutableSpan<UInt8> {
        @_lifetime(&self)
        mutating get {
            // SAFETY: the first `count` bytes are initialised, bytes need no alignment, and the span borrows the buffer exclusively.
            let span = unsafe MutableSpan<UInt8>(_unsafeStart: base.assumingMemoryBound(to: UInt8.self), count: count)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }
}
