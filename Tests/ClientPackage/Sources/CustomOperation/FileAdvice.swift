// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// Tells the kernel how a file is going to be read, `IORING_OP_FADVISE`: an operation of which the kernel touches no memory.
struct FileAdvice: SingleShotOperation, ~Copyable {
    /// What is going to happen, `POSIX_FADV_*`.
    enum Advice: UInt32 {
        case normal = 0
        case random = 1
        case sequential = 2
        case willNeed = 3
        case doNotNeed = 4
    }

    /// The file, kept open until the operation is done.
    var file: FileHold
    var advice: Advice

    init(_ file: borrowing some FileResource & ~Copyable, _ advice: Advice) {
        self.file = file.hold()
        self.advice = advice
    }

    static var opcode: Opcode { Opcode(rawValue: 24) }

    static var minimumKernel: KernelVersion { KernelVersion(5, 6) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = Self.opcode
        entry.setFile(file)
        entry.operationFlags = advice.rawValue
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Void, Errno> {
        completion.status
    }
}
