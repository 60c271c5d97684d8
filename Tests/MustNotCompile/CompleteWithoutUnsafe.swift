// SPDX-License-Identifier: Apache-2.0
// Rule: what a completion says is believed, of bytes that were written and of numbers that are descriptors; so making a result of an entry that
// the kernel did not give for the operation has to be marked.

import URing

func showBytesThatNobodyWrote(_ read: consuming Read<Buffer>) -> Int {
    _ = read.complete(CompletionEntry(result: 4096), kernelData: NoKernelData())  // error: uses unsafe constructs but is not marked
    return read.memory.count
}

func initializeNothing(_ buffer: inout Buffer) {
    buffer.didInitialize(byteCount: 4096)  // error: uses unsafe constructs but is not marked
}

func ownAnyNumber(_ open: consuming OpenAt<Descriptor>) {
    _ = open.complete(CompletionEntry(result: 0), kernelData: NoKernelData())  // error: uses unsafe constructs but is not marked
}
