// SPDX-License-Identifier: Apache-2.0
// Rule: a completion gives its operation back once.

import URing

func takeTwice(_ completion: consuming Completion<Int>) {  // error: 'completion' consumed more than once
    let first = completion.take(Nop.self)
    let second = completion.take(Nop.self)
    _ = consume first
    _ = consume second
}

func askAfterwards(_ completion: consuming Completion<Int>) -> Int32 {  // error: 'completion' used after consume
    _ = completion.take(Nop.self)
    return completion.entry.result
}
