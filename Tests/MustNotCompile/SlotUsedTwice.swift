// SPDX-License-Identifier: Apache-2.0
// Rule: a chosen slot goes to one operation, so that no file is silently put in the place of another.

import SystemPackage
import URing

func fillTwice(_ ring: inout Ring<Int>, _ slot: consuming FileSlot) throws {  // error: 'slot' consumed more than once
    try ring.prepare(OpenAt("a", into: slot), tag: 1)
    try ring.prepare(OpenAt("b", into: slot), tag: 2)
}
