// SPDX-License-Identifier: Apache-2.0
// Rule: bytes and span are for reading; changing takes the buffer exclusively, by mutableBytes or mutableSpan.

import URing

func mutate(_ buffer: inout Buffer) {
    buffer.span[0] = 1  // error: cannot assign through subscript: subscript is get-only
    buffer.bytes.storeBytes(of: 1, as: UInt8.self)  // error: value of type 'RawSpan' has no member 'storeBytes'
}

func mutateBorrowed(_ buffer: borrowing Buffer) {
    var span = buffer.mutableSpan  // error: cannot use mutating getter on immutable value
    span[0] = 1
}
