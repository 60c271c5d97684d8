// SPDX-License-Identifier: Apache-2.0

/// Names an operation that was prepared, to cancel or update it.
///
/// A token of an operation that has ended names nothing: using it has no effect on any other operation.
@frozen
public struct Token<Op: Operation & ~Copyable>: BitwiseCopyable, Sendable, Hashable {
    @usableFromInline let any: AnyToken

    @inlinable @inline(__always)
    init(any: AnyToken) {
        self.any = any
    }
}

/// A token without the type of its operation.
@frozen
public struct AnyToken: BitwiseCopyable, Sendable, Hashable {
    @usableFromInline let userData: UInt64
    @usableFromInline let ringIdentity: UInt32

    @inlinable @inline(__always)
    init(userData: UInt64, ringIdentity: UInt32) {
        self.userData = userData
        self.ringIdentity = ringIdentity
    }

    /// The user data of the operation's entry.
    ///
    /// - Precondition: The token is from the ring of this identity.
    @inlinable
    func userData(on ringIdentity: UInt32) -> UInt64 {
        require(
            self.ringIdentity == ringIdentity,
            "This token belongs to another ring; cancel or update an operation through the ring that prepared it.")
        return userData
    }

    /// Forgets the type of a token.
    @inlinable
    public init<Op: Operation & ~Copyable>(_ token: Token<Op>) {
        self = token.any
    }
}
