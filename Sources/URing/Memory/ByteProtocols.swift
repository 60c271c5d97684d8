// SPDX-License-Identifier: Apache-2.0

/// Memory that an operation can own.
///
/// The type of the memory chooses how an operation is encoded: with ``isRegistered``, a ``Read`` is an `IORING_OP_READ_FIXED` and names the
/// registered buffer. Memory of the process's own needs neither requirement. A type that wraps a ``RegisteredSlice`` passes
/// both on; a wrong index costs an `EFAULT`, because the kernel compares every address with the registered buffer's.
public protocol OperationMemory: SendableMetatype, ~Copyable {
    /// Whether all values of the type are parts of registered buffers.
    static var isRegistered: Bool { get }

    /// The registered buffer that the memory is part of, by its slot on a ring.
    borrowing func registeredIndex(on ring: RingIdentity) -> UInt16
}

/// Which ring an operation is prepared on.
///
/// A type that wraps memory or a file passes it on.
@frozen
public struct RingIdentity: BitwiseCopyable, Sendable, Hashable {
    /// No ring is zero.
    @usableFromInline let number: UInt32

    @inlinable @inline(__always)
    init(_ number: UInt32) {
        self.number = number
    }
}

extension OperationMemory where Self: ~Copyable {
    /// False: the kernel does not know the memory beforehand.
    @inlinable public static var isRegistered: Bool {
        @inline(__always) get { false }
    }

    /// No slot.
    @inlinable @inline(__always)
    public borrowing func registeredIndex(on ring: RingIdentity) -> UInt16 { .max }
}

extension SubmissionEntry {
    /// Names the registered buffer that memory is part of, if its type is of such memory.
    @inlinable @inline(__always)
    public func setRegistration<Memory: OperationMemory & ~Copyable>(of memory: borrowing Memory) {
        if Memory.isRegistered { bufferIndex = memory.registeredIndex(on: RingIdentity(ringIdentity)) }
    }
}

/// A value whose bytes the kernel may read, for ``Write``, ``Send`` and the like.
///
/// While an operation with the value is in flight, the value lies at one address and nobody mutates it.
public protocol ByteSource: OperationMemory, ~Copyable {
    /// The bytes, from the first to the last that is initialised.
    ///
    /// The value owns the memory: it must stay where it is, unchanged, until the value is mutated, moved or destroyed.
    ///
    /// - Important: Unsafe to use, because the pointer outlives the access.
    @unsafe var kernelBytes: UnsafeRawBufferPointer { get }
}

/// A value with room that the kernel may write to, for ``Read``, ``Receive`` and the like.
///
/// While an operation with the value is in flight, the value lies at one address and nobody else accesses its memory.
public protocol ByteDestination: OperationMemory, ~Copyable {
    /// All of the room, initialised or not.
    ///
    /// The value alone owns the memory: it must stay where it is until the value is mutated, moved or destroyed.
    ///
    /// - Important: Unsafe to use, because the pointer outlives the access.
    @unsafe var kernelRoom: UnsafeMutableRawBufferPointer { mutating get }

    /// How many bytes from the start are initialised.
    var initializedByteCount: Int { get }

    /// How many bytes there is room for.
    var byteCapacity: Int { get }

    /// Notes that the kernel has initialised the bytes up to `byteCount`, which is now the value's end.
    ///
    /// - Important: Unsafe to call, because nothing else shows that the bytes are initialised.
    @unsafe mutating func didInitialize(byteCount: Int)
}

extension ByteDestination where Self: ~Copyable {
    /// The room behind the first `start` bytes, which stay as they are.
    ///
    /// - Precondition: So many bytes are initialised, and there is room behind them; the sentences say which of it does not hold.
    @inlinable @inline(__always)
    @unsafe mutating func kernelRoom(
        behind start: Int, _ notInitialized: @autoclosure () -> StaticString, _ noRoom: @autoclosure () -> StaticString
    ) -> UnsafeMutableRawBufferPointer {
        require(start <= initializedByteCount, notInitialized())
        let room = unsafe kernelRoom
        // SAFETY: slicing does not check in optimised code. Only the room itself is believed to say how large it is.
        require(UInt(bitPattern: start) < UInt(bitPattern: room.count), start < 0 ? notInitialized() : noRoom())
        return unsafe UnsafeMutableRawBufferPointer(rebasing: room[start...])
    }
}
