// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct SendReceiveTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 5))
    private let noSignal = Int32(MSG_NOSIGNAL)

    // MARK: Encoding

    @Test func encodesSendsLikeLiburing() {
        unsafe expectEncoding(of: Send(file, from: Buffer(copying: pattern(10)), startingAt: 4, flags: [.more, .waitAll])) {
            entry, send, _ in
            unsafe reference_prep_send(
                entry, 5, send.pointee.memory.kernelBytes.baseAddress.map { unsafe $0 + 4 }, 6,
                noSignal | Int32(MSG_MORE) | Int32(MSG_WAITALL))
        }
    }

    @Test func encodesSendsToAddressesLikeLiburing() {
        unsafe expectEncoding(of: SendTo(file, from: Buffer(copying: pattern(10)), to: .ipv6Loopback(port: 3))) { entry, send, kernelData in
            unsafe reference_prep_sendto(entry, 5, send.pointee.memory.kernelBytes.baseAddress, 10, noSignal, kernelData, 28)
        }
    }

    @Test func encodesReceivesLikeLiburing() {
        unsafe expectEncoding(of: Receive(file, into: Buffer(byteCapacity: 100), flags: [.peek, .doNotWait])) { entry, receive, _ in
            unsafe reference_prep_recv(
                entry, 5, receive.pointee.memory.kernelRoom.baseAddress, 100, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        }
    }

    @Test func encodesPollingFirst() {
        unsafe expectEncoding(of: Send(file, from: Buffer(copying: [1]), pollFirst: true)) { entry, send, _ in
            unsafe reference_prep_send(entry, 5, send.pointee.memory.kernelBytes.baseAddress, 1, noSignal)
            unsafe entry.storeBytes(of: 1, toByteOffset: 2, as: UInt16.self)
        }
        let sendTo = SendTo(file, from: Buffer(copying: [1]), to: .ipv4Loopback(port: 3), flags: .more, pollFirst: true)
        unsafe expectEncoding(of: sendTo) { entry, send, kernelData in
            unsafe reference_prep_sendto(
                entry, 5, send.pointee.memory.kernelBytes.baseAddress, 1, noSignal | Int32(MSG_MORE), kernelData, 16)
            unsafe entry.storeBytes(of: 1, toByteOffset: 2, as: UInt16.self)
        }
        unsafe expectEncoding(of: Receive(file, into: Buffer(byteCapacity: 1), pollFirst: true)) { entry, receive, _ in
            unsafe reference_prep_recv(entry, 5, receive.pointee.memory.kernelRoom.baseAddress, 1, 0)
            unsafe entry.storeBytes(of: 1, toByteOffset: 2, as: UInt16.self)
        }
    }

    @Test func namesTheFlagsAsTheSystemDoes() {
        #expect(SendFlags.outOfBand.rawValue == UInt32(MSG_OOB))
        #expect(SendFlags.doNotRoute.rawValue == UInt32(MSG_DONTROUTE))
        #expect(SendFlags.doNotWait.rawValue == UInt32(MSG_DONTWAIT))
        #expect(SendFlags.endOfRecord.rawValue == UInt32(MSG_EOR))
        #expect(SendFlags.waitAll.rawValue == UInt32(MSG_WAITALL))
        #expect(SendFlags.confirm.rawValue == UInt32(MSG_CONFIRM))
        #expect(SendFlags.more.rawValue == UInt32(MSG_MORE))
        #expect(SendFlags.fastOpen.rawValue == UInt32(MSG_FASTOPEN))
        #expect(ReceiveFlags.outOfBand.rawValue == UInt32(MSG_OOB))
        #expect(ReceiveFlags.peek.rawValue == UInt32(MSG_PEEK))
        #expect(ReceiveFlags.truncate.rawValue == UInt32(MSG_TRUNC))
        #expect(ReceiveFlags.doNotWait.rawValue == UInt32(MSG_DONTWAIT))
        #expect(ReceiveFlags.waitAll.rawValue == UInt32(MSG_WAITALL))
        #expect(ReceiveFlags.errorQueue.rawValue == UInt32(MSG_ERRQUEUE))
        // MSG_CMSG_COMPAT has no name in the headers.
        #expect(ReceiveFlags(rawValue: 0x8000_0002) == .peek && ReceiveFlags(rawValue: .max).rawValue == 0x7fff_ffff)
        // A zero-copy send outlives its completion, so this operation must not become one.
        #expect(SendFlags(rawValue: UInt32(MSG_ZEROCOPY)).kernelBits == UInt32(MSG_NOSIGNAL))
    }

    // MARK: Round trips

    @Test func sendsAndReceivesOverTCP() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        let bytes = pattern(5000, seed: 3)
        for round in 0..<10 {
            let sent = try ring.run(Send(pair.client, from: Buffer(copying: bytes), flags: .waitAll, pollFirst: round % 2 == 1))
            #expect(try sent.result.get() == 5000)
            var memory = Buffer(byteCapacity: 5000)
            while memory.count < 5000 {
                let start = memory.count
                let received = try ring.run(Receive(pair.server, into: memory, startingAt: start, pollFirst: round % 3 == 1))
                try #require(received.entry.result > 0)
                memory = received.operation.memory
            }
            #expect(memory.copyBytes() == bytes)
        }
        try ring.run(Shutdown(pair.client, .sending)).result.get()
        let end = try ring.run(Receive(pair.server, into: Buffer(byteCapacity: 10)))
        #expect(end.entry.result == 0)
        #expect(end.operation.memory.count == 0)
    }

    @Test func sendsDatagramsToAddresses() throws {
        var ring = try Ring<Int>(entries: 8)
        let abstract = try SocketAddress(unixAbstract: "uring-sendto-\(getpid())")
        for any in [SocketAddress.ipv4Loopback(port: 0), .ipv6Loopback(port: 0), abstract] {
            let receiver = try Descriptor.socket(any.domain, .datagram)
            try receiver.bind(to: any)
            let sender = try Descriptor.socket(any.domain, .datagram)
            let sent = try ring.run(SendTo(sender, from: Buffer(copying: pattern(300)), to: try receiver.localAddress(), startingAt: 100))
            #expect(sent.entry.result == 200)
            #expect(sent.operation.address == (try receiver.localAddress()))
            // Room for half of it: the rest of the datagram is lost, its size is told on demand.
            let received = try ring.run(Receive(receiver, into: Buffer(byteCapacity: 100), flags: [.truncate, .peek]))
            #expect(received.entry.result == 200)
            #expect(received.operation.memory.copyBytes() == Array(pattern(300)[100..<200]))
            let again = try ring.run(Receive(receiver, into: Buffer(byteCapacity: 100)))
            #expect(again.entry.result == 100)
        }
    }

    @Test func waitsForAllBytesOnDemand() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        try ring.prepare(Receive(pair.first, into: Buffer(copying: [9, 9, 9], byteCapacity: 8), startingAt: 2, flags: .waitAll), tag: 1)
        try ring.submit()
        #expect(pair.second.sendNow([1, 2, 3]) == 3)
        try ring.processPending()
        #expect(ring.readyCount == 0)
        #expect(pair.second.sendNow([4, 5, 6]) == 3)
        let received = try ring.nextCompletionWaiting().take(Receive<Buffer>.self)
        #expect(received.entry.result == 6)
        #expect(received.operation.memory.copyBytes() == [9, 9, 1, 2, 3, 4, 5, 6])
    }

    @Test func doesNotWaitForASecondDatagram() throws {
        var ring = try Ring<Int>(entries: 8)
        let receiver = try Descriptor.socket(.ipv4, .datagram)
        try receiver.bind(to: .ipv4Loopback(port: 0))
        try ring.prepare(Receive(receiver, into: Buffer(byteCapacity: 300), flags: .waitAll), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        let sender = try Descriptor.socket(.ipv4, .datagram)
        var other = try Ring<Int>(entries: 8)
        let sent = try other.run(SendTo(sender, from: Buffer(copying: pattern(100)), to: try receiver.localAddress(), flags: .waitAll))
        #expect(sent.entry.result == 100)
        let received = try ring.nextCompletionWaiting().take(Receive<Buffer>.self)
        #expect(received.operation.memory.copyBytes() == pattern(100))
    }

    @Test func neverShowsBytesThatTCPDidNotWrite() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        #expect(pair.client.sendNow([1, 2, 3]) == 3)
        let received = try ring.run(Receive(pair.server, into: Buffer(copying: [7, 7], byteCapacity: 64), startingAt: 2, flags: .truncate))
        #expect(received.entry.result == 3)
        #expect(received.operation.memory.copyBytes() == [7, 7, 0, 0, 0])
    }

    @Test func comesBackToBeUsedAgain() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        var receive = Receive(pair.first, into: Buffer(byteCapacity: 16))
        for round in 0..<50 {
            try ring.prepare(receive, tag: round)
            try ring.submit()
            #expect(pair.second.sendNow(pattern(10, seed: round)) == 10)
            let completed = try ring.nextCompletionWaiting().take(Receive<Buffer>.self)
            #expect(completed.operation.memory.copyBytes() == pattern(10, seed: round))
            receive = completed.operation
        }
    }

    // MARK: Errors

    @Test func reportsTheKernelsErrors() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let empty = try ring.run(Receive(pair.first, into: Buffer(byteCapacity: 1), flags: .doNotWait)).entry.errno
        #expect(empty == .resourceTemporarilyUnavailable)
        let alone = try Descriptor.socket(.ipv4, .stream)
        let unconnected = try ring.run(Receive(alone, into: Buffer(byteCapacity: 1))).entry.errno
        #expect(unconnected == .socketNotConnected)
        let datagrams = try Descriptor.socket(.ipv4, .datagram)
        let nowhere = try ring.run(Send(datagrams, from: Buffer(copying: [1]))).entry.errno
        #expect(nowhere == Errno(rawValue: EDESTADDRREQ))
        let large = try ring.run(SendTo(datagrams, from: Buffer(copying: pattern(70_000)), to: .ipv4Loopback(port: 9))).entry.errno
        #expect(large == Errno(rawValue: EMSGSIZE))
        let closed = UnownedDescriptor(FileDescriptor(rawValue: -1))
        let bad = try ring.run(Send(closed, from: Buffer(copying: [1])))
        #expect(bad.entry.errno == .badFileDescriptor)
        #expect(bad.operation.memory.copyBytes() == [1])
        let badReceive = try ring.run(Receive(closed, into: Buffer(copying: [1], byteCapacity: 2), startingAt: 1))
        #expect(badReceive.entry.errno == .badFileDescriptor)
        #expect(badReceive.operation.memory.copyBytes() == [1])
    }

    @Test func aClosedPeerIsAnErrorAndNoSignal() throws {
        var ring = try Ring<Int>(entries: 8)
        for isTCP in [false, true] {
            let sender: Descriptor
            if isTCP {
                let pair = try TCPPair()
                sender = pair.client
                drop(pair.server)
            } else {
                let pair = try DescriptorPair.sockets()
                sender = pair.first
                drop(pair.second)
            }
            // The first send to a closed TCP connection may still succeed; it brings the reset.
            var last: Errno?
            for _ in 0..<1000 where last != .brokenPipe {
                last = try ring.run(Send(sender, from: Buffer(copying: [1]))).entry.errno
            }
            #expect(last == .brokenPipe)
            // Still here, and also with flags of one's own.
            let again = try ring.run(Send(sender, from: Buffer(copying: [1]), flags: .more)).entry.errno
            #expect(again == .brokenPipe)
        }
    }

    @Test func trapsWithoutRoom() async {
        expectSentence(
            "A receive needs room: the memory is empty or full.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                _ = try ring.run(Receive(UnownedDescriptor.standardInput, into: Buffer(byteCapacity: 0)))
            })
        expectSentence(
            "A receive must start within the initialised bytes, or right behind them.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                _ = try ring.run(Receive(UnownedDescriptor.standardInput, into: Buffer(byteCapacity: 10), startingAt: 1))
            })
        expectSentence(
            "A send must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                var send = Send(UnownedDescriptor.standardInput, from: Buffer(copying: [1, 2]))
                send.start = -1
                _ = try ring.run(send)
            })
        expectSentence(
            "A send must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                _ = try ring.run(Send(UnownedDescriptor.standardInput, from: Buffer(copying: [1, 2]), startingAt: 3))
            })
    }

    @Test(arguments: [-1, 3]) func trapsWhenASendToStartsOutside(start: Int) async {
        expectSentence(
            "A send must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [start] in
                var ring = try Ring<Int>(entries: 2)
                let address = SocketAddress.ipv4Loopback(port: 9)
                let bytes = Buffer(copying: [1, 2])
                _ = try ring.run(SendTo(UnownedDescriptor.standardInput, from: bytes, to: address, startingAt: start))
            })
    }

    // MARK: In flight

    /// Memory that notes when it is freed.
    private final class Watch {}

    private struct WatchedMemory: ByteDestination, ~Copyable {
        var buffer: Buffer
        let watch: Watch

        var kernelRoom: UnsafeMutableRawBufferPointer { mutating get { unsafe buffer.kernelRoom } }
        var initializedByteCount: Int { buffer.initializedByteCount }
        var byteCapacity: Int { buffer.byteCapacity }
        mutating func didInitialize(byteCount: Int) { unsafe buffer.didInitialize(byteCount: byteCount) }
    }

    @Test func aReceiveOnAnIdleSocketIsLetGoWithTheRing() throws {
        let pair = try TCPPair()
        weak var watch: Watch?
        var ring = try Ring<Int>(entries: 8)
        do {
            let strong = Watch()
            watch = strong
            try ring.prepare(Receive(pair.server, into: WatchedMemory(buffer: Buffer(byteCapacity: 4096), watch: strong)), tag: 0)
        }
        try ring.submit()
        #expect(watch != nil && pair.server.isHeld && ring.inFlightCount == 1)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(watch == nil && !pair.server.isHeld)
        // The connection is none the worse for it.
        #expect(pair.client.sendNow([5]) == 1)
        #expect(pair.server.receiveBounded() == [5])
    }

    @Test func aSocketDroppedWhileAReceiveWaitsIsClosedWhenTheReceiveIsDone() throws {
        let pair = try DescriptorPair.sockets()
        let peer = pair.second
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Receive(pair.first, into: Buffer(byteCapacity: 16)), tag: 0)
        try ring.submit()
        drop(pair.first)
        // Still open: the peer can send, and the receive gets it.
        #expect(peer.sendNow([1, 2]) == 2)
        let received = try ring.nextCompletionWaiting().take(Receive<Buffer>.self)
        #expect(received.operation.memory.copyBytes() == [1, 2])
        drop(received)
        #expect(peer.receiveBounded() == [])
    }

    @Test func aSendThatWaitsForRoomIsLetGoWithTheRing() throws {
        let pair = try DescriptorPair.sockets()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Send(pair.first, from: Buffer(copying: pattern(1 << 20)), flags: .waitAll), tag: 0)
        try ring.submit()
        #expect(ring.inFlightCount == 1 && ring.readyCount == 0)
        drop(ring)
        #expect(pair.first.isHeld == false)
        // What was sent is the beginning, untouched.
        var received: [UInt8] = []
        while received.count < 1000, let more = pair.second.receiveBounded(1000), !more.isEmpty { received += more }
        #expect(received.prefix(1000) == pattern(1000)[...])
    }
}
