// SPDX-License-Identifier: Apache-2.0
// Rule: what gives a buffer back has one owner, so that a buffer goes back once.

import URing

func twoOwners(_ lease: consuming BufferLease) -> Int {  // error: 'lease' consumed more than once
    let first = lease
    let second = lease
    return first.count + second.count
}

func takeFromBorrowed(_ lease: borrowing BufferLease, _ file: borrowing Descriptor) {  // error: 'lease' is borrowed and cannot be consumed
    _ = Send(file, from: lease)
}

func twoBundles(_ bundle: consuming BufferBundle) -> Int {  // error: 'bundle' consumed more than once
    let first = bundle
    let second = bundle
    return first.count + second.count
}

func twoPools(_ pool: consuming BufferRing) -> Int {  // error: 'pool' consumed more than once
    let first = pool
    let second = pool
    return first.count + second.count
}
