// SPDX-License-Identifier: Apache-2.0
// Rule: encoding hands addresses to the kernel, which keeps them beyond the call; only the ring does it, and any call has to be marked.

import URing

func encode(_ operation: inout Nop, _ entry: borrowing SubmissionEntry, _ data: UnsafeMutablePointer<NoKernelData>) {
    operation.encode(into: entry, kernelData: data)  // error: uses unsafe constructs but is not marked
}
