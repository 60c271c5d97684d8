// SPDX-License-Identifier: Apache-2.0
// Rule: a descriptor is not Sendable; it goes to another region as a TransferableDescriptor.

import URing

func requireSendable<Value: Sendable & ~Copyable>(_: borrowing Value) {}

func notSendable(_ descriptor: borrowing Descriptor, _ hold: borrowing FileHold, _ ring: borrowing Ring<Int>) {
    requireSendable(descriptor)  // error: type 'Descriptor' does not conform to the 'Sendable' protocol
    requireSendable(hold)  // error: type 'FileHold' does not conform to the 'Sendable' protocol
    requireSendable(ring)  // error: type 'Ring<Int>' does not conform to the 'Sendable' protocol
}

func notSendableEither(_ completion: borrowing Completion<Int>, _ completed: borrowing Completed<Read<Buffer>>) {
    requireSendable(completion)  // error: type 'Completion<Int>' does not conform to the 'Sendable' protocol
    requireSendable(completed)  // error: type 'Completed<Read<Buffer>>' does not conform to the 'Sendable' protocol
}
