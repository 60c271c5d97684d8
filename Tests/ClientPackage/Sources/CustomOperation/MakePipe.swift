// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// The two ends of a pipe.
struct PipeEnds: ~Copyable {
    var reading: Descriptor
    var writing: Descriptor
}

/// Makes a pipe, `IORING_OP_PIPE`: an operation with memory that the kernel writes, and a result that owns something.
struct MakePipe: SingleShotOperation, ~Copyable {
    /// What the kernel writes; it lies beside the operation, at an address that stays.
    struct Numbers: BitwiseCopyable {
        var reading: Int32 = -1
        var writing: Int32 = -1
    }

    static var opcode: Opcode { Opcode(rawValue: 62) }

    static var minimumKernel: KernelVersion { KernelVersion(6, 16) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<Numbers>) {
        // SAFETY: the kernel data is uninitialised, and the kernel writes two numbers to it before the operation completes.
        unsafe kernelData.initialize(to: Numbers())
        entry.opcode = Self.opcode
        unsafe entry.address = UInt64(UInt(bitPattern: kernelData))
        // Close-on-exec, O_CLOEXEC.
        entry.operationFlags = 0o2000000
    }

    // Called for every completion, also for those that nobody takes: the descriptors in it never leak.
    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing Numbers) -> Result<PipeEnds, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        // SAFETY: the kernel has just made both descriptors for this operation, so nobody else knows them.
        return unsafe .success(
            PipeEnds(
                reading: Descriptor(adopting: FileDescriptor(rawValue: kernelData.reading)),
                writing: Descriptor(adopting: FileDescriptor(rawValue: kernelData.writing))))
    }
}
