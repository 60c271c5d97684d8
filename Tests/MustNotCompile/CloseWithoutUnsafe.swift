// SPDX-License-Identifier: Apache-2.0
// Rule: a type that wraps a file vouches for being the only one to have it when it says what is to be closed.

import URing

final class Shared {
    let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }
}

struct Share: OwnedFile, ~Copyable {
    let shared: Shared

    static var isDirect: Bool { false }

    static func target(_ place: borrowing Descriptor.Place, on ring: RingIdentity) -> FileTarget { Descriptor.target(place, on: ring) }

    init(_ shared: Shared) {
        self.shared = shared
    }

    init(delivered number: Int32, to place: inout Descriptor.Place) {
        fatalError()
    }

    var isHeld: Bool { false }

    borrowing func hold() -> FileHold { shared.descriptor.hold() }

    borrowing func closingTarget(on ring: RingIdentity) -> ClosingTarget {
        shared.descriptor.closingTarget(on: ring)  // error: expression uses unsafe constructs but is not marked with 'unsafe'
    }

    mutating func noteClosed() {}
}
