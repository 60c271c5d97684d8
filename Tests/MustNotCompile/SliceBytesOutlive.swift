// SPDX-License-Identifier: Apache-2.0
// Rule: a view of a slice's bytes ends before the slice is given away, given back or changed.

import URing

func keepView(_ ring: inout Ring<Int>, _ buffers: borrowing RegisteredBuffers, _ file: borrowing Descriptor) throws -> Int {
    guard let slice = buffers.take() else { return 0 }
    let bytes = slice.bytes
    try ring.prepare(Write(file, from: slice), tag: 1)  // error: borrowed by a non-Escapable type
    return bytes.byteCount
}

func keepViewOfWhatWentBack(_ buffers: borrowing RegisteredBuffers) -> UInt8 {
    guard let slice = buffers.take() else { return 0 }
    let span = slice.span
    slice.giveBack()  // error: borrowed by a non-Escapable type
    return span[0]
}

func keepViewAcrossASplit(_ slice: consuming RegisteredSlice) -> UInt8 {
    let span = slice.span
    _ = slice.split(at: 0)  // error: overlapping accesses to 'slice'
    return span[0]
}
