// SPDX-License-Identifier: Apache-2.0
// Rule: a view of a lease's bytes ends before the lease is given away, cut or dropped, because the kernel has the buffer again afterwards.

import URing

func keepView(_ ring: inout Ring<Int>, _ file: borrowing Descriptor, _ bundle: inout BufferBundle) throws -> Int {
    guard let lease = bundle.next() else { return 0 }
    let bytes = lease.bytes
    try ring.prepare(Send(file, from: lease), tag: 1)  // error: borrowed by a non-Escapable type
    return bytes.byteCount
}

func keepViewOfCut(_ lease: inout BufferLease) -> Int {
    let bytes = lease.bytes
    lease.truncate(to: 0)  // error: overlapping accesses to 'lease'
    return bytes.byteCount
}

func keepBytesOfReturnedLease(_ bundle: inout BufferBundle) -> Int {
    let bytes: RawSpan  // error: lifetime-dependent variable 'bytes' escapes its scope
    do {
        guard let lease = bundle.next() else { return 0 }
        bytes = lease.bytes
    }
    return bytes.byteCount
}
