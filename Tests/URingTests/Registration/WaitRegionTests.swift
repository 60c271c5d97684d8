// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage
import Testing

@testable import URing

@Suite struct WaitRegionTests {
    private func options(registeredWaitCount: Int) -> RingOptions {
        var options = RingOptions.recommended
        options.registeredWaitCount = registeredWaitCount
        return options
    }

    @Test func waitsAreToldApartAndDescribedAnew() throws {
        var ring = try Ring<Int>(entries: 8, options: options(registeredWaitCount: 100))
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(Poll(pipe.first, for: .input), tag: 1)
        var waits: [RegisteredWait] = []
        for _ in 0..<100 { waits.append(try ring.registerWait(WaitOptions(until: .timeout(.seconds(3600))))) }
        ring.update(waits[70], to: WaitOptions(until: .timeout(.milliseconds(1))))
        let first = try ring.submit(waitingFor: 1, wait: waits[70])
        #expect(first == SubmitResult(submitted: 1, timedOut: true))
        ring.update(waits[70], to: WaitOptions(until: .timeout(.seconds(3600))))
        ring.update(waits[71], to: WaitOptions(until: .timeout(.milliseconds(1))))
        let second = try ring.submit(waitingFor: 1, wait: waits[71])
        #expect(second == SubmitResult(submitted: 0, timedOut: true))
        #expect(throws: Errno.noSpace) { try ring.registerWait(WaitOptions()) }
        try write(1, to: pipe.second)
        let third = try ring.submit(waitingFor: 1, wait: waits[70])
        #expect(third == SubmitResult(submitted: 0))
    }

    @Test func aRingMadeDisabledStaysSo() throws {
        var options = options(registeredWaitCount: 1)
        options.flags.insert(.startsDisabled)
        var ring = try Ring<Int>(entries: 8, options: options)
        #expect(ring.flags.contains(.startsDisabled))
        try ring.prepare(Nop(), tag: 1)
        let wait = try ring.registerWait(WaitOptions(until: .timeout(.seconds(60))))
        #expect(throws: Errno(rawValue: 77)) { try ring.submit(waitingFor: 1, wait: wait) }
        try ring.enable()
        let result = try ring.submit(waitingFor: 1, wait: wait)
        #expect(result.submitted + ring.readyCount >= 1)
        let plain = try Ring<Int>(entries: 8, options: self.options(registeredWaitCount: 1))
        #expect(!plain.flags.contains(.startsDisabled))
    }

    @Test func aRingMadeWithoutRoomHasNone() throws {
        var ring = try Ring<Int>(entries: 8)
        #expect(throws: Errno.noSpace) { try ring.registerWait(WaitOptions()) }
    }

    @Test(arguments: [-1, 65537, Int.max]) func aCountTheRingDoesNotTakeIsAnError(count: Int) throws {
        do throws(RingSetupError) {
            _ = try Ring<Int>(entries: 8, options: options(registeredWaitCount: count))
            Issue.record("there is a ring")
        } catch {
            #expect(error.cause == .registeredWaitCount(count))
        }
    }

    @Test func anotherRingsWaitTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var options = RingOptions.recommended
            options.registeredWaitCount = 1
            var first = try Ring<Int>(entries: 8, options: options)
            var second = try Ring<Int>(entries: 8, options: options)
            let wait = try first.registerWait(WaitOptions())
            _ = try second.registerWait(WaitOptions())
            try second.submit(waitingFor: 1, wait: wait)
        }
        expectSentence("This wait is another ring's; use it with the ring that registered it.", of: result)
    }
}
