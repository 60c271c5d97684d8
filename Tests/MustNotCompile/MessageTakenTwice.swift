// SPDX-License-Identifier: Apache-2.0
// Rule: a message may have brought a descriptor, which has one owner.

import URing

func takeTwice(_ completion: consuming Completion<Int>) {  // error: 'completion' consumed more than once
    let first = completion.takeMessage()
    let second = completion.takeMessage()
    _ = consume first
    _ = consume second
}

func useTwice(_ message: consuming RingMessage) {  // error: 'message' consumed more than once
    let first = message
    let second = message
    _ = consume first
    _ = consume second
}
