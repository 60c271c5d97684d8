// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

/// An operation of the tests' own with a counted life, which the kernel does nothing for.
protocol CountedOperation: Operation, ~Copyable where Success == Int {
    init(_ life: consuming Life)
    var number: Int { get }
}

/// Small enough for a slot.
struct InlineNop: SingleShotOperation, CountedOperation, ~Copyable {
    let life: Life

    init(_ life: consuming Life) { self.life = life }

    var number: Int { life.number }

    static var opcode: Opcode { .nop }

    static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .nop
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> { completion.count }
}

/// Too large for a slot.
struct BoxedNop: SingleShotOperation, CountedOperation, ~Copyable {
    let life: Life
    var ballast: InlineArray<64, UInt64>

    init(_ life: consuming Life) {
        ballast = .init(repeating: UInt64(life.number))
        self.life = life
    }

    var number: Int { ballast[63] == UInt64(life.number) && ballast[0] == UInt64(life.number) ? life.number : -1 }

    static var opcode: Opcode { .nop }

    static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .nop
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> { completion.count }
}

/// Small, with the largest alignment that Swift has.
struct AlignedNop: SingleShotOperation, CountedOperation, ~Copyable {
    let life: Life
    var aligned: SIMD2<UInt64>

    init(_ life: consuming Life) {
        aligned = SIMD2(repeating: UInt64(life.number))
        self.life = life
    }

    var number: Int { aligned == SIMD2(repeating: UInt64(life.number)) ? life.number : -1 }

    static var opcode: Opcode { .nop }

    static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .nop
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> { completion.count }
}

/// With kernel data, which must still be what it was when the operation completes.
struct DataNop: SingleShotOperation, CountedOperation, ~Copyable {
    typealias KernelData = curing_getevents_arg

    let life: Life
    var isIntact = true

    init(_ life: consuming Life) { self.life = life }

    var number: Int { isIntact ? life.number : -1 }

    static var opcode: Opcode { .nop }

    static var minimumKernel: KernelVersion { KernelVersion(5, 1) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<curing_getevents_arg>) {
        entry.opcode = .nop
        unsafe kernelData.initialize(
            to: curing_getevents_arg(sigmask: UInt64(life.number), sigmask_sz: 1, min_wait_usec: 2, ts: ~UInt64(life.number)))
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing curing_getevents_arg) -> Result<Int, Errno> {
        let (number, complement) = (kernelData.sigmask, kernelData.ts)
        isIntact = number == UInt64(life.number) && complement == ~UInt64(life.number)
        return completion.count
    }
}

/// A multishot operation of the tests' own: polls a file, and says which events there are.
struct WatchEvents: MultishotOperation, ~Copyable {
    let file: FileHold
    let life: Life

    init(_ file: borrowing some FileResource & ~Copyable, _ life: consuming Life) {
        self.file = file.hold()
        self.life = life
    }

    static var opcode: Opcode { .pollAdd }

    static var minimumKernel: KernelVersion { KernelVersion(5, 13) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .pollAdd
        entry.setFile(file)
        entry.length = CURING_POLL_ADD_MULTI
        entry.operationFlags = UInt32(POLLIN)
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> { completion.count }
}

/// A multishot operation of the tests' own whose results are resources: accepts connections.
struct AcceptAll: MultishotOperation, ~Copyable {
    let file: FileHold
    let life: Life

    init(_ file: borrowing some FileResource & ~Copyable, _ life: consuming Life) {
        self.file = file.hold()
        self.life = life
    }

    static var opcode: Opcode { .accept }

    static var minimumKernel: KernelVersion { KernelVersion(5, 19) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .accept
        entry.setFile(file)
        entry.ioPriority = CURING_ACCEPT_MULTISHOT
        entry.operationFlags = UInt32(SOCK_CLOEXEC.rawValue)
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Descriptor, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        return .success(Descriptor(received: completion.result))
    }
}

/// An operation of the tests' own whose result is a resource: hands over a descriptor through the kernel.
///
/// From when it is encoded only the completion stands for the descriptor, as for one that the kernel makes.
struct HandOver: SingleShotOperation, ~Copyable {
    let number: Int32

    init(_ descriptor: consuming Descriptor) { number = descriptor.relinquish().rawValue }

    static var opcode: Opcode { .nop }

    static var minimumKernel: KernelVersion { KernelVersion(6, 10) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .nop
        entry.length = UInt32(bitPattern: number)
        entry.operationFlags = CURING_NOP_INJECT_RESULT
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Descriptor, Errno> {
        guard completion.result == number else { return .failure(completion.errno ?? .invalidArgument) }
        return .success(Descriptor(received: number))
    }
}

/// Cancels an operation of the same ring.
struct CancelOther: SingleShotOperation, ~Copyable {
    let token: AnyToken

    init(_ token: AnyToken) { self.token = token }

    static var opcode: Opcode { .asyncCancel }

    static var minimumKernel: KernelVersion { KernelVersion(5, 5) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .asyncCancel
        entry.fileDescriptor = -1
        unsafe entry.address = entry.target(token)
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> { completion.count }
}
