// SPDX-License-Identifier: Apache-2.0
// Rule: a ring has one owner, who tears it down once.

import URing

func use(_ ring: consuming Ring<Int>) throws {  // error: 'ring' used after consume
    let other = ring
    try ring.submit()
    _ = consume other
}

func closeTwice(_ ring: consuming Ring<Int>) {  // error: 'ring' consumed more than once
    ring.close()
    ring.close()
}
