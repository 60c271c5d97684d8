// SPDX-License-Identifier: Apache-2.0

/// A value whose bytes the kernel may read, for ``Write``, ``Send`` and the like.
///
/// While an operation with the value is in flight, the value lies at one address and nobody mutates it.
public protocol ByteSource: ~Copyable {
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
public protocol ByteDestination: ~Copyable {
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
