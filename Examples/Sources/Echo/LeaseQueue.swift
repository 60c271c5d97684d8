// SPDX-License-Identifier: Apache-2.0

import URing

/// Leases of received bytes in the order in which they are to be sent.
///
/// The queues of all connections share the places of one ``Places``, so that adding and taking allocate nothing.
struct LeaseQueue {
    private var first = 0
    private var last = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func append(_ lease: consuming BufferLease, in places: inout Places) {
        let index = places.take(for: lease)
        if isEmpty { first = index } else { places.put(index, behind: last) }
        last = index
        count += 1
    }

    mutating func removeFirst(in places: inout Places) -> BufferLease? {
        guard !isEmpty else { return nil }
        let index = first
        first = places.next(index)
        count -= 1
        return places.empty(index)
    }

    mutating func removeAll(in places: inout Places) {
        while removeFirst(in: &places) != nil {}
    }

    /// Room for the leases of all queues: as many as there are buffers are enough, because a whole buffer has one lease.
    struct Places {
        private final class Place {
            var lease: BufferLease?
            /// The place behind this one in its queue, or in the list of free ones.
            var next: Int

            init(next: Int) { self.next = next }
        }

        private let places: [Place]
        private var firstFree = 0

        init(count: Int) {
            places = (0..<count).map { Place(next: $0 + 1) }
        }

        fileprivate mutating func take(for lease: consuming BufferLease) -> Int {
            let index = firstFree
            firstFree = places[index].next
            places[index].lease = consume lease
            return index
        }

        fileprivate func put(_ index: Int, behind last: Int) {
            places[last].next = index
        }

        fileprivate func next(_ index: Int) -> Int { places[index].next }

        fileprivate mutating func empty(_ index: Int) -> BufferLease? {
            places[index].next = firstFree
            firstFree = index
            return places[index].lease.take()
        }
    }
}
