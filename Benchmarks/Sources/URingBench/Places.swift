// SPDX-License-Identifier: Apache-2.0

/// Places for values that cannot be copied, and therefore in no array.
@safe
struct Places<Value: ~Copyable>: ~Copyable {
    private let values: UnsafeMutableBufferPointer<Value?>

    /// Makes empty places.
    init(count: Int) {
        unsafe values = .allocate(capacity: count)
        // SAFETY: every place is uninitialised and in bounds.
        for index in 0..<count { unsafe values.initializeElement(at: index, to: nil) }
    }

    deinit {
        // SAFETY: every place is initialised, from the beginning to here.
        for index in unsafe values.indices { unsafe values.deinitializeElement(at: index) }
        unsafe values.deallocate()
    }

    /// Takes a value out, which leaves its place empty.
    func take(_ index: Int) -> Value? {
        // SAFETY: the place is initialised, and in bounds, which is checked. Nobody else has access during the call.
        unsafe values[index].take()
    }

    /// Puts a value into a place.
    func put(_ value: consuming Value, at index: Int) {
        // SAFETY: as above.
        unsafe values[index] = consume value
    }
}
