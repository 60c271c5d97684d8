// SPDX-License-Identifier: Apache-2.0

import CURing
import Testing

@testable import URing

/// Expects an operation to encode to the same 64 bytes as liburing's preparation function.
///
/// The closure prepares the other entry; it gets the operation and its kernel data where they lay while they were encoded.
@unsafe func expectEncoding<Op: Operation & ~Copyable>(
    of operation: consuming Op, ringIdentity: UInt32 = 0, sourceLocation: SourceLocation = #_sourceLocation,
    is reference: (UnsafeMutableRawPointer, UnsafeMutablePointer<Op>, UnsafeMutablePointer<Op.KernelData>) -> Void
) {
    let entry = UnsafeMutablePointer<curing_sqe>.allocate(capacity: 1)
    let expected = UnsafeMutablePointer<curing_sqe>.allocate(capacity: 1)
    let payload = UnsafeMutablePointer<Op>.allocate(capacity: 1)
    let kernelData = UnsafeMutablePointer<Op.KernelData>.allocate(capacity: 1)
    unsafe entry.initialize(to: curing_sqe())
    unsafe expected.initialize(to: curing_sqe())
    unsafe payload.initialize(to: operation)
    withTable(ringIdentity: ringIdentity) { table in
        unsafe payload.pointee.encode(into: SubmissionEntry(entry, of: table), kernelData: kernelData)
    }
    unsafe reference(UnsafeMutableRawPointer(expected), payload, kernelData)
    let actualBytes = unsafe [UInt8](UnsafeRawBufferPointer(start: entry, count: 64))
    let expectedBytes = unsafe [UInt8](UnsafeRawBufferPointer(start: expected, count: 64))
    #expect(actualBytes == expectedBytes, sourceLocation: sourceLocation)
    unsafe payload.deinitialize(count: 1)
    unsafe payload.deallocate()
    unsafe kernelData.deallocate()
    unsafe entry.deallocate()
    unsafe expected.deallocate()
}

/// The submission queue entry that an operation encodes to.
func encodedEntry<Op: Operation & ~Copyable>(of operation: consuming Op, ringIdentity: UInt32) -> curing_sqe {
    var operation = operation
    var entry = curing_sqe()
    let kernelData = UnsafeMutablePointer<Op.KernelData>.allocate(capacity: 1)
    withTable(ringIdentity: ringIdentity) { table in
        unsafe operation.encode(into: SubmissionEntry(&entry, of: table), kernelData: kernelData)
    }
    unsafe kernelData.deallocate()
    return entry
}

/// Calls a function with the table of a ring that has this identity and is no ring; without one for zero.
private func withTable(ringIdentity: UInt32, _ body: (InFlightTable?) -> Void) {
    guard ringIdentity != 0 else { return body(nil) }
    do {
        let table = try InFlightTable(tag: UInt64.self, identity: ringIdentity)
        body(table)
        table.orphan()
    } catch {
        Issue.record(error)
    }
}

/// Marks an entry of liburing's to take a buffer of a group.
@unsafe func selectBuffer(in entry: UnsafeMutableRawPointer, group: UInt16, ioPriority: UInt16 = 0) {
    unsafe entry.storeBytes(of: 1 << 5, toByteOffset: 1, as: UInt8.self)
    unsafe entry.storeBytes(of: ioPriority, toByteOffset: 2, as: UInt16.self)
    unsafe entry.storeBytes(of: group, toByteOffset: 40, as: UInt16.self)
}
