// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct ReceiveMessageMultishotTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 9))

    /// A UDP socket of this machine, and another one to send to it.
    private struct UDPPair: ~Copyable {
        let receiver: Descriptor
        let sender: Descriptor
        let address: SocketAddress

        init() throws {
            let receiving = try Descriptor.socket(.ipv4, .datagram)
            try receiving.bind(to: .ipv4Loopback(port: 0))
            let sending = try Descriptor.socket(.ipv4, .datagram)
            try sending.bind(to: .ipv4Loopback(port: 0))
            let place = try receiving.localAddress()
            try sending.connectBlocking(to: place)
            address = place
            receiver = receiving
            sender = sending
        }
    }

    private func words(_ bytes: RawSpan) -> [UInt32] {
        unsafe bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { unsafe bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
        }
    }

    // MARK: Encoding

    @Test func encodesLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let identity = ring.core.table.identity
        let pool = try ring.makeBufferRing(count: 4, byteCount: 200, group: 5)
        let receive = ReceiveMessageMultishot(file, into: pool, addressByteCapacity: 28, controlByteCapacity: 100, pollFirst: true)
        unsafe expectEncoding(of: receive, ringIdentity: identity) { entry, _, room in
            unsafe reference_prep_recvmsg_multishot(entry, 9, room, UInt32(MSG_CMSG_CLOEXEC))
            unsafe selectBuffer(in: entry, group: 5, ioPriority: 1 << 0 | 1 << 1)
            // The structure is the system's, with room and no addresses.
            unsafe UnsafeRawPointer(room).withMemoryRebound(to: msghdr.self, capacity: 1) { header in
                #expect(unsafe MemoryLayout<msghdr>.size == 56 && MemoryLayout<MessageRoom>.stride == 56)
                #expect(unsafe header.pointee.msg_name == nil && header.pointee.msg_namelen == 28)
                #expect(unsafe header.pointee.msg_iov == nil && header.pointee.msg_iovlen == 0)
                #expect(unsafe header.pointee.msg_control == nil && header.pointee.msg_controllen == 100)
                #expect(unsafe header.pointee.msg_flags == 0)
            }
        }
    }

    @Test func roomThatCannotBeTraps() async {
        expectSentence(
            "A message needs room behind its header",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                // Sixteen bytes of header and 28 of address.
                let pool = try ring.makeBufferRing(count: 4, byteCount: 44)
                let pair = try DescriptorPair.sockets(.datagram)
                try ring.prepare(ReceiveMessageMultishot(pair.first, into: pool), tag: 1)
            })
        expectSentence(
            "A message needs room behind its header",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 4, byteCount: 4096, mode: .incremental(minimumLeft: 44))
                let pair = try DescriptorPair.sockets(.datagram)
                try ring.prepare(ReceiveMessageMultishot(pair.first, into: pool), tag: 1)
            })
        expectSentence(
            "Room for an address can be from 0 to 128 bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 4, byteCount: 4096)
                let pair = try DescriptorPair.sockets(.datagram)
                try ring.prepare(ReceiveMessageMultishot(pair.first, into: pool, addressByteCapacity: 129), tag: 1)
            })
        expectSentence(
            "Room for control data can be from 0 to 1 MiB.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 4, byteCount: 4096)
                let pair = try DescriptorPair.sockets(.datagram)
                try ring.prepare(ReceiveMessageMultishot(pair.first, into: pool, controlByteCapacity: -1), tag: 1)
            })
    }

    @Test func lessThanAHeaderTraps() async {
        expectSentence(
            "The kernel wrote less than a message's header.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 4, byteCount: 4096)
                drop(ReceivedMessage(pool.state.lease(named(0, result: 43)), room: MessageRoom(addressByteCount: 28, controlByteCount: 0)))
            })
    }

    // MARK: Round trips

    @Test(arguments: [BufferRing.Mode.whole, .incremental(minimumLeft: 150)])
    func receivesDatagramsWithAddresses(mode: BufferRing.Mode) throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 1000, mode: mode)
        let pair = try UDPPair()
        let from = try pair.sender.localAddress()
        try ring.prepare(ReceiveMessageMultishot(pair.receiver, into: pool), tag: 1)
        // Odd sizes, so that headers in an incremental buffer lie anywhere.
        for count in [1, 33, 100, 7, 99, 5] + Array(1...60) {
            #expect(pair.sender.sendNow(pattern(count)) == count)
            let message = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
            #expect(message.payload.copyBytes() == pattern(count))
            #expect(message.header.address == from && message.header.flags == [] && message.header.controlByteCount == 0)
        }
        try expectWhole(pool)
    }

    @Test func thePayloadIsSentOnWithoutACopy() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 256)
        let pair = try UDPPair()
        try ring.prepare(ReceiveMessageMultishot(pair.receiver, into: pool), tag: 1)
        for round in 0..<20 {
            #expect(pair.sender.sendNow(pattern(50, seed: round)) == 50)
            let message = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
            guard let sender = message.header.address else { throw NoCompletion() }
            try ring.prepare(SendTo(pair.receiver, from: message.takePayload(), to: sender), tag: 2)
            #expect(pool.leasedCount == 1)
            let sent = try ring.nextCompletionWaiting().take(SendTo<BufferLease>.self)
            #expect(sent.entry.result == 50 && pool.leaseCount == 1)
            drop(sent)
            #expect(pair.sender.receiveBounded() == pattern(50, seed: round))
        }
        try expectWhole(pool)
    }

    @Test(arguments: [(28, 0), (16, 0), (0, 0), (28, 40)])
    func saysWhatWasCutOfMoreThanTheBuffersAreFor(addressByteCapacity: Int, controlByteCapacity: Int) throws {
        var ring = try Ring<Int>(entries: 8)
        let byteCount = ReceiveMessageMultishot.bufferByteCount(
            forPayload: 84, addressByteCapacity: addressByteCapacity, controlByteCapacity: controlByteCapacity)
        let pool = try ring.makeBufferRing(count: 4, byteCount: byteCount)
        let pair = try UDPPair()
        try ring.prepare(
            ReceiveMessageMultishot(
                pair.receiver, into: pool, addressByteCapacity: addressByteCapacity, controlByteCapacity: controlByteCapacity),
            tag: 1)
        for (count, isCut) in [(84, false), (85, true), (500, true)] {
            #expect(pair.sender.sendNow(pattern(count)) == count)
            let message = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
            #expect(message.payload.copyBytes() == pattern(84))
            #expect(message.header.flags == (isCut ? .truncated : []))
        }
    }

    @Test func anAddressThatDoesNotFitIsNotTold() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 256)
        let pair = try UDPPair()
        try ring.prepare(ReceiveMessageMultishot(pair.receiver, into: pool, addressByteCapacity: 8), tag: 1)
        #expect(pair.sender.sendNow([1, 2, 3]) == 3)
        let message = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
        #expect(message.payload.copyBytes() == [1, 2, 3])
        #expect(message.header.address == nil)
    }

    // MARK: Control data

    @Test(arguments: [BufferRing.Mode.whole, .incremental(minimumLeft: 150)])
    func readsControlMessages(mode: BufferRing.Mode) throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 500, mode: mode)
        let pair = try DescriptorPair.sockets(.datagram)
        try pair.first.setOption(.passCredentials, to: true)
        let room = Message.controlByteCount(forPayload: 12)
        try ring.prepare(ReceiveMessageMultishot(pair.first, into: pool, controlByteCapacity: room), tag: 1)
        for count in [3, 1, 2, 4] {
            #expect(pair.second.sendNow(pattern(count)) == count)
            let message = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
            #expect(message.header.controlByteCount > 0 && message.payload.count == count)
            var numbers: [UInt32] = []
            message.header.forEachControlMessage { type, payload in
                #expect(type == .credentials)
                numbers += words(payload)
            }
            #expect(numbers == [UInt32(getpid()), getuid(), getgid()])
        }
    }

    private func send(_ pipe: WatchedPipe, over socket: borrowing Descriptor) throws {
        var other = try Ring<Int>(entries: 2)
        var message = Message(Buffer(copying: [7]), controlByteCapacity: Message.controlByteCount(forDescriptors: 1))
        pipe.giveWriter(to: &message)
        _ = try other.run(SendMessage(socket, message)).result.get()
    }

    @Test func givesReceivedDescriptors() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 256)
        let pair = try DescriptorPair.sockets(.datagram)
        let room = Message.controlByteCount(forDescriptors: 1)
        try ring.prepare(ReceiveMessageMultishot(pair.first, into: pool, controlByteCapacity: room), tag: 1)
        let pipe = try WatchedPipe()
        try send(pipe, over: pair.second)
        var message = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
        guard let descriptor = message.header.takeDescriptor() else { throw NoCompletion() }
        if message.header.takeDescriptor() != nil { Issue.record("a second descriptor") }
        #expect(descriptor.isCloseOnExec == true)
        drop(message)
        #expect(!pipe.isAbandoned)
        drop(descriptor)
        #expect(pipe.becomesAbandoned)
    }

    @Test func closesReceivedDescriptorsNobodyTakes() throws {
        let pair = try DescriptorPair.sockets(.datagram)
        let room = Message.controlByteCount(forDescriptors: 1)
        for way in 0..<4 {
            let pipe = try WatchedPipe()
            var ring = try Ring<Int>(entries: 8)
            let pool = try ring.makeBufferRing(count: 4, byteCount: 256)
            // The last has no room, so that nothing is received.
            try ring.prepare(ReceiveMessageMultishot(pair.first, into: pool, controlByteCapacity: way == 3 ? 0 : room), tag: 1)
            try send(pipe, over: pair.second)
            if way == 0 {
                // Nobody takes the result.
                drop(try ring.nextCompletionWaiting())
            } else if way == 1 {
                // Nobody takes the descriptor; the payload is kept.
                let message = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
                #expect(!pipe.isAbandoned)
                let payload = message.takePayload()
                #expect(pipe.becomesAbandoned && payload.copyBytes() == [7])
            } else if way == 2 {
                // The completion is never looked at.
                try ring.submit(waitingFor: 1)
                #expect(ring.readyCount == 1)
                drop(ring)
            } else {
                let message = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
                #expect(message.header.flags == .controlTruncated)
                #expect(message.payload.copyBytes() == [7])
            }
            #expect(pipe.becomesAbandoned)
        }
    }

    // MARK: Endings

    @Test func anEmptyDatagramIsNotTheEnd() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 256)
        let pair = try UDPPair()
        try ring.prepare(ReceiveMessageMultishot(pair.receiver, into: pool), tag: 1)
        try ring.submit()
        for _ in 0..<3 {
            #expect(pair.sender.sendNow([]) == 0)
            let ended = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectFinished()
            #expect(ended.ending == .rearm)
            try ring.prepare(ended.operation, tag: 1)
            let message = try ended.result.get()
            #expect(message.payload.count == 0)
            #expect(message.header.address == (try pair.sender.localAddress()))
        }
        #expect(pair.sender.sendNow([1]) == 1)
        let message = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
        #expect(message.payload.copyBytes() == [1])
        drop(message)
        try expectWhole(pool)
    }

    @Test func whatHasNoAddressMayBeTheEndOfAStream() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 256)
        let datagrams = try DescriptorPair.sockets(.datagram)
        try ring.prepare(ReceiveMessageMultishot(datagrams.first, into: pool), tag: 1)
        try ring.submit()
        #expect(datagrams.second.sendNow([]) == 0)
        let empty = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectFinished()
        #expect(empty.ending == .endOfStream)
        let pair = try TCPPair()
        try ring.prepare(ReceiveMessageMultishot(pair.server, into: pool), tag: 2)
        #expect(pair.client.sendNow([1, 2, 3]) == 3)
        let message = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
        #expect(message.payload.copyBytes() == [1, 2, 3])
        drop(pair.client)
        let ended = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectFinished()
        #expect(ended.ending == .endOfStream)
    }

    @Test func endsForWantOfBuffersOrWhenCancelledOrWithAnError() throws {
        var ring = try Ring<Int>(entries: 8)
        let pool = try ring.makeBufferRing(count: 2, byteCount: 256)
        let pair = try UDPPair()
        try ring.prepare(ReceiveMessageMultishot(pair.receiver, into: pool), tag: 1)
        for byte: UInt8 in 1...3 { #expect(pair.sender.sendNow([byte]) == 1) }
        let first = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
        let second = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
        let ended = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectFinished()
        #expect(ended.ending == .outOfBuffers && pool.canRearm == false && pool.exhaustionCount == 1)
        #expect(pool.leaseCount == 4)
        let payload = first.takePayload()
        #expect(pool.canRearm == false && pool.leaseCount == 3)
        #expect(payload.copyBytes() == [1] && second.payload.copyBytes() == [2])
        drop(payload)
        #expect(pool.canRearm == true)
        drop(second)
        let token = try ring.prepare(ended.operation, tag: 1)
        let third = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectMore()
        #expect(third.payload.copyBytes() == [3])
        drop(third)
        try ring.prepare(Cancel(token), tag: 2)
        try ring.submit(waitingFor: 2, timeout: .seconds(5))
        var endings: [MultishotEnding] = []
        while let completion = ring.nextCompletion() {
            if completion.tag == 1 { endings.append(try completion.event(ReceiveMessageMultishot.self).expectFinished().ending) }
        }
        #expect(endings == [.cancelled])
        let pipe = try DescriptorPair.pipe()
        try ring.prepare(ReceiveMessageMultishot(pipe.first, into: pool), tag: 3)
        let failed = try ring.nextCompletionWaiting().event(ReceiveMessageMultishot.self).expectFinished()
        #expect(failed.ending == .failed(.notSocket))
    }

    /// Its sockets refuse the flag that has descriptors closed on exec.
    @Test(.enabled(if: geteuid() == 0, "needs CAP_NET_RAW")) func packetsOfADeviceAreReceived() throws {
        var ring = try Ring<Int>(entries: 8)
        // ETH_P_ALL
        let everything = SocketProtocol(rawValue: Int32(UInt16(3).bigEndian))
        let device = try ring.run(Socket(.packet, .datagram, protocol: everything)).result.get()
        let pool = try ring.makeBufferRing(count: 4, byteCount: 1024)
        try ring.prepare(ReceiveMessage(device, into: Message(Buffer(byteCapacity: 512))), tag: 1)
        try ring.prepare(ReceiveMessageMultishot(device, into: pool, addressByteCapacity: 32), tag: 2)
        try ring.submit()
        var sender = try Ring<Int>(entries: 8)
        let socket = try sender.run(Socket(.ipv4, .datagram)).result.get()
        for _ in 0..<2 {
            let sent = try sender.run(SendTo(socket, from: Buffer(copying: [1, 2, 3]), to: .ipv4Loopback(port: 9)))
            #expect(try sent.result.get() == 3)
        }
        var tags: Set<Int> = []
        while tags.count < 2 {
            let completion = try ring.nextCompletionWaiting()
            if !tags.insert(completion.tag).inserted { continue }
            if completion.tag == 1 {
                let received = completion.take(ReceiveMessage.self)
                let address = received.operation.message.address
                #expect(try received.result.get() > 0 && address != nil)
            } else {
                let message = try completion.event(ReceiveMessageMultishot.self).expectMore()
                let isWhole = !message.payload.isEmpty && message.header.address != nil
                #expect(isWhole)
            }
        }
    }

    @Test func letsGoOfFileAndPoolWhenTheRingIsDropped() throws {
        let pair = try DescriptorPair.sockets(.datagram)
        do {
            var ring = try Ring<Int>(entries: 8)
            let pool = try ring.makeBufferRing(count: 2, byteCount: 256)
            try ring.prepare(ReceiveMessageMultishot(pair.first, into: pool), tag: 1)
            try ring.submit()
            expectHeld(pair.first)
        }
        expectHeld(pair.first, false)
    }
}
