// SPDX-License-Identifier: Apache-2.0

/// Places in a loop's table of sources, first in, first out, in a ring of memory that is used again and again.
struct Queue {
    /// A power of two of them, so that a mask finds the next.
    private var places: [UInt32] = Array(repeating: 0, count: 16)
    private var head = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// Makes room for so many.
    mutating func reserve(_ capacity: Int) {
        guard places.count < capacity else { return }
        places = Array(places[head...]) + Array(places[..<head]) + Array(repeating: 0, count: places.count)
        head = 0
    }

    /// - Precondition: There is room.
    @inline(__always)
    mutating func append(_ element: UInt32) {
        places[(head + count) & (places.count - 1)] = element
        count += 1
    }

    /// - Precondition: It is not empty.
    @inline(__always)
    mutating func removeFirst() -> UInt32 {
        let first = places[head]
        head = (head + 1) & (places.count - 1)
        count -= 1
        return first
    }
}
