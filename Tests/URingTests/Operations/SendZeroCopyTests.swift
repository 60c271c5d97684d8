// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CTestSupport
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct SendZeroCopyTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 5))

    @Test func encodesLikeLiburing() {
        let send = SendZeroCopy(
            file, from: Buffer(copying: pattern(10)), startingAt: 4, flags: [.more, .waitAll], pollFirst: true, reportsUsage: true)
        unsafe expectEncoding(of: send) { entry, send, _ in
            unsafe reference_prep_send_zc(
                entry, 5, send.pointee.memory.kernelBytes.baseAddress.map { unsafe $0 + 4 }, 6,
                Int32(MSG_NOSIGNAL) | Int32(MSG_MORE) | Int32(MSG_WAITALL), 1 | 8)
        }
        unsafe expectEncoding(of: SendZeroCopy(file, from: Buffer(copying: [1, 2]))) { entry, send, _ in
            unsafe reference_prep_send_zc(entry, 5, send.pointee.memory.kernelBytes.baseAddress, 2, Int32(MSG_NOSIGNAL), 0)
        }
        let sendTo = SendToZeroCopy(
            file, from: Buffer(copying: pattern(10)), to: .ipv6Loopback(port: 3), startingAt: 1, flags: .confirm, pollFirst: true,
            reportsUsage: true)
        unsafe expectEncoding(of: sendTo) { entry, send, kernelData in
            unsafe reference_prep_send_zc_to(
                entry, 5, send.pointee.memory.kernelBytes.baseAddress.map { unsafe $0 + 1 }, 9,
                Int32(MSG_NOSIGNAL) | Int32(MSG_CONFIRM), 1 | 8, kernelData, 28)
        }
    }

    @Test func encodesRegisteredMemoryLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096)
        var slice = try buffers.expectBuffer(slot: 3)
        slice.append(repeating: 1, count: 100)
        let send = SendZeroCopy(file, from: slice, startingAt: 40, pollFirst: true, reportsUsage: true)
        unsafe expectEncoding(of: send, ringIdentity: ring.core.table.identity) { entry, send, _ in
            unsafe reference_prep_send_zc_fixed(
                entry, 5, send.pointee.memory.kernelBytes.baseAddress.map { unsafe $0 + 40 }, 60, Int32(MSG_NOSIGNAL), 1 | 8, 3)
        }
        slice = try buffers.expectBuffer(slot: 2)
        slice.append(repeating: 1, count: 100)
        let sendTo = SendToZeroCopy(file, from: slice, to: .ipv4Loopback(port: 3))
        unsafe expectEncoding(of: sendTo, ringIdentity: ring.core.table.identity) { entry, send, kernelData in
            unsafe reference_prep_send_zc_to(
                entry, 5, send.pointee.memory.kernelBytes.baseAddress, 100, Int32(MSG_NOSIGNAL), 4, kernelData, 16)
            unsafe entry.storeBytes(of: 2, toByteOffset: 40, as: UInt16.self)
        }
    }

    @Test func neverAsksForNotificationsOnTheSocket() {
        unsafe expectEncoding(of: SendZeroCopy(file, from: Buffer(copying: [1]), flags: SendFlags(rawValue: UInt32(MSG_ZEROCOPY)))) {
            entry, send, _ in
            unsafe reference_prep_send_zc(entry, 5, send.pointee.memory.kernelBytes.baseAddress, 1, Int32(MSG_NOSIGNAL), 0)
        }
    }

    @Test func sendsOverTCPAgainAndAgain() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        var send = SendZeroCopy(pair.client, from: Buffer(copying: pattern(5000)), flags: .waitAll, reportsUsage: true)
        for round in 0..<20 {
            send.start = round
            send.pollFirst = round % 2 == 1
            let completed = try ring.runToNotification(send, tag: round)
            let (result, usage) = (completed.result, completed.operation.usage)
            #expect(result == .success(5000 - round))
            // The bytes stay on this machine, so the kernel copied them.
            #expect(usage == .copied)
            #expect(pair.server.receiveBounded(10_000) == Array(pattern(5000)[round...]))
            send = completed.operation
        }
    }

    @Test func sendsRegisteredMemoryWhichIsFreeAgainAfterTheNotification() throws {
        var ring = try Ring<Int>(entries: 8)
        let connection = try StalledConnection()
        let buffers = try ring.makeRegisteredBuffers(count: 1, byteCount: 65536)
        var slice = try buffers.expectBuffer()
        slice.append(Buffer(copying: pattern(65536)).bytes)
        try ring.prepare(SendZeroCopy(connection.sender, from: slice, reportsUsage: true), tag: 0)
        let sent = try ring.nextCompletionWaiting().event(SendZeroCopy<RegisteredSlice>.self).expectMore()
        #expect(sent == 65536)
        try ring.expectNoCompletion()
        buffers.expectNoBuffer()
        #expect(try connection.drain(65536) == pattern(65536))
        let completed = try ring.nextCompletionWaiting().event(SendZeroCopy<RegisteredSlice>.self).expectFinished()
        let usage = completed.operation.usage
        #expect(usage == .copied)
        buffers.expectNoBuffer()
        drop(completed)
        #expect(buffers.freeCount == 1)
    }

    @Test func registeredMemoryOfAnotherRingIsAnErrorWithANotification() throws {
        var other = try Ring<Int>(entries: 8)
        let buffers = try other.makeRegisteredBuffers(count: 1, byteCount: 4096)
        var slice = try buffers.expectBuffer()
        slice.append(repeating: 1, count: 100)
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        let completed = try ring.runToNotification(SendZeroCopy(pair.client, from: slice), tag: 0)
        let result = completed.result
        #expect(result == .failure(.badAddress))
    }

    /// One that is cut off has no notification.
    @Test func forgetsWhatItWasToldBefore() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        let first = try ring.runToNotification(SendZeroCopy(pair.client, from: Buffer(copying: [1]), reportsUsage: true), tag: 0)
        let usage = first.operation.usage
        #expect(usage == .copied)
        var again: SendZeroCopy<Buffer>? = first.operation
        try ring.link { chain in
            try chain.prepare(Read(UnownedDescriptor(FileDescriptor(rawValue: -1)), into: Buffer(byteCapacity: 1)), tag: 1)
            guard let again = again.take() else { return }
            try chain.prepare(again, tag: 2)
        }
        drop(try ring.nextCompletionWaiting())
        let cutOff = try ring.nextCompletionWaiting().event(SendZeroCopy<Buffer>.self).expectFinished()
        let (result, usageThen) = (cutOff.result, cutOff.operation.usage)
        #expect(result == .failure(.canceled) && usageThen == nil)
    }

    @Test func tellsNothingOfTheUsageUnlessAsked() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        let completed = try ring.runToNotification(SendZeroCopy(pair.client, from: Buffer(copying: [1])), tag: 0)
        let usage = completed.operation.usage
        #expect(usage == nil)
    }

    @Test func sendsDatagramsToAddresses() throws {
        var ring = try Ring<Int>(entries: 8)
        for any in [SocketAddress.ipv4Loopback(port: 0), .ipv6Loopback(port: 0)] {
            let receiver = try Descriptor.socket(any.domain, .datagram)
            try receiver.bind(to: any)
            let sender = try Descriptor.socket(any.domain, .datagram)
            let address = try receiver.localAddress()
            let send = SendToZeroCopy(sender, from: Buffer(copying: pattern(300)), to: address, startingAt: 100, reportsUsage: true)
            let completed = try ring.runToNotification(send, tag: 0)
            let (result, usage, sentTo) = (completed.result, completed.operation.usage, completed.operation.address)
            #expect(result == .success(200) && usage == .copied && sentTo == address)
            #expect(receiver.receiveBounded(1000) == Array(pattern(300)[100...]))
        }
    }

    /// What sends over virtual Ethernet told.
    private struct Report: Sendable {
        var entering: Int32 = 0
        var sent: [Int] = []
        var usages: [ZeroCopyUsage?] = []
        var packetsThatArrived = 0
    }

    /// Sends datagrams through a network of the calling thread's own.
    private func sendOverVirtualEthernet(byteCount: Int, count: Int) throws -> Report {
        var report = Report()
        report.entering = test_enter_network()
        guard report.entering == 0 else { return report }
        var ring = try Ring<Int>(entries: 8)
        let socket = try Descriptor.socket(.ipv4, .datagram)
        try socket.connectBlocking(to: .ipv4(10, 77, 0, 2, port: 9))
        // The device drops what it is given until the kernel has noticed, at some other time, that both its ends are up.
        let first = try packetCount(of: "far")
        for attempt in 0..<200_000 {
            drop(try ring.run(Send(socket, from: Buffer(copying: pattern(1))), tag: attempt))
            if try packetCount(of: "far") > first { break }
        }
        let before = try packetCount(of: "far")
        var send = SendZeroCopy(socket, from: Buffer(copying: pattern(byteCount)), reportsUsage: true)
        for tag in 0..<count {
            let completed = try ring.runToNotification(send, tag: tag)
            report.sent.append(try completed.result.get())
            report.usages.append(completed.operation.usage)
            send = completed.operation
        }
        report.packetsThatArrived = try packetCount(of: "far") - before
        return report
    }

    /// How many packets a device of the calling thread's network has received.
    private func packetCount(of device: String) throws -> Int {
        let lines = String(decoding: try contents(of: "/proc/thread-self/net/dev"), as: UTF8.self).split(separator: "\n")
        let line = try #require(lines.first { $0.drop { $0 == " " }.hasPrefix(device + ":") })
        return try #require(Int(line.split(separator: " ")[2]))
    }

    /// The namespace is the thread's, so the sends need one.
    private func reportOverVirtualEthernet(byteCount: Int, count: Int) throws -> Report {
        let handed = Handed<Result<Report, any Error>?>(nil)
        TestThread { handed.value = Result { try sendOverVirtualEthernet(byteCount: byteCount, count: count) } }.join()
        let report = try #require(handed.value).get()
        if report.entering == -EPERM { try Test.cancel("A network namespace wants CAP_SYS_ADMIN.") }
        try #require(report.entering == 0)
        return report
    }

    @Test func sendsOverVirtualEthernetWithoutCopying() throws {
        let report = try reportOverVirtualEthernet(byteCount: 1400, count: 100)
        #expect(report.sent == Array(repeating: 1400, count: 100))
        #expect(report.usages == Array(repeating: .zeroCopied, count: 100))
        #expect(report.packetsThatArrived >= 100)
    }

    @Test func saysWhenTheDeviceMadeTheKernelCopy() throws {
        // A datagram that does not fit into one packet is copied.
        let report = try reportOverVirtualEthernet(byteCount: 16_000, count: 20)
        #expect(report.usages == Array(repeating: .copied, count: 20))
    }

    @Test func reportsTheKernelsErrorOfAnAddress() throws {
        var ring = try Ring<Int>(entries: 8)
        let sender = try Descriptor.socket(.ipv4, .datagram)
        let send = SendToZeroCopy(sender, from: Buffer(copying: [1]), to: .ipv6Loopback(port: 9))
        let completed = try ring.runToNotification(send, tag: 0)
        let result = completed.result
        #expect(result == .failure(Errno(rawValue: EAFNOSUPPORT)))
    }

    @Test func trapsOutsideTheBytes() async {
        expectSentence(
            "A send must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                try ring.prepare(SendZeroCopy(UnownedDescriptor.standardInput, from: Buffer(copying: [1, 2]), startingAt: 3), tag: 0)
            })
        expectSentence(
            "A send must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                let send = SendToZeroCopy(
                    UnownedDescriptor.standardInput, from: Buffer(copying: [1, 2]), to: .ipv4Loopback(port: 9), startingAt: -1)
                try ring.prepare(send, tag: 0)
            })
    }

    @Test func aSendThatWaitsForRoomIsLetGoWithTheRing() throws {
        let ledger = Ledger()
        let connection = try StalledConnection(sendBufferSize: 16384)
        var ring = try Ring<Int>(entries: 8)
        let memory = CountedMemory(ledger, byteCapacity: 1 << 20, filledWith: 9)
        try ring.prepare(SendZeroCopy(connection.sender, from: memory, flags: .waitAll), tag: 0)
        try ring.submit()
        try ring.expectNoCompletion()
        #expect(ledger.aliveCount == 1)
        // The receiver goes, and the kernel lets go of what was sent; what was not is cancelled with the ring.
        let sender = connection.closeReceiver()
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(ledger.isSettled && !sender.isHeld)
    }
}
