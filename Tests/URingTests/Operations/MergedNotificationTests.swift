// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct MergedNotificationTests {
    typealias Send = MergedNotification<SendZeroCopy<CountedMemory>>

    private func send(
        _ socket: borrowing some FileResource & ~Copyable, _ ledger: Ledger, count: Int, flags: SendFlags = []
    ) -> Send {
        MergedNotification(
            SendZeroCopy(
                socket, from: CountedMemory(ledger, byteCapacity: count, filledWith: 3), flags: flags, reportsUsage: true))
    }

    @Test func encodesAsTheSend() {
        let file = UnownedDescriptor(FileDescriptor(rawValue: 5))
        unsafe expectEncoding(of: MergedNotification(SendZeroCopy(file, from: Buffer(copying: [1, 2]), reportsUsage: true))) {
            entry, send, _ in
            unsafe reference_prep_send_zc(entry, 5, send.pointee.base.memory.kernelBytes.baseAddress, 2, Int32(MSG_NOSIGNAL), 8)
        }
        unsafe expectEncoding(of: MergedNotification(SendToZeroCopy(file, from: Buffer(copying: [1, 2]), to: .ipv4Loopback(port: 7)))) {
            entry, send, kernelData in
            unsafe reference_prep_send_zc_to(
                entry, 5, send.pointee.base.memory.kernelBytes.baseAddress, 2, Int32(MSG_NOSIGNAL), 0, kernelData, 16)
        }
    }

    @Test func hasOneCompletionAfterTheNotification() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        let token = try ring.prepare(send(connection.sender, ledger, count: 100_000), tag: 7)
        // The result comes, and the ring keeps it.
        try ring.submit(waitingFor: 1)
        try ring.expectNoCompletion()
        #expect(ring.outstandingNotifications == 1 && ledger.aliveCount == 1)
        _ = try connection.drain(100_000)
        let completion = try ring.nextCompletionWaiting()
        #expect(completion.tag == 7 && completion.hasMore == false)
        let completed = completion.take(token)
        let (result, usage) = (completed.result, completed.operation.usage)
        #expect(result == .success(100_000) && usage == .copied)
        #expect(ledger.aliveCount == 1 && ring.inFlightCount == 0 && ring.outstandingNotifications == 0)
        drop(completed)
        #expect(ledger.isSettled)
        try ring.expectNoCompletion()
    }

    @Test func runsAgainAndAgainWithAddresses() throws {
        var ring = try Ring<Int>(entries: 8)
        let receiver = try Descriptor.socket(.ipv4, .datagram)
        try receiver.bind(to: .ipv4Loopback(port: 0))
        let sender = try Descriptor.socket(.ipv4, .datagram)
        var operation = MergedNotification(
            SendToZeroCopy(sender, from: Buffer(copying: pattern(100)), to: try receiver.localAddress(), reportsUsage: true))
        for round in 0..<20 {
            operation.base.start = round
            let completed = try ring.run(operation)
            let (result, usage) = (completed.result, completed.operation.usage)
            #expect(result == .success(100 - round) && usage == .copied)
            #expect(receiver.receiveBounded() == Array(pattern(100)[round...]))
            operation = completed.operation
        }
    }

    @Test func hasOneCompletionForAShortSend() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection(sendBufferSize: 65536)
        try ring.prepare(send(connection.sender, ledger, count: 1 << 20), tag: 0)
        try ring.submit(waitingFor: 1)
        try ring.expectNoCompletion()
        let sender = connection.closeReceiver()
        let completed = try ring.nextCompletionWaiting().take(Send.self)
        let sent = try completed.result.get()
        #expect(sent > 0 && sent < 1 << 20)
        drop(completed)
        #expect(ledger.isSettled && !sender.isHeld && ring.inFlightCount == 0)
    }

    @Test func hasOneCompletionForAFailure() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let unix = try DescriptorPair.sockets()
        let failed = try ring.run(send(unix.first, ledger, count: 10))
        let result = failed.result
        #expect(result == .failure(.notSupportedOnSocket) && ring.inFlightCount == 0)
        drop(failed)
        #expect(ledger.isSettled)
    }

    @Test func hasOneCompletionForASendThatIsRefusedBeforehand() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        let refused = SendZeroCopy(pair.client, from: CountedMemory(ledger, byteCapacity: 10, filledWith: 1))
        let failed = try ring.run(MergedNotification(RefusedSend(base: refused)))
        let result = failed.result
        #expect(result == .failure(.invalidArgument) && ring.inFlightCount == 0 && ring.outstandingNotifications == 0)
        drop(failed)
        #expect(ledger.isSettled)
    }

    @Test func hasOneCompletionWhenItIsCancelled() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection(sendBufferSize: 16384)
        let token = try ring.prepare(send(connection.sender, ledger, count: 1 << 20, flags: .waitAll), tag: 0)
        try ring.submit()
        try ring.expectNoCompletion()
        let outcome = try ring.run(Cancel(token), tag: 1).result.get()
        #expect(outcome == .found)
        try ring.expectNoCompletion()
        #expect(ring.outstandingNotifications == 1 && ledger.aliveCount == 1)
        let sender = connection.closeReceiver()
        let completed = try ring.nextCompletionWaiting().take(Send.self)
        let sent = try completed.result.get()
        #expect(sent > 0 && sent < 1 << 20)
        drop(completed)
        #expect(ledger.isSettled && !sender.isHeld)
    }

    @Test func hasOneCompletionWhenItsTimeIsUp() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection(sendBufferSize: 16384)
        let send = send(connection.sender, ledger, count: 1 << 20, flags: .waitAll)
        try ring.prepare(send, tag: 0, timeout: .after(.milliseconds(20)))
        for _ in 0..<100 where ring.outstandingNotifications == 0 {
            try ring.submit(waitingFor: 1, timeout: .seconds(1))
            try ring.expectNoCompletion()
        }
        // What was sent by then is with the receiver, who has not read it.
        try ring.expectNoCompletion()
        #expect(ring.outstandingNotifications == 1 && ledger.aliveCount == 1 && ring.inFlightCount == 1)
        let sender = connection.closeReceiver()
        let completed = try ring.nextCompletionWaiting().take(Send.self)
        let sent = try completed.result.get()
        #expect(sent > 0 && sent < 1 << 20)
        #expect(completed.timedOut == true)
        #expect(ring.outstandingNotifications == 0 && ring.inFlightCount == 0)
        drop(completed)
        #expect(ledger.isSettled && !sender.isHeld)
    }

    @Test func hasOneCompletionInAChain() throws {
        let ledger = Ledger()
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        try ring.link { chain in
            try chain.prepare(send(pair.client, ledger, count: 1000, flags: .waitAll), tag: 0)
            try chain.prepare(send(pair.client, ledger, count: 2000, flags: .waitAll), tag: 1)
        }
        for tag in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == tag)
            let completed = completion.take(Send.self)
            let (result, isCutOff) = (completed.result, completed.cancelledByLink)
            #expect(result == .success(1000 * (tag + 1)) && !isCutOff)
        }
        #expect(ledger.isSettled && ring.inFlightCount == 0 && ring.outstandingNotifications == 0)
        try ring.expectNoCompletion()
        #expect(pair.server.receiveBounded(4000) == [UInt8](repeating: 3, count: 3000))
    }

    @Test func goesWithItsRing() throws {
        let ledger = Ledger()
        let connection = try StalledConnection(sendBufferSize: 16384)
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(send(connection.sender, ledger, count: 1 << 20, flags: .waitAll), tag: 0)
        try ring.submit()
        try ring.prepare(send(connection.sender, ledger, count: 10), tag: 1)
        #expect(ledger.aliveCount == 2)
        let sender = connection.closeReceiver()
        drop(ring)
        #expect(ledger.isSettled && !sender.isHeld)
    }
}
