// SPDX-License-Identifier: Apache-2.0
// Rule: a chain stays in the closure that it is lent to.

import URing

func keepInClosure(_ ring: inout Ring<Int>) {
    var later: [() -> Void] = []
    ring.link { chain in
        later.append { _ = try? chain.prepare(Nop(), tag: 0) }  // error: escaping closure captures 'inout' parameter 'chain'
    }
}
