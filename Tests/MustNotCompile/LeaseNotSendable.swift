// SPDX-License-Identifier: Apache-2.0
// Rule: a pool counts its leases without atomics, so they stay in its region; a lease goes to another one as a TransferableBufferLease.

import URing

func requireSendable<Value: Sendable & ~Copyable>(_: borrowing Value) {}

func leases(_ lease: borrowing BufferLease, _ bundle: borrowing BufferBundle, _ message: borrowing ReceivedMessage) {
    requireSendable(lease)  // error: type 'BufferLease' does not conform to the 'Sendable' protocol
    requireSendable(bundle)  // error: type 'BufferBundle' does not conform to the 'Sendable' protocol
    requireSendable(message)  // error: type 'ReceivedMessage' does not conform to the 'Sendable' protocol
}

func pools(_ pool: borrowing BufferRing, _ queue: borrowing SendQueue<BufferLease>, _ receive: borrowing ReceiveMultishot) {
    requireSendable(pool)  // error: type 'BufferRing' does not conform to the 'Sendable' protocol
    requireSendable(queue)  // error: type 'SendQueue<BufferLease>' does not conform to the 'Sendable' protocol
    requireSendable(receive)  // error: type 'ReceiveMultishot' does not conform to the 'Sendable' protocol
}
