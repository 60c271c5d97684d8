// SPDX-License-Identifier: Apache-2.0
// Rule: a tag is plain bits: it lies in the in-flight table without reference counting, and nobody has to destroy it.

import URing

final class Connection {}

func objectAsTag() throws {
    let ring = try Ring<Connection>(entries: 8)  // error: type 'Connection' does not conform to protocol 'BitwiseCopyable'
    _ = consume ring
}

enum Tag {
    case accept
    case receive(name: String)
}

func stringInTag(_ ring: borrowing Ring<Tag>) {}  // error: type 'Tag' does not conform to protocol 'BitwiseCopyable'
