// SPDX-License-Identifier: Apache-2.0
// Rule: a view of a buffer's bytes is neither returned from where the buffer is nor stored.

import URing

func escape() -> RawSpan {  // error: a function cannot return a ~Escapable result
    let buffer = Buffer(copying: [1, 2, 3])
    return buffer.bytes
}

final class Cache {
    var bytes: RawSpan?  // error: 'get' accessor cannot return a ~Escapable // error: '_modify' accessor cannot return a ~Escapable
}
