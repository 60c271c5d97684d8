// SPDX-License-Identifier: Apache-2.0
// Rule: what may be an address for the kernel is unsafe to set, also for operations of one's own.

import URing

func write(anywhere: UInt64, _ entry: borrowing SubmissionEntry) {
    entry.opcode = .read
    entry.address = anywhere  // error: uses unsafe constructs but is not marked
    entry.offset = anywhere  // error: uses unsafe constructs but is not marked
    entry.address3 = anywhere  // error: uses unsafe constructs but is not marked
    entry.lastWord = anywhere  // error: uses unsafe constructs but is not marked
}
