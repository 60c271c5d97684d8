// SPDX-License-Identifier: Apache-2.0
// Rule: while a chain is put together nothing else is prepared, which would slip in between its members.

import URing

func slipIn(_ ring: inout Ring<Int>) throws {
    try ring.link { chain in  // error: overlapping accesses to 'ring'
        try chain.prepare(Nop(), tag: 0)
        try ring.prepare(Nop(), tag: 1)
    }
}
