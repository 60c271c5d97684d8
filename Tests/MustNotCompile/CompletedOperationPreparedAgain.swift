// SPDX-License-Identifier: Apache-2.0
// Rule: an operation that came back is in flight again once it is prepared again, and nobody touches it meanwhile.

import URing

func rearm(_ ring: inout Ring<Int>, _ completion: consuming Completion<Int>) throws -> Int {
    let completed = completion.take(Read<Buffer>.self)  // error: 'completed' used after consume
    try ring.prepare(completed.operation, tag: 1)
    return completed.operation.memory.count
}

func rearmTwice(_ ring: inout Ring<Int>, _ completion: consuming Completion<Int>) throws {
    let completed = completion.take(Read<Buffer>.self)  // error: 'completed' consumed more than once
    try ring.prepare(completed.operation, tag: 1)
    try ring.prepare(completed.operation, tag: 2)
}
