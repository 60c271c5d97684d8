// SPDX-License-Identifier: Apache-2.0
// Rule: an operation that completes again and again is no member of a chain: the kernel would hold up the rest until it ends.

import URing

func link(_ ring: inout Ring<Int>, _ listener: borrowing Descriptor) throws {
    try ring.link { chain in
        try chain.prepare(AcceptMultishot(listener), tag: 0)  // error: requires that 'AcceptMultishot<Descriptor>' conform to
    }
}

func limit(_ ring: inout Ring<Int>, _ listener: borrowing Descriptor) throws {
    let limit = LinkedTimeout.after(.seconds(1))
    try ring.prepare(AcceptMultishot(listener), tag: 0, timeout: limit)  // error: requires that 'AcceptMultishot<Descriptor>' conform to
}
