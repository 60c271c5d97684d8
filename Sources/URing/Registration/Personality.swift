// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Credentials of a thread that are registered with a ring, for operations to be carried out with.
///
/// Make it with ``Ring/registerPersonality()``, and name it in ``PrepareOptions/personality(_:)``. Dropping it unregisters the credentials;
/// an operation that starts afterwards fails with `EINVAL`. On another thread than the ring's the kernel does not unregister them: dropped
/// there, they stay until the ring ends.
public struct Personality: ~Copyable {
    /// What entries call it.
    public let identifier: PersonalityIdentifier
    private let anchor: RingAnchor

    init(identifier: PersonalityIdentifier, anchor: RingAnchor) {
        self.identifier = identifier
        anchor.retain()
        self.anchor = anchor
    }

    deinit {
        _ = unsafe anchor.register(CURING_UNREGISTER_PERSONALITY, nil, count: UInt32(identifier.rawValue))
        anchor.release()
    }
}

/// The number of credentials that are registered with a ring, for operations on that ring.
public struct PersonalityIdentifier: Sendable, Hashable {
    let rawValue: UInt16
    /// The process-wide number of the ring: another has other credentials under the same number, or none.
    let ringIdentity: UInt32

    /// What an entry calls the credentials.
    ///
    /// - Precondition: They are registered with the ring of this identity.
    func number(on ringIdentity: UInt32) -> UInt16 {
        require(
            self.ringIdentity == ringIdentity,
            "These credentials are registered with another ring; prepare an operation with them on the ring that registered them.")
        return rawValue
    }
}

extension Ring where Tag: BitwiseCopyable {
    /// Registers the present credentials of the calling thread: user, group, capabilities and security context.
    ///
    /// - Returns: The registered credentials, for ``PrepareOptions``.
    /// - Throws: `ENOMEM`, `EBUSY` if there are 65535 already, or `EEXIST` from another thread than the ring's.
    /// - Requires: Linux 5.6, `IORING_REGISTER_PERSONALITY`.
    ///
    /// The liburing function is `io_uring_register_personality`; see `io_uring_register_personality(3)`.
    public mutating func registerPersonality() throws(Errno) -> Personality {
        let number = try unsafe core.register(CURING_REGISTER_PERSONALITY, nil, count: 0)
        return Personality(
            identifier: PersonalityIdentifier(rawValue: UInt16(truncatingIfNeeded: number), ringIdentity: core.table.identity),
            anchor: core.anchor)
    }
}
