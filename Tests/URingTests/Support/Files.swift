// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing
import URing

extension TemporaryDirectory {
    /// Opens a file of the directory for reading and writing, making it if there is none.
    func open(_ name: String, options: FileDescriptor.OpenOptions = .create) throws -> Descriptor {
        try Descriptor(opening: path.appending(name), .readWrite, options: options, permissions: .ownerReadWrite)
    }
}

/// Whether a pipe's other end is closed by all that had it, waiting for it to become so if that is what is expected.
///
/// A child that another test is about to start has the end for a moment too, until it executes its program.
private func otherEndIsClosed(_ end: borrowing Descriptor, event: Int32, isExpected: Bool) -> Bool {
    var request = pollfd(fd: end.unowned.fileDescriptor.rawValue, events: 0, revents: 0)
    _ = unsafe poll(&request, 1, isExpected ? 10_000 : 0)
    return Int32(request.revents) & event != 0
}

/// Expects that somebody has the read end of a pipe, or nobody, seen from its write end.
func expectReader(of writeEnd: borrowing Descriptor, exists: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    let isClosed = otherEndIsClosed(writeEnd, event: POLLERR, isExpected: !exists)
    #expect(isClosed != exists, "the read end", sourceLocation: sourceLocation)
}

/// Expects that somebody has the write end of a pipe, or that nobody has it any more, seen from its read end.
func expectWriter(of readEnd: borrowing Descriptor, exists: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    let isClosed = otherEndIsClosed(readEnd, event: POLLHUP, isExpected: !exists)
    #expect(isClosed != exists, "the write end", sourceLocation: sourceLocation)
}

/// Tells the test whether the kernel memory a value owns has been given back.
final class ReleaseWitness {}

/// Room for a read that is watched: the witness goes when the memory goes.
struct WatchedRoom: ByteDestination, ~Copyable {
    var buffer: Buffer
    let witness: ReleaseWitness

    init(byteCapacity: Int, witness: ReleaseWitness) {
        buffer = Buffer(byteCapacity: byteCapacity)
        self.witness = witness
    }

    @unsafe var kernelRoom: UnsafeMutableRawBufferPointer {
        mutating get { unsafe buffer.kernelRoom }
    }
    var initializedByteCount: Int { buffer.initializedByteCount }
    var byteCapacity: Int { buffer.byteCapacity }
    mutating func didInitialize(byteCount: Int) { unsafe buffer.didInitialize(byteCount: byteCount) }
}

/// More address space than one operation can transfer, of which pages come to be when they are touched.
@safe struct HugeRoom: ByteDestination, ByteSource, ~Copyable {
    let byteCapacity: Int
    var initializedByteCount = 0
    private let base: UnsafeMutableRawPointer

    init(byteCapacity: Int) {
        self.byteCapacity = byteCapacity
        // SAFETY: an anonymous mapping of the value's own, until `deinit`.
        let mapping = unsafe mmap(nil, byteCapacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else { preconditionFailure("no address space") }
        unsafe base = mapping
    }

    deinit {
        unsafe munmap(base, byteCapacity)
    }

    @unsafe var kernelRoom: UnsafeMutableRawBufferPointer {
        mutating get { unsafe UnsafeMutableRawBufferPointer(start: base, count: byteCapacity) }
    }
    @unsafe var kernelBytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: base, count: initializedByteCount) }
    mutating func didInitialize(byteCount: Int) { initializedByteCount = byteCount }

    func copyBytes() -> [UInt8] { unsafe [UInt8](kernelBytes) }
}
