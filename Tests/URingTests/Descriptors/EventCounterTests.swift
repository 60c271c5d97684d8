// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

@Suite struct EventCounterTests {
    @Test func countsUntilItIsTaken() throws {
        let counter = try EventCounter(5)
        try counter.add()
        try counter.add(10)
        var taken = counter.take()
        #expect(taken == 16)
        taken = counter.take()
        #expect(taken == 0)
        try counter.add(.max - 1)
        #expect(throws: Errno.resourceTemporarilyUnavailable) { try counter.add() }
        #expect(throws: Errno.invalidArgument) { try counter.add(.max) }
        taken = counter.take()
        #expect(taken == UInt64.max - 1)
    }

    @Test func doesNotBlockAndIsNotInherited() throws {
        let counter = try EventCounter()
        let isAsSaid = counter.descriptor.isNonBlocking && counter.descriptor.isCloseOnExec
        #expect(isAsSaid)
    }

    @Test func wakesAPollThatHoldsIt() throws {
        var ring = try Ring<Int>(entries: 8)
        do {
            let counter = try EventCounter()
            try ring.prepare(Poll(counter, for: .input), tag: 1)
            try ring.submit()
            try ring.expectNoCompletion()
            expectHeld(counter.descriptor)
            try counter.add()
        }
        #expect(try ring.nextCompletionWaiting().take(Poll.self).result.get() == .input)
    }

    @Test func saysThatThereAreTooManyDescriptors() async {
        await #expect(processExitsWith: .success) {
            _ = try withDescriptorLimit(0) {
                #expect(throws: Errno.tooManyOpenFiles) { _ = try EventCounter() }
            }
        }
    }
}
