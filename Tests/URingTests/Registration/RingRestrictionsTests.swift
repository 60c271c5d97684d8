// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

@Suite struct RingRestrictionsTests {
    /// A ring that allows no more than this.
    private func restrictedRing(_ restrictions: RingRestrictions) throws -> Ring<Int> {
        var options = RingOptions.recommended
        options.flags.insert(.startsDisabled)
        var ring = try Ring<Int>(entries: 8, options: options)
        try ring.restrict(to: restrictions)
        try ring.enable()
        return ring
    }

    @Test func takesTheOperationsThatAreAllowed() throws {
        let pair = try DescriptorPair.pipe()
        try write(5, to: pair.second)
        var ring = try restrictedRing(RingRestrictions(operations: [.nop, .read]))
        #expect(try ring.run(Nop()).result.get() == 0)
        #expect(try ring.run(Read(pair.first, into: Buffer(byteCapacity: 1))).result.get() == 1)
        let written = try ring.run(Write(pair.second, from: Buffer(copying: [6])))
        #expect(written.entry.errno == .permissionDenied)
    }

    @Test func registersWhatIsAllowed() throws {
        var ring = try restrictedRing(RingRestrictions(operations: [], registrations: [.probe, .personalities]))
        #expect(try ring.probe().supports(.read))
        _ = try ring.registerPersonality()
        #expect(throws: Errno.permissionDenied) { _ = try ring.workerLimits() }
        #expect(throws: Errno.permissionDenied) { try ring.useClock(.bootTime) }
    }

    @Test func everyRegistrationHasItsNumber() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [1] as [UInt8])
        var ring = try restrictedRing(
            RingRestrictions(
                operations: [.openAt, .read],
                registrations: [
                    .files, .fileAllocationRange, .buffers, .buffersUpdate, .bufferRings, .bufferRingStatus, .events, .ringDescriptor,
                    .clock,
                    .resize, .workerLimits, .workerProcessors,
                ]))
        let table = try ring.makeFileTable(count: 4, allocating: 0..<2)
        let file = try ring.run(OpenAt(path, .readOnly, into: table.anySlot)).result.get()
        #expect(try ring.run(Read(file, into: Buffer(byteCapacity: 8))).result.get() == 1)
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 16)
        try buffers.unregister(slot: 0)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 16)
        #expect(pool.availableCount == 2)
        try ring.registerDescriptor()
        try ring.useClock(.bootTime)
        try ring.resize(entries: 16)
        _ = try ring.workerLimits()
        try ring.setWorkerProcessors([0])
        try ring.setWorkerProcessors(nil)
    }

    @Test func aTableThatCannotBeMadeAsAskedForIsNone() throws {
        var ring = try restrictedRing(RingRestrictions(operations: [], registrations: [.files]))
        #expect(throws: FileTableError.self) { _ = try ring.makeFileTable(count: 4, allocating: 0..<2) }
        let table = try ring.makeFileTable(count: 4)
        #expect(table.count == 4)
    }

    @Test func entriesHaveTheFlagsThatAreRequired() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [1] as [UInt8])
        let file = try Descriptor(opening: path)
        var options = RingOptions.recommended
        options.flags.insert(.startsDisabled)
        var ring = try Ring<Int>(entries: 8, options: options)
        try ring.restrict(to: RingRestrictions(operations: [.read], registrations: [.files], requiredFlags: .directDescriptor))
        let table = try ring.makeFileTable(count: 2, allocating: 0..<1)
        guard let chosen = table.slot(1) else { throw Errno.noSpace }
        let slot = try table.register(file, in: chosen)
        try ring.enable()
        let refused = try ring.run(Read(file, into: Buffer(byteCapacity: 1))).entry.errno
        #expect(refused == .permissionDenied)
        #expect(try ring.run(Read(slot, into: Buffer(byteCapacity: 1))).result.get() == 1)
    }

    @Test func entriesHaveNoOtherFlagsThanThoseAllowed() throws {
        var ring = try restrictedRing(RingRestrictions(operations: [.nop], allowedFlags: .asynchronous))
        try ring.prepare(Nop(), tag: 1, options: .asynchronous)
        var errno = try ring.nextCompletionWaiting().take(Nop.self).entry.errno
        #expect(errno == nil)
        try ring.prepare(Nop(), tag: 2, options: .drain)
        errno = try ring.nextCompletionWaiting().take(Nop.self).entry.errno
        #expect(errno == .permissionDenied)
    }

    @Test func comesToItsEndWithOperationsInFlight() throws {
        let pair = try DescriptorPair.pipe()
        var ring = try restrictedRing(RingRestrictions(operations: [.read]))
        try ring.prepare(Read(pair.first, into: Buffer(byteCapacity: 1)), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        let leftovers = ring.close(deadline: .seconds(10))
        #expect(leftovers.isEmpty)
        expectHeld(pair.first, false)
    }

    @Test func closesWhatIsInItsFileTable() throws {
        let other = try DescriptorPair.pipe()
        var ring = try restrictedRing(RingRestrictions(operations: [.filesUpdate], registrations: [.files]))
        let table = try ring.makeFileTable(count: 1)
        let slot = try ring.run(RegisterDescriptor(other.first, into: table.anySlot)).result.get()
        drop(other.first)
        expectReader(of: other.second, exists: true)
        drop(slot)
        expectReader(of: other.second, exists: false)
    }

    /// A kernel of 5.10 does not know half of what releases; here it is a number that no kernel knows yet.
    @Test func whatTheKernelDoesNotKnowIsLeftOut() throws {
        let unknown = RingRestrictions.Registration(rawValue: 255)
        var options = RingOptions.recommended
        options.flags.insert(.startsDisabled)
        var ring = try Ring<Int>(entries: 8, options: options)
        let restrictions = RingRestrictions(operations: [.read], registrations: [.probe])
        try ring.restrict(to: restrictions, with: [unknown] + restrictions.implied)
        try ring.enable()
        #expect(try ring.probe().supports(.read))
        #expect(throws: Errno.permissionDenied) { _ = try ring.workerLimits() }
        // What is known is still allowed: the ring can cancel.
        let pair = try DescriptorPair.pipe()
        let token = try ring.prepare(Read(pair.first, into: Buffer(byteCapacity: 1)), tag: 1)
        try ring.submit()
        let outcome = try ring.cancel(token)
        #expect(outcome == .found)
        var other = try Ring<Int>(entries: 8, options: options)
        #expect(throws: Errno.invalidArgument) { try other.restrict(to: RingRestrictions(operations: [], registrations: [unknown])) }
    }

    @Test(arguments: [
        RingRestrictions(operations: [.read, .nop]),
        RingRestrictions(operations: [.read, .nop, .linkTimeout], requiredFlags: .asynchronous),
    ])
    func aLimitThatIsRefusedIsNotUp(restrictions: RingRestrictions) throws {
        var ring = try restrictedRing(restrictions)
        let pair = try DescriptorPair.pipe()
        try ring.prepare(
            Read(pair.first, into: Buffer(byteCapacity: 1)), tag: 1, timeout: .after(.seconds(60)), options: .asynchronous)
        let read = try ring.nextCompletionWaiting().take(Read<Buffer>.self)
        #expect(read.entry.errno == .canceled)
        let timedOut = read.timedOut
        #expect(!timedOut)
    }

    @Test func isRestrictedOnceAndBeforeItIsEnabled() throws {
        var ring = try Ring<Int>(entries: 8)
        #expect(throws: Errno(rawValue: 77)) { try ring.restrict(to: RingRestrictions(operations: [])) }
        var options = RingOptions()
        options.flags.insert(.startsDisabled)
        var disabled = try Ring<Int>(entries: 8, options: options)
        #expect(throws: Errno.invalidArgument) { try disabled.restrict(to: RingRestrictions(operations: [Opcode(rawValue: 255)])) }
        try disabled.restrict(to: RingRestrictions(operations: []))
        #expect(throws: Errno.resourceBusy) { try disabled.restrict(to: RingRestrictions(operations: [])) }
    }
}
