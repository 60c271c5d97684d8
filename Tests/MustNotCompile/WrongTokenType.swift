// SPDX-License-Identifier: Apache-2.0
// Rule: a token carries its operation's type, so what is taken with it has that type.

import URing

func take(_ completion: consuming Completion<Int>, _ token: Token<Read<Buffer>>) {
    let completed: Completed<Nop> = completion.take(token)  // error: to type 'Completed<Nop>'
    _ = consume completed
}

func give(_ token: Token<Nop>) -> Token<Read<Buffer>> {
    token  // error: cannot convert return expression of type 'Token<Nop>' to return type 'Token<Read<Buffer>>'
}
