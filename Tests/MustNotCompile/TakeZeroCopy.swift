// SPDX-License-Identifier: Apache-2.0
// Rule: a zero-copy send is not taken with its result: event(_:) gives it back with the notification, and the result has no memory in it.

import URing

func takeByType(_ completion: consuming Completion<Int>) {
    _ = completion.take(SendZeroCopy<Buffer>.self)  // error: requires that 'SendZeroCopy<Buffer>' conform to 'SingleShotOperation'
}

func takeByToken(_ completion: consuming Completion<Int>, _ token: Token<SendMessageZeroCopy>) {
    _ = completion.take(token)  // error: requires that 'SendMessageZeroCopy' conform to 'SingleShotOperation'
}

func memoryOfTheResult(_ completion: consuming Completion<Int>) throws {
    if case .more(let result) = completion.event(SendZeroCopy<Buffer>.self) {
        _ = result.operation  // error: value of type 'Result<Int, Errno>' has no member 'operation'
    }
}
