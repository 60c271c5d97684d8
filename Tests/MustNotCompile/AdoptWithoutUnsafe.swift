// SPDX-License-Identifier: Apache-2.0
// Rule: adopting a number that other code may close too is unsafe, and has to be marked.

import SystemPackage
import URing

func adopt(_ number: FileDescriptor) {
    _ = Descriptor(adopting: number)  // error: uses unsafe constructs but is not marked
}
