// SPDX-License-Identifier: Apache-2.0
// Rule: a lease has one owner. Given to an operation, to another region or back, nobody else looks at the buffer or gives it back.

import URing

func drop(_: consuming BufferLease) {}

func lookWhileTheKernelSends(_ ring: inout Ring<Int>, _ file: borrowing Descriptor, _ bundle: inout BufferBundle) throws -> Int {
    guard let lease = bundle.next() else { return 0 }  // error: 'lease' used after consume
    try ring.prepare(Send(file, from: lease), tag: 1)
    return lease.count
}

func useAfterReturn(_ bundle: inout BufferBundle) -> [UInt8] {
    guard let lease = bundle.next() else { return [] }  // error: 'lease' used after consume
    drop(lease)
    return lease.copyBytes()
}

func giveBackTwice(_ bundle: inout BufferBundle) {
    guard let lease = bundle.next() else { return }  // error: 'lease' consumed more than once
    drop(lease)
    drop(lease)
}

func useAfterTransfer(_ bundle: inout BufferBundle) -> Int {
    guard let lease = bundle.next() else { return 0 }  // error: 'lease' used after consume
    let transferable = lease.transfer()
    return lease.count + transferable.count
}

func sendTwice(
    _ ring: inout Ring<Int>, _ file: borrowing Descriptor,
    _ message: consuming ReceivedMessage  // error: 'message' consumed more than once
) throws {
    try ring.prepare(Send(file, from: message.takePayload()), tag: 1)
    try ring.prepare(Send(file, from: message.takePayload()), tag: 2)
}
