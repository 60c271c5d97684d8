// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// A number in memory that threads and rings share, and by whose changes they wake each other.
///
/// A thread waits with ``wait(while:timeout:)`` and a ring with ``FutexWait``, both as long as the number is a certain one; whoever changes
/// it wakes them with ``wake(count:)`` or ``FutexWake``. A wake-up alone says nothing: look at the number again.
@safe
public final class FutexWord: @unchecked Sendable {
    // SAFETY: the memory is this object's alone until `deinit`, and accessed with atomic instructions only, here and in the kernel.
    // Operations on it keep the object.
    @usableFromInline let address: UnsafeMutablePointer<UInt32>

    /// Makes a word.
    public init(_ value: UInt32 = 0) {
        unsafe address = .allocate(capacity: 1)
        unsafe address.initialize(to: value)
    }

    deinit {
        unsafe address.deallocate()
    }

    /// The number.
    ///
    /// Who reads it sees all that happened before it was set to what is read.
    public var value: UInt32 {
        get { unsafe curing_load_acquire_u32(address) }
        set { unsafe curing_store_release_u32(address, newValue) }
    }

    /// Sets the number, and returns what it was.
    public func exchange(_ newValue: UInt32) -> UInt32 {
        unsafe curing_exchange_u32(address, newValue)
    }

    /// Sets the number if it is the expected one.
    ///
    /// - Returns: What the number was: the expected one if it was set.
    public func compareExchange(expected: UInt32, desired: UInt32) -> UInt32 {
        unsafe curing_compare_exchange_u32(address, expected, desired)
    }

    /// Adds to the number, and returns what it was; past the largest one it goes on at zero.
    public func wrappingAdd(_ operand: UInt32) -> UInt32 {
        unsafe curing_fetch_add_u32(address, operand)
    }

    /// Wakes threads and rings that wait.
    ///
    /// - Parameter count: How many at most.
    /// - Returns: How many there were.
    /// - Precondition: The count is not negative, and less than 2^31.
    ///
    /// The C function is `futex` with `FUTEX_WAKE_PRIVATE`; see `futex(2)`.
    @discardableResult
    public func wake(count: Int = 1) -> Int {
        let count = FutexWord.wakeCount(count)
        // Of none, the call wakes one.
        if count == 0 { return 0 }
        // The kernel finds who waits by the address; it can fail only for bad arguments.
        return unsafe Int(max(curing_futex_wake(address, count), 0))
    }

    /// Blocks the thread as long as the number is `value` and nobody wakes it.
    ///
    /// - Parameters:
    ///   - value: The number to wait with.
    ///   - timeout: How long to wait at most.
    /// - Returns: Whether the thread was woken, or the number was another one.
    /// - Throws: `ETIMEDOUT` when the time is up, `EINTR` after a signal.
    ///
    /// The C function is `futex` with `FUTEX_WAIT_PRIVATE`; see `futex(2)`.
    @discardableResult
    public func wait(while value: UInt32, timeout: Duration? = nil) throws(Errno) -> FutexOutcome {
        guard let timeout else { return try FutexOutcome(unsafe curing_futex_wait(address, value, nil)) }
        var time = timeout.timespec
        return try FutexOutcome(unsafe curing_futex_wait(address, value, &time))
    }

    @inlinable
    static func wakeCount(_ count: Int) -> Int32 {
        require(count >= 0 && count <= Int32.max, "The number of those to wake is not negative, and less than 2^31.")
        return Int32(truncatingIfNeeded: count)
    }
}

/// What ended a wait for a ``FutexWord``.
@frozen
public enum FutexOutcome: Sendable, Hashable {
    /// Somebody woke it.
    case woken
    /// There was nothing to wait for: the number was another one already.
    case changed

    /// What the kernel said.
    @inlinable
    init(_ status: Int32) throws(Errno) {
        if status >= 0 {
            self = .woken
        } else if status == -Errno.resourceTemporarilyUnavailable.rawValue {
            self = .changed
        } else {
            throw Errno(rawValue: 0 &- status)
        }
    }
}
