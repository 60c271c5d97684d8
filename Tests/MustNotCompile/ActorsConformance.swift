// SPDX-License-Identifier: Apache-2.0
// Rule: what an operation is made of belongs to no actor. A hold that a conformance of an actor's gives would count in the actor's region, and
// leave it with the operation.

import SystemPackage
import URing

@MainActor
final class Holder: @MainActor FileResource {  // error: cannot form main actor-isolated conformance
    let descriptor: Descriptor

    init(_ descriptor: consuming sending Descriptor) { self.descriptor = descriptor }

    func hold() -> FileHold { descriptor.hold() }
}

@MainActor
struct Memory: ~Copyable, @MainActor ByteSource {  // error: main actor-isolated conformance // error: does not conform to protocol
    var lease: BufferLease

    @unsafe var kernelBytes: UnsafeRawBufferPointer { unsafe lease.kernelBytes }
}

@MainActor
struct Wait: ~Copyable, @MainActor SingleShotOperation {  // error: main actor-isolated conformance // error: does not conform to protocol
    static var opcode: Opcode { .nop }
    static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {}
    @unsafe mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        .success(())
    }
}
