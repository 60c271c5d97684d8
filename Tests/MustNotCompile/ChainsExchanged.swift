// SPDX-License-Identifier: Apache-2.0
// Rule: a chain is not exchanged for another ring's.

import URing

func exchange(_ ring: inout Ring<Int>, _ other: inout Ring<Int>) {
    ring.link { one in
        other.link { two in
            swap(&one, &two)  // error: global function 'swap' requires that 'Chain<Int>' conform to 'Escapable'
        }
    }
}
