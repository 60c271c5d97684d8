// SPDX-License-Identifier: Apache-2.0

/// A set of signals.
public struct SignalSet: OptionSet, Sendable, Hashable {
    /// The kernel's bits: signal n is bit n - 1.
    public let rawValue: UInt64

    /// Takes the kernel's bits.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The set of one signal.
    ///
    /// - Parameter number: The signal's number, such as `SIGUSR1`.
    /// - Returns: The set.
    /// - Precondition: The number is from 1 to 64.
    public static func signal(_ number: Int32) -> SignalSet {
        require((1...64).contains(number), "Signals have numbers from 1 to 64.")
        return SignalSet(rawValue: 1 << UInt64(number - 1))
    }

    /// All signals.
    public static let all = SignalSet(rawValue: .max)

    /// The size of a signal set where the kernel takes one.
    static let kernelByteCount = 8
}
