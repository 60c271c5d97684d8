// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct RingSetupTests {
    private func failure(entries: Int, options: RingOptions = .recommended) -> RingSetupError? {
        do throws(RingSetupError) {
            _ = try Ring<Int>(entries: entries, options: options)
            return nil
        } catch {
            return error
        }
    }

    @Test func recommendedTakesAllThatTheReferenceKernelHas() throws {
        let ring = try Ring<Int>(entries: 8)
        #expect(ring.flags.isSuperset(of: [.singleIssuer, .deferredTaskRun, .submitsAll, .noSubmissionArray]))
        #expect(ring.missingOptions.isEmpty)
        #expect(ring.submissionQueueEntries == 8 && ring.completionQueueEntries == 16)
        #expect(ring.features.isSuperset(of: [.singleMapping, .noDrop, .extendedArgument, .fastPoll]))
    }

    @Test func anOptionalFlagTheKernelLacksIsGivenUpAndNamed() throws {
        var options = RingOptions.recommended
        options.flags.insert(.rewindsSubmissions)
        options.optional.insert(.rewindsSubmissions)
        var ring = try Ring<Int>(entries: 8, options: options)
        #expect(ring.missingOptions == .rewindsSubmissions)
        #expect(!ring.flags.contains(.rewindsSubmissions) && ring.flags.contains(.deferredTaskRun))
        let completed = try ring.run(Nop())
        #expect(completed.result == .success(0))
    }

    @Test func aRequiredFlagTheKernelLacksIsAnError() throws {
        let flags = RingOptions.Flags(rawValue: 1 << 30)
        let error = try #require(failure(entries: 8, options: RingOptions(flags)))
        #expect(error.errno == .invalidArgument)
        #expect(error.cause == .unsupportedOptions(flags))
        #expect(error.description.contains("0x40000000"))
    }

    @Test func flagsThatExcludeEachOtherAreAnError() throws {
        let error = try #require(failure(entries: 8, options: RingOptions(.deferredTaskRun)))
        #expect(error.cause == .unsupportedOptions(.deferredTaskRun))
    }

    @Test(arguments: [0, -1, Int.min, 32769, 1 << 31, 1 << 32, Int.max])
    func aCountTheKernelDoesNotTakeIsAnError(entries: Int) throws {
        let error = try #require(failure(entries: entries, options: RingOptions()))
        #expect(error.cause == .entryCount(entries))
        #expect(error.description.hasPrefix("No ring: a ring cannot have \(entries) entries"))
    }

    @Test(arguments: [0, -1, 1, 65537, 1 << 32, Int.max])
    func aCompletionQueueTheKernelDoesNotTakeIsAnError(count: Int) throws {
        var options = RingOptions()
        options.completionQueueEntries = count
        let error = try #require(failure(entries: 8, options: options))
        #expect(error.cause == .completionQueueEntries(count))
    }

    @Test(arguments: [-1, Int.max]) func aProcessorThatCannotBeIsAnError(processor: Int) throws {
        var options = RingOptions()
        options.submissionPolling = .init(processor: processor)
        let error = try #require(failure(entries: 8, options: options))
        #expect(error.errno == .invalidArgument)
    }

    @Test func sizesAreCappedWhenAskedFor() throws {
        let ring = try Ring<Int>(entries: 1_000_000)
        #expect(ring.submissionQueueEntries == 32768)
    }

    @Test func aFilteredSystemCallIsNamed() async {
        await #expect(processExitsWith: .success) {
            precondition(test_forbid_rings(EPERM) == 0)
            do throws(RingSetupError) {
                _ = try Ring<Int>(entries: 8)
                fatalError("it was forbidden")
            } catch {
                precondition(error.errno == .notPermitted && error.cause == .forbidden)
                precondition(error.description.contains("seccomp"))
            }
        }
    }

    @Test func aKernelWithoutRingsIsNamed() async {
        await #expect(processExitsWith: .success) {
            precondition(test_forbid_rings(ENOSYS) == 0)
            do throws(RingSetupError) {
                _ = try Ring<Int>(entries: 8)
                fatalError("it was forbidden")
            } catch {
                precondition(error.cause == .kernelWithoutRings && error.description.contains("no io_uring"))
            }
        }
    }

    @Test func theAdministratorsSettingIsNamed() {
        let restricted = RingSetupError(errno: .notPermitted, cause: .disabledByAdministrator(setting: 1)).description
        #expect(restricted.contains("kernel.io_uring_disabled is 1") && restricted.contains("kernel.io_uring_group"))
        let off = RingSetupError(errno: .notPermitted, cause: .disabledByAdministrator(setting: 2)).description
        #expect(off.contains("kernel.io_uring_disabled is 2") && !off.contains("kernel.io_uring_group"))
    }

    @Test func tooManyDescriptorsIsNamed() async {
        await #expect(processExitsWith: .success) {
            try withDescriptorLimit(3) {
                do throws(RingSetupError) {
                    _ = try Ring<Int>(entries: 8)
                    fatalError("there is no room for a descriptor")
                } catch {
                    precondition(error.cause == .tooManyDescriptors && error.description.contains("too many files"))
                }
            }
        }
    }

    @Test func theLimitOnLockedMemoryIsNamed() async {
        await #expect(processExitsWith: .success) {
            try #require(test_limit_locked_memory(64 * 1024) == 0)
            var error = #expect(throws: RingSetupError.self) { _ = try Ring<Int>(entries: 4096) }
            #expect(error?.errno == .noMemory && error?.cause == .lockedMemoryLimit)
            #expect(error?.description.contains("Linux before 5.12, and from 6.14 on, counts all rings of a user against it") == true)
            #expect(error?.description.contains("ulimit -l") == true)
            // The ring itself fits here, and the memory of its waits does not.
            var options = RingOptions.recommended
            options.registeredWaitCount = 1 << 16
            error = #expect(throws: RingSetupError.self) { _ = try Ring<Int>(entries: 1, options: options) }
            #expect(error?.errno == .noMemory && error?.cause == .lockedMemoryLimit)
        }
    }

    @Test func aRingMakesDoWithFewAddresses() async {
        await #expect(processExitsWith: .success) {
            try Memory.limitMapped(toFurther: 64 << 20)
            var ring = try Ring<Int>(entries: 8)
            for tag in 0..<10_000 { try ring.prepare(Timeout(after: .seconds(3600)), tag: tag) }
            try ring.submit()
            precondition(ring.inFlightCount == 10_000)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs the right to lock memory")) func aRingTakesLittleOfAProcessThatLocksItsMemory() async {
        await #expect(processExitsWith: .success) {
            try #require(mlockall(Int32(MCL_FUTURE)) == 0)
            let before = try Memory.now().resident
            var ring = try Ring<Int>(entries: 8)
            for tag in 0..<1000 { try ring.prepare(Timeout(after: .seconds(3600)), tag: tag) }
            try ring.submit()
            #expect(try Memory.now().resident - before < 64 << 20)
        }
    }

    @Test func tooFewAddressesAreNamed() async {
        await #expect(processExitsWith: .success) {
            try Memory.limitMapped(toFurther: 8 << 20)
            do throws(RingSetupError) {
                _ = try Ring<Int>(entries: 8)
                fatalError("there is no room for the table")
            } catch {
                precondition(error.errno == .noMemory && error.cause == .addressSpaceLimit && error.description.contains("ulimit -v"))
            }
            let left = try openDescriptors()
            precondition(!left.contains { $0.contains("io_uring") })
        }
    }

    @Test func moreOperationsThanThereAreAddressesForAreAnError() async {
        await #expect(processExitsWith: .success) {
            try Memory.limitMapped(toFurther: 40 << 20)
            var ring = try Ring<Int>(entries: 512)
            var count = 0
            do throws(Errno) {
                while count < 300_000 {
                    try ring.prepare(Timeout(after: .seconds(3600)), tag: count)
                    count += 1
                }
            } catch {
                try #require(error == .noMemory)
            }
            try #require(count > 100_000 && count < 300_000)
            try #require(throws: ChainError.failed(.noMemory)) {
                try ring.link { chain throws(ChainError) in try chain.prepare(Nop(), tag: 0) }
            }
            try ring.submit()
            try #require(throws: Errno.noMemory) { try ring.close(cancelling: Descriptor(opening: "/dev/null"), tag: 0) }
            // Nothing is left behind of those that were refused, and what there was goes on.
            try #require(ring.inFlightCount == count && ring.availableEntries == ring.submissionQueueEntries)
            let cancelled = try ring.cancelAll()
            try #require(cancelled > 0)
            try ring.submit(waitingFor: 1)
            drop(ring.nextCompletion())
            try ring.prepare(Nop(), tag: 0)
        }
    }

    @Test func theProbeKnowsWhatTheKernelHas() throws {
        let ring = try Ring<Int>(entries: 8)
        let probe = try ring.probe()
        #expect(probe.supports(Nop.self) && probe.supports(Read<Buffer>.self) && probe.supports(.sendZeroCopy))
        #expect(!probe.supports(Opcode(rawValue: 250)))
    }
}
