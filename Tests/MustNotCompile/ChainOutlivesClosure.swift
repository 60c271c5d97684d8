// SPDX-License-Identifier: Apache-2.0
// Rule: a chain stays in the closure that it is lent to, and is not exchanged for another ring's.

import URing

func keepInClosure(_ ring: inout Ring<Int>) {
    var later: [() -> Void] = []
    ring.link { chain in
        later.append { _ = try? chain.prepare(Nop(), tag: 0) }  // error: escaping closure captures 'inout' parameter 'chain'
    }
}

func exchange(_ ring: inout Ring<Int>, _ other: inout Ring<Int>) {
    ring.link { one in
        other.link { two in
            swap(&one, &two)  // error: global function 'swap' requires that 'Chain<Int>' conform to 'Escapable'
        }
    }
}
