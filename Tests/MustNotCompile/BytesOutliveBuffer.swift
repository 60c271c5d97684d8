// SPDX-License-Identifier: Apache-2.0
// Rule: a view of a buffer's bytes ends before the buffer is given away or changed.

import URing

func keepView(_ ring: inout Ring<Int>, _ file: borrowing Descriptor) throws -> Int {
    let buffer = Buffer(copying: [1, 2, 3])
    let bytes = buffer.bytes
    try ring.prepare(Write(file, from: buffer), tag: 1)  // error: borrowed by a non-Escapable type
    return bytes.byteCount
}

func keepSpan() -> UInt8 {
    var buffer = Buffer(copying: [1, 2, 3])
    let span = buffer.span
    buffer.truncate(to: 0)  // error: overlapping accesses to 'buffer'
    return span[0]
}

func keepBytesOfDeadBuffer() -> Int {
    let bytes: RawSpan  // error: lifetime-dependent variable 'bytes' escapes its scope
    do {
        let buffer = Buffer(copying: [1, 2, 3])
        bytes = buffer.bytes
    }
    return bytes.byteCount
}
