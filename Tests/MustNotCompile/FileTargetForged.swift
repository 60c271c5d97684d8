// SPDX-License-Identifier: Apache-2.0
// Rule: which file an entry closes or replaces, and which ring it is of, comes from a file or a ring: nobody makes it up.

import URing

func target() {
    _ = FileTarget(fileIndex: 4)  // error: 'FileTarget' initializer is inaccessible
}

func closing() {
    _ = ClosingTarget(number: 3, fileIndex: 0)  // error: 'ClosingTarget' initializer is inaccessible
}

func ring() {
    _ = RingIdentity(1)  // error: 'RingIdentity' initializer is inaccessible
}
