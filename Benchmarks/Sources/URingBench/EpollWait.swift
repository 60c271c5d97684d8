// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// Waits for events of an epoll set, `IORING_OP_EPOLL_WAIT`.
///
/// The result is how many there are.
///
/// - Requires: Linux 6.15.
struct EpollWait: SingleShotOperation, ~Copyable {
    /// An event is packed: its kind, and eight bytes of the program's.
    private static let eventByteCount = 12

    private let set: FileHold
    private let maximumCount: Int
    private var memory: Buffer

    init(_ set: borrowing Descriptor, maximumCount: Int) {
        self.set = set.hold()
        self.maximumCount = maximumCount
        memory = Buffer(byteCapacity: maximumCount * EpollWait.eventByteCount)
    }

    /// The program's word of an event.
    func data(_ index: Int) -> UInt32 {
        // SAFETY: the offset is checked, and any bytes are a number.
        unsafe memory.bytes.unsafeLoadUnaligned(fromByteOffset: index * EpollWait.eventByteCount + 4, as: UInt32.self)
    }

    static var opcode: Opcode { .epollWait }

    static var minimumKernel: KernelVersion { KernelVersion(6, 15) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .epollWait
        entry.setFile(set)
        // SAFETY: the memory is the operation's own until its completion.
        unsafe entry.address = UInt64(UInt(bitPattern: memory.kernelRoom.baseAddress))
        entry.length = UInt32(maximumCount)
    }

    @unsafe mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        // SAFETY: the kernel has written so many events.
        unsafe memory.didInitialize(byteCount: Int(completion.result) * EpollWait.eventByteCount)
        return .success(Int(completion.result))
    }
}
