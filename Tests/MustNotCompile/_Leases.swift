// SPDX-License-Identifier: Apache-2.0
// expect: compiles
// The allowed ways of leases, without one `unsafe`: looked at and dropped, sent on, split, taken out of a bundle and out of a message.

import URing

func look(_ lease: borrowing BufferLease) -> Int { lease.bytes.byteCount }

func use(_ ring: inout Ring<Int>, _ file: borrowing Descriptor, _ bundle: consuming BufferBundle) throws {
    var bundle = bundle
    while var lease = bundle.next() {
        _ = look(lease)
        let first = lease.split(at: 1)
        lease.removeFirst(1)
        try ring.prepare(Send(file, from: first), tag: 1)
        try ring.prepare(Write(file, from: lease), tag: 2)
    }
}

func answer(_ ring: inout Ring<Int>, _ file: borrowing Descriptor, _ message: consuming ReceivedMessage) throws {
    guard let address = message.header.address else { return }
    try ring.prepare(SendTo(file, from: message.takePayload(), to: address), tag: 3)
}
