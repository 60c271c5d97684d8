// SPDX-License-Identifier: Apache-2.0
// Rule: a buffer has one owner, so that giving it to the kernel takes it from everybody else.

import URing

func twoOwners(_ buffer: consuming Buffer) -> Int {  // error: 'buffer' consumed more than once
    let first = buffer
    let second = buffer
    return first.count + second.count
}

func takeFromBorrowed(_ buffer: borrowing Buffer, _ file: borrowing Descriptor) {  // error: 'buffer' is borrowed and cannot be consumed
    _ = Write(file, from: buffer)
}
