// SPDX-License-Identifier: Apache-2.0
// Rule: a view of the bytes of one of several buffers ends before that or the others are changed or given away.

import URing

func keepBytes(_ ring: inout Ring<Int>, _ file: borrowing Descriptor) throws -> Int {
    let vector = BufferVector(count: 2, byteCapacity: 8)
    let bytes = vector[1].bytes
    try ring.prepare(WriteVectored(file, from: vector), tag: 1)  // error: borrowed by a non-Escapable type
    return bytes.byteCount
}

func keepSpan() -> UInt8 {
    var vector = BufferVector(count: 2, byteCapacity: 8)
    let span = vector[0].span
    vector[0].truncate(to: 0)  // error: overlapping accesses to 'vector'
    return span[0]
}

func keepSpanOfGrowing() -> UInt8 {
    var vector = BufferVector(count: 2, byteCapacity: 8)
    let span = vector[0].span
    vector.append(Buffer(byteCapacity: 8))  // error: overlapping accesses to 'vector'
    return span[0]
}

func keepMutableSpan() {
    var vector = BufferVector(count: 2, byteCapacity: 8)
    var span = vector[0].mutableSpan  // error: overlapping accesses to 'vector'
    vector.append(Buffer(byteCapacity: 8))
    span[0] = 1
}

func keepBytesOfDeadVector() -> Int {
    let bytes: RawSpan  // error: lifetime-dependent variable 'bytes' escapes its scope
    do {
        let vector = BufferVector(count: 2, byteCapacity: 8)
        bytes = vector[0].bytes
    }
    return bytes.byteCount
}
