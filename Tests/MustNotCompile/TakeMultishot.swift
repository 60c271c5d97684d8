// SPDX-License-Identifier: Apache-2.0
// Rule: an operation that completes repeatedly is not taken while it goes on: take(_:) is for those that complete once, event(_:) for the
// others.

import CURing
import SystemPackage
import URing

/// A multishot operation of this file's own.
struct Repeated: MultishotOperation, ~Copyable {
    static var opcode: Opcode { .nop }
    static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .nop
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        completion.count
    }
}

func takeByType(_ completion: consuming Completion<Int>) {
    _ = completion.take(Repeated.self)  // error: instance method 'take' requires that 'Repeated' conform to 'SingleShotOperation'
}

func takeByToken(_ completion: consuming Completion<Int>, _ token: Token<Repeated>) {
    _ = completion.take(token)  // error: instance method 'take' requires that 'Repeated' conform to 'SingleShotOperation'
}
