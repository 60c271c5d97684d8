// SPDX-License-Identifier: Apache-2.0

/// Bytes that the kernel has put into a buffer of a ``BufferRing``.
///
/// The buffer goes back to its pool when the lease is dropped. As a ``ByteSource`` it can be the memory of a ``Send`` or ``Write``, which
/// passes it on without a copy; it goes back when that is done. It stays in the isolation region of its pool; ``transfer()`` makes
/// what can go to another.
@safe
public struct BufferLease: ~Copyable, ByteSource {
    // SAFETY: the bytes are this lease's until it gives the buffer back, and the kernel does not write to them; the state keeps the memory.
    private let state: BufferRingState?
    private var region: LeasedBytes

    /// Makes a lease of nothing.
    @usableFromInline
    init() {
        state = nil
        region = unsafe LeasedBytes(identifier: 0, start: nil, count: 0)
    }

    /// Takes over a lease that the state has counted.
    init(state: BufferRingState, _ region: LeasedBytes) {
        self.state = state
        self.region = region
    }

    deinit {
        state?.giveBack(region.identifier)
    }

    /// How many bytes there are.
    public var count: Int { region.count }

    /// Whether there is nothing, as at the end of a stream.
    public var isEmpty: Bool { region.count == 0 }

    /// The bytes.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = unsafe RawSpan(_unsafeBytes: region.bytes)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The bytes, for an operation.
    @unsafe public var kernelBytes: UnsafeRawBufferPointer { unsafe region.bytes }

    /// Forgets the bytes from `count` on.
    ///
    /// - Precondition: There are so many.
    public mutating func truncate(to count: Int) {
        require(isOffset(count, within: self.count), "A lease can be truncated only to fewer bytes than it has.")
        region.count = count
    }

    /// Forgets the first `count` bytes.
    ///
    /// - Precondition: There are so many.
    public mutating func removeFirst(_ count: Int) {
        require(isOffset(count, within: self.count), "A lease cannot lose more bytes than it has.")
        region.removeFirst(count)
    }

    /// Takes the first `count` bytes out, as a lease of their own; the buffer goes back when both are dropped.
    ///
    /// - Precondition: There are so many.
    public mutating func split(at count: Int) -> BufferLease {
        require(isOffset(count, within: self.count), "A lease can be split only within its bytes.")
        guard let state else { return BufferLease() }
        state.share(region.identifier)
        var first = region
        first.count = count
        region.removeFirst(count)
        return BufferLease(state: state, first)
    }

    /// The bytes as an array.
    public func copyBytes() -> [UInt8] { unsafe [UInt8](region.bytes) }

    /// Makes what can go to another isolation region, and gives the buffer back from there.
    public consuming func transfer() -> TransferableBufferLease {
        let (state, region) = (state, region)
        discard self
        return TransferableBufferLease(shared: state?.transfer(), region)
    }
}

/// Bytes in a buffer of a ``BufferRing``, on their way to or in another isolation region.
///
/// Make one with ``BufferLease/transfer()``. It can be the memory of an operation on another ring. The buffer goes back when it is dropped, on
/// whatever thread: it is put into a list without a lock, which the pool empties when a lease of it is dropped, when an operation is made
/// on it, or when it is asked for one of its numbers. None of that wakes the pool's thread: a loop that waits for nothing but buffers has
/// to be told that they are there.
@safe
public struct TransferableBufferLease: ~Copyable, Sendable, ByteSource {
    // SAFETY: as in `BufferLease`; the shared part keeps the memory.
    private let shared: SharedBuffers?
    private let region: LeasedBytes

    init(shared: SharedBuffers?, _ region: LeasedBytes) {
        self.shared = shared
        self.region = region
    }

    deinit {
        shared?.giveBack(region.identifier)
        shared?.release()
    }

    /// How many bytes there are.
    public var count: Int { region.count }

    /// The bytes.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = unsafe RawSpan(_unsafeBytes: region.bytes)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The bytes, for an operation.
    @unsafe public var kernelBytes: UnsafeRawBufferPointer { unsafe region.bytes }

    /// The bytes as an array.
    public func copyBytes() -> [UInt8] { unsafe [UInt8](region.bytes) }
}

/// What the kernel has put into buffers of a ``BufferRing`` with one completion: a lease for each, in order.
///
/// The leases that nobody takes go back when it is dropped, all at once.
@safe
public struct BufferBundle: ~Copyable {
    private let state: BufferRingState?
    /// The next lease's buffer.
    private(set) var identifier: Int
    /// How many leases are left.
    public private(set) var count: Int
    /// How many bytes they have together.
    public private(set) var byteCount: Int

    /// Makes a bundle of nothing.
    @usableFromInline
    init() {
        state = nil
        identifier = 0
        count = 0
        byteCount = 0
    }

    /// Takes over leases that the state has counted.
    init(state: BufferRingState, identifier: Int, count: Int, byteCount: Int) {
        self.state = state
        self.identifier = identifier
        self.count = count
        self.byteCount = byteCount
    }

    deinit {
        state?.giveBack(bundleFrom: identifier, count: count)
    }

    /// Whether there is nothing, as at the end of a stream.
    public var isEmpty: Bool { byteCount == 0 }

    /// Takes the next lease out, or gives nil when there is none left.
    public mutating func next() -> BufferLease? {
        guard count > 0, let state else { return nil }
        let (bytes, next) = state.next(of: self)
        identifier = next
        count -= 1
        byteCount -= bytes.count
        return BufferLease(state: state, bytes)
    }
}

/// Where the bytes of a lease are.
@safe
struct LeasedBytes: BitwiseCopyable, @unchecked Sendable {
    /// The buffer's number.
    let identifier: Int
    // SAFETY: who has a lease keeps the memory, in which so many bytes are initialised.
    private var start: UnsafeRawPointer?
    var count: Int

    @unsafe init(identifier: Int, start: UnsafeRawPointer?, count: Int) {
        self.identifier = identifier
        unsafe self.start = unsafe start
        self.count = count
    }

    mutating func removeFirst(_ count: Int) {
        unsafe start = unsafe start.map { unsafe $0 + count }
        self.count -= count
    }

    var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: start, count: count) }
}
