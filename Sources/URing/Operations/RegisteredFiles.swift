// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Installs a direct descriptor as a normal one, beside its slot.
///
/// The result is the new descriptor, close-on-exec; the slot keeps the file as well.
///
/// - Requires: Linux 6.8, `IORING_OP_FIXED_FD_INSTALL`.
/// - Important: The kernel touches no memory.
///
/// The liburing function is `io_uring_prep_fixed_fd_install`; see `io_uring_prep_fixed_fd_install(3)`.
@frozen
public struct InstallDescriptor: SingleShotOperation, ~Copyable {
    /// The slot, kept until the operation is done.
    public var file: FileHold
    /// Whether programs that are started inherit the new descriptor.
    public var isInherited: Bool

    /// Makes the operation.
    ///
    /// - Parameters:
    ///   - file: The direct descriptor.
    ///   - isInherited: Whether programs that are started inherit the new descriptor.
    @inlinable @inline(__always)
    public init(_ file: borrowing DirectDescriptor, isInherited: Bool = false) {
        self.file = file.hold()
        self.isInherited = isInherited
    }

    @inlinable public static var opcode: Opcode { .fixedFdInstall }

    @inlinable public static var minimumKernel: KernelVersion { KernelVersion(6, 8) }

    @inlinable @inline(__always)
    @unsafe public mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .fixedFdInstall
        entry.setFile(file)
        entry.operationFlags = isInherited ? CURING_FIXED_FD_NO_CLOEXEC : 0
    }

    @inlinable @inline(__always)
    @unsafe public mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Descriptor, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        return .success(Descriptor(received: completion.result))
    }
}
