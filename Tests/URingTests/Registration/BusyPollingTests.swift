// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

@Suite struct BusyPollingTests {
    @Test func settingsAreTakenAndTold() throws {
        var ring = try Ring<Int>(entries: 8)
        let first = BusyPolling(time: .microseconds(50), isPreferred: true)
        let none = try ring.setBusyPolling(first)
        #expect(none == nil)
        let second = BusyPolling(time: .milliseconds(2), tracking: .named)
        let previous = try ring.setBusyPolling(second)
        #expect(previous == first)
        // The kernel looks no queue up: any number that could be one will do.
        try ring.addPolledQueue(1_000_000)
        #expect(throws: Errno.fileExists) { try ring.addPolledQueue(1_000_000) }
        try ring.removePolledQueue(1_000_000)
        #expect(throws: Errno.noSuchFileOrDirectory) { try ring.removePolledQueue(1_000_000) }
        #expect(throws: Errno.invalidArgument) { try ring.addPolledQueue(0) }
        let last = try ring.setBusyPolling(nil)
        #expect(last?.time == second.time)
        let noneToEnd = try ring.setBusyPolling(nil)
        #expect(noneToEnd == nil)
        let noneAgain = try ring.setBusyPolling(first)
        #expect(noneAgain == nil)
    }

    @Test func aRingThatPollsItsFilesDoesNotTakeIt() throws {
        var ring = try Ring<Int>(entries: 8, options: RingOptions(.ioPolling))
        #expect(throws: Errno.invalidArgument) { try ring.setBusyPolling(BusyPolling(time: .microseconds(50))) }
    }

    @Test func operationsCompleteWithPolling() throws {
        var ring = try Ring<Int>(entries: 8)
        let sockets = try TCPPair()
        try ring.setBusyPolling(BusyPolling(time: .microseconds(100), isPreferred: true))
        for byte in UInt8(0)..<20 {
            try ring.prepare(Receive(sockets.server, into: Buffer(byteCapacity: 8)), tag: 1)
            try ring.submit()
            #expect(sockets.client.sendNow([byte]) == 1)
            let received = try ring.nextCompletionWaiting().take(Receive<Buffer>.self)
            #expect(received.operation.memory.copyBytes() == [byte])
        }
    }
}
