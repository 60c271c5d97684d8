// SPDX-License-Identifier: Apache-2.0
// Rule: a completion has one owner, and cannot be copied, captured by an escaping closure or kept in an array or a copyable type.

import URing

struct Log {
    var last: Completion<Int>  // error: has non-Copyable type 'Completion<Int>'
}

enum Step {
    case completed(Completion<Int>)  // error: has non-Copyable type 'Completion<Int>'
}

func collect(_ completion: consuming Completion<Int>) {
    var all: [Completion<Int>] = []  // error: type 'Completion<Int>' does not conform to protocol 'Copyable'
}
