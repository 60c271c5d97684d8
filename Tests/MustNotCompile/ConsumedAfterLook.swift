// SPDX-License-Identifier: Apache-2.0
// A defect of Swift 6.3.1 (decision 99): when this compiles, the articles have a row too many.

import URing

func looked(_ completion: consuming Completion<Int>, _ kept: inout Buffer?) {
    let read = completion.take(Read<Buffer>.self)
    print(read.operation.memory.span.count)
    kept = consume read.operation.memory  // error: cannot be consumed when captured by an escaping closure or borrowed by a non-Escapable
}

func lookedInFunction(_ completion: consuming Completion<Int>, _ kept: inout Buffer?) {
    func look(_ memory: borrowing Buffer) { print(memory.span.count) }
    let read = completion.take(Read<Buffer>.self)
    look(read.operation.memory)
    kept = consume read.operation.memory
}
