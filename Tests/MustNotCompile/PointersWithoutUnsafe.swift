// SPDX-License-Identifier: Apache-2.0
// Rule: the addresses that operations encode are unsafe to ask for.

import URing

func addresses(_ buffer: inout Buffer) -> Int {
    buffer.kernelRoom.count + buffer.kernelBytes.count  // error: uses unsafe constructs but is not marked
}
