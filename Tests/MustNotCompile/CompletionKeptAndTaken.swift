// SPDX-License-Identifier: Apache-2.0
// Rule: a completion has one owner: what is stored elsewhere is gone from here.

import URing

struct Pending: ~Copyable {
    var completion: Completion<Int>
}

func keepAndTake(_ completion: consuming Completion<Int>) -> Pending {  // error: 'completion' consumed more than once
    let pending = Pending(completion: completion)
    _ = completion.take(Nop.self)
    return pending
}

func borrowAndTake(_ completion: borrowing Completion<Int>) {  // error: 'completion' is borrowed and cannot be consumed
    _ = completion.take(Nop.self)
}
