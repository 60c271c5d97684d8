// SPDX-License-Identifier: Apache-2.0
// Rule: a slice has one owner, so that no two of them overlap.

import URing

func twoOwners(_ slice: consuming RegisteredSlice) -> Int {  // error: 'slice' consumed more than once
    let first = slice
    let second = slice
    return first.count + second.count
}

func giveAwayBorrowed(_ slice: borrowing RegisteredSlice) {  // error: 'slice' is borrowed and cannot be consumed
    slice.giveBack()
}
