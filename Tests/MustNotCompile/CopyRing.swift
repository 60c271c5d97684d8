// SPDX-License-Identifier: Apache-2.0
// Rule: a ring has one owner, who tears it down. It cannot be copied or kept in what is copied.

import URing

struct Loop {
    var ring: Ring<Int>  // error: has non-Copyable type 'Ring<Int>'
}

final class Holder {
    let rings: [Ring<Int>] = []  // error: type 'Ring<Int>' does not conform to protocol 'Copyable'
}
