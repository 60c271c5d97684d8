// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct SendReceiveMessageTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 5))

    private func copy(_ bytes: RawSpan) -> [UInt8] {
        unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }

    private func byteCount(of message: borrowing Message, segment: Int) -> Int {
        message.bytes(ofSegment: segment).byteCount
    }

    private func words(_ bytes: RawSpan) -> [UInt32] {
        unsafe bytes.withUnsafeBytes { bytes in (0..<bytes.count / 4).map { unsafe bytes.load(fromByteOffset: $0 * 4, as: UInt32.self) } }
    }

    // MARK: Encoding

    @Test func encodesSendsLikeLiburing() {
        unsafe expectEncoding(of: SendMessage(file, Message(Buffer(copying: [1])), flags: .more)) { entry, send, _ in
            unsafe reference_prep_sendmsg(entry, 5, send.pointee.message.block, UInt32(MSG_MORE | MSG_NOSIGNAL))
        }
        unsafe expectEncoding(of: SendMessage(file, Message(Buffer(copying: [1])), pollFirst: true)) { entry, send, _ in
            unsafe reference_prep_sendmsg(entry, 5, send.pointee.message.block, UInt32(MSG_NOSIGNAL))
            unsafe entry.storeBytes(of: 1, toByteOffset: 2, as: UInt16.self)
        }
    }

    @Test func encodesReceivesLikeLiburing() {
        unsafe expectEncoding(of: ReceiveMessage(file, into: Message(Buffer(byteCapacity: 1)), flags: .peek)) { entry, receive, _ in
            unsafe reference_prep_recvmsg(entry, 5, receive.pointee.message.block, UInt32(MSG_PEEK))
        }
        let roomy = Message(Buffer(byteCapacity: 1), controlByteCapacity: Message.controlByteCount(forDescriptors: 1))
        unsafe expectEncoding(of: ReceiveMessage(file, into: roomy, flags: .peek)) { entry, receive, _ in
            unsafe reference_prep_recvmsg(entry, 5, receive.pointee.message.block, UInt32(MSG_PEEK | MSG_CMSG_CLOEXEC))
        }
        unsafe expectEncoding(of: ReceiveMessage(file, into: Message(Buffer(byteCapacity: 1)), pollFirst: true)) { entry, receive, _ in
            unsafe reference_prep_recvmsg(entry, 5, receive.pointee.message.block, 0)
            unsafe entry.storeBytes(of: 1, toByteOffset: 2, as: UInt16.self)
        }
    }

    @Test func writesTheSystemsHeader() throws {
        var message = Message(segmentCapacity: 3, controlByteCapacity: 64)
        message.append(Buffer(copying: [1, 2, 3]))
        message.append(Buffer(copying: [4, 5]))
        message.address = .ipv4Loopback(port: 7)
        message.appendControlMessage(ControlMessageType(level: 9, number: 8), Buffer(copying: [6, 7]).bytes)
        let address = message.beginSending(startingAt: 4)
        let header = unsafe try #require(UnsafePointer<msghdr>(bitPattern: UInt(address))).pointee
        #expect(unsafe header.msg_namelen == 16 && header.msg_iovlen == 2 && header.msg_controllen == 24 && header.msg_flags == 0)
        let name = unsafe UnsafeRawBufferPointer(start: header.msg_name, count: 16)
        #expect(unsafe Array(name) == [UInt8(AF_INET), 0, 0, 7, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(unsafe header.msg_iov[0].iov_len == 0 && header.msg_iov[1].iov_len == 1)
        #expect(unsafe header.msg_iov[1].iov_base.load(as: UInt8.self) == 5)
        let control = unsafe UnsafeRawBufferPointer(start: header.msg_control, count: 24)
        #expect(unsafe Array(control) == [18, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 6, 7, 0, 0, 0, 0, 0, 0])
    }

    // MARK: Round trips

    @Test func sendsAndReceivesDatagramsWithAddresses() throws {
        var ring = try Ring<Int>(entries: 8)
        let server = try Descriptor.socket(.ipv4, .datagram)
        try server.bind(to: .ipv4Loopback(port: 0))
        let client = try Descriptor.socket(.ipv4, .datagram)
        var outgoing = Message(segmentCapacity: 3)
        outgoing.address = try server.localAddress()
        for part in [pattern(10), [], pattern(20, seed: 5)] { outgoing.append(Buffer(copying: part)) }
        #expect(outgoing.byteCount == 30)
        let sent = try ring.run(SendMessage(client, outgoing, startingAt: 5))
        #expect(sent.entry.result == 25)
        var incoming = Message(segmentCapacity: 2)
        incoming.append(Buffer(byteCapacity: 7))
        incoming.append(Buffer(copying: pattern(3), byteCapacity: 100))
        let received = try ring.run(ReceiveMessage(server, into: incoming))
        #expect(received.entry.result == 25)
        let whole = Array(pattern(10)[5...]) + pattern(20, seed: 5)
        let counts = [byteCount(of: received.operation.message, segment: 0), byteCount(of: received.operation.message, segment: 1)]
        let bytes = received.operation.message.copyBytes()
        #expect(counts == [7, 18] && bytes == whole)
        #expect(received.operation.message.receivedFlags == [])
        let sender = received.operation.message.address
        let clientPort = try client.localAddress().port
        #expect(sender?.isIPv4 == true && sender?.port == clientPort)
        // The answer goes back where the message came from, with the same value.
        let answered = try ring.run(SendMessage(server, received.operation.message))
        #expect(answered.entry.result == 25)
        let back = try ring.run(Receive(client, into: Buffer(byteCapacity: 100)))
        #expect(back.operation.memory.copyBytes() == whole)
    }

    @Test func reportsTruncation() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets(.datagram)
        #expect(pair.first.sendNow(pattern(100)) == 100)
        let short = try ring.run(ReceiveMessage(pair.second, into: Message(Buffer(byteCapacity: 10))))
        #expect(short.entry.result == 10)
        #expect(short.operation.message.receivedFlags.contains(.truncated))
        #expect(pair.first.sendNow(pattern(100)) == 100)
        let size = try ring.run(ReceiveMessage(pair.second, into: short.operation.message, flags: .truncate))
        #expect(size.entry.result == 100)
        let bytes = size.operation.message.copyBytes()
        #expect(bytes == pattern(10))
    }

    @Test func readsControlMessages() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        try pair.second.setOption(.passCredentials, to: true)
        #expect(pair.first.sendNow([1]) == 1)
        let received = try ring.run(
            ReceiveMessage(
                pair.second,
                into: Message(Buffer(byteCapacity: 10), controlByteCapacity: Message.controlByteCount(forPayload: 12))))
        var numbers: [UInt32] = []
        received.operation.message.forEachControlMessage { type, payload in
            #expect(type == .credentials)
            numbers += words(payload)
        }
        #expect(numbers == [UInt32(getpid()), getuid(), getgid()])
        // With no room at all, the kernel says that there was more.
        #expect(pair.first.sendNow([1]) == 1)
        let cut = try ring.run(ReceiveMessage(pair.second, into: Message(Buffer(byteCapacity: 10))))
        #expect(cut.operation.message.receivedFlags.contains(.controlTruncated))
        #expect(cut.operation.message.controlByteCount == 0)
    }

    @Test func sendsControlMessages() throws {
        var ring = try Ring<Int>(entries: 8)
        let receiver = try Descriptor.socket(.ipv4, .datagram)
        try receiver.bind(to: .ipv4Loopback(port: 0))
        // IP_RECVTOS: each datagram brings its type of service, which the sender sets by a control message of IP_TOS.
        try receiver.setOption(SocketOption<Bool>(level: 0, name: 13), to: true)
        let sender = try Descriptor.socket(.ipv4, .datagram)
        var message = Message(Buffer(copying: [1]), to: try receiver.localAddress(), controlByteCapacity: 24)
        message.appendControlMessage(ControlMessageType(level: 0, number: 1), Buffer(copying: [0x10, 0, 0, 0]).bytes)
        let sent = try ring.run(SendMessage(sender, message))
        #expect(sent.entry.result == 1)
        let received = try ring.run(ReceiveMessage(receiver, into: Message(Buffer(byteCapacity: 10), controlByteCapacity: 64)))
        var seen = 0
        received.operation.message.forEachControlMessage { type, payload in
            #expect(type == ControlMessageType(level: 0, number: 1))
            #expect(copy(payload).first == 0x10)
            seen += 1
        }
        #expect(seen == 1)
    }

    // MARK: Descriptors

    private func message(carrying pipes: [WatchedPipe]) -> Message {
        var message = Message(Buffer(copying: [7]), controlByteCapacity: Message.controlByteCount(forDescriptors: pipes.count))
        for pipe in pipes { pipe.giveWriter(to: &message) }
        return message
    }

    private func room(for count: Int) -> Message {
        Message(Buffer(byteCapacity: 4), controlByteCapacity: Message.controlByteCount(forDescriptors: count))
    }

    /// With the second flags, which the ring leaves out, control data would come as 32-bit programs have it.
    @Test(arguments: [ReceiveFlags(), ReceiveFlags(rawValue: 0x8000_0000)])
    func passesDescriptors(flags: ReceiveFlags) throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let pipes = [try WatchedPipe(), try WatchedPipe(), try WatchedPipe()]
        let outgoing = message(carrying: pipes)
        #expect(outgoing.controlByteCount == outgoing.controlByteCapacity)
        let sent = try ring.run(SendMessage(pair.first, outgoing))
        #expect(sent.entry.result == 1)
        #expect(sent.operation.message.controlByteCount == 0)
        var received = try ring.run(ReceiveMessage(pair.second, into: room(for: 3), flags: flags))
        #expect(received.operation.message.receivedFlags.contains(.controlTruncated) == false)
        for pipe in pipes {
            #expect(!pipe.isAbandoned)
            guard let descriptor = received.operation.message.takeDescriptor() else {
                Issue.record("There should be a descriptor for each pipe.")
                return
            }
            #expect(descriptor.isCloseOnExec == true)
            drop(descriptor)
            #expect(pipe.becomesAbandoned)
        }
        let isEmpty = received.operation.message.takeDescriptor() == nil
        #expect(isEmpty)
    }

    /// The kernel's first attempt, in vain, writes credentials that are nobody's, and does not count them.
    @Test(arguments: [false, true], [56, 88, 128, 256])
    func whatComesWhileAReceiveWaitsIsTheSendersAndOwned(isAsynchronous: Bool, room: Int) throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        try pair.second.setOption(.passCredentials, to: true)
        for isThere in [false, true] {
            let pipe = try WatchedPipe()
            if isThere { _ = try ring.run(SendMessage(pair.first, message(carrying: [pipe]))).result.get() }
            let receive = ReceiveMessage(pair.second, into: Message(Buffer(byteCapacity: 4), controlByteCapacity: room))
            try ring.prepare(receive, tag: 1, options: isAsynchronous ? .asynchronous : PrepareOptions())
            try ring.submit()
            if !isThere {
                try ring.prepare(SendMessage(pair.first, message(carrying: [pipe])), tag: 2)
                try ring.submit()
            }
            var completion = try ring.nextCompletionWaiting()
            if completion.tag == 2 { completion = try ring.nextCompletionWaiting() }
            var received = completion.take(ReceiveMessage.self)
            #expect(try received.result.get() == 1)
            var senders: [[Int32]] = []
            received.operation.message.forEachControlMessage { type, payload in
                let bytes = copy(payload)
                #expect(type == .credentials)
                senders.append(unsafe bytes.withUnsafeBytes { unsafe Array($0.bindMemory(to: Int32.self).prefix(2)) })
            }
            let isTruncated = received.operation.message.receivedFlags.contains(.controlTruncated)
            if room > 56 || isThere {
                #expect(senders == [[getpid(), Int32(bitPattern: getuid())]] && !isTruncated && !pipe.isAbandoned)
                guard let descriptor = received.operation.message.takeDescriptor() else { throw NoCompletion() }
                drop(descriptor)
            } else {
                #expect(isTruncated || !senders.isEmpty)
            }
            drop(received)
            #expect(pipe.becomesAbandoned)
            while ring.inFlightCount > 0 { drop(try ring.nextCompletionWaiting()) }
        }
    }

    @Test func passesAsManyAsThereCanBe() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let pipe = try WatchedPipe()
        let count = Message.maximumDescriptorCount
        var outgoing = Message(Buffer(copying: [7]), controlByteCapacity: Message.controlByteCount(forDescriptors: count))
        for _ in 0..<count { outgoing.appendDescriptor(pipe.reader) }
        let sent = try ring.run(SendMessage(pair.first, outgoing))
        #expect(sent.entry.result == 1)
        #expect(pipe.reader.isHeld == false)
        var received = try ring.run(ReceiveMessage(pair.second, into: room(for: count)))
        var taken = 0
        while received.operation.message.takeDescriptor() != nil { taken += 1 }
        #expect(taken == count)
    }

    @Test func closesReceivedDescriptorsNobodyTakes() throws {
        let pair = try DescriptorPair.sockets()
        for way in 0..<6 {
            let pipe = try WatchedPipe()
            var ring = try Ring<Int>(entries: 8)
            _ = try ring.run(SendMessage(pair.first, message(carrying: [pipe]))).result.get()
            #expect(!pipe.isAbandoned)
            if way == 0 {
                // Nobody takes the operation.
                try ring.prepare(ReceiveMessage(pair.second, into: room(for: 1)), tag: 0)
                drop(try ring.nextCompletionWaiting())
            } else if way == 1 {
                // Nobody takes the descriptor.
                drop(try ring.run(ReceiveMessage(pair.second, into: room(for: 1))))
            } else if way == 2 {
                // The completion is never looked at.
                try ring.prepare(ReceiveMessage(pair.second, into: room(for: 1)), tag: 0)
                try ring.submit(waitingFor: 1)
                #expect(ring.readyCount == 1)
                drop(ring)
            } else if way == 3 {
                // The message is used again.
                let received = try ring.run(ReceiveMessage(pair.second, into: room(for: 1)))
                #expect(!pipe.isAbandoned)
                #expect(pair.first.sendNow([1]) == 1)
                let next = try ring.run(ReceiveMessage(pair.second, into: received.operation.message))
                #expect(pipe.becomesAbandoned)
                drop(next)
            } else if way == 4 {
                // The message is sent back, without what came with it.
                let received = try ring.run(ReceiveMessage(pair.second, into: room(for: 1)))
                _ = try ring.run(SendMessage(pair.second, received.operation.message)).result.get()
                #expect(pipe.becomesAbandoned)
                var back = try ring.run(ReceiveMessage(pair.first, into: room(for: 1)))
                let isEmpty = back.operation.message.takeDescriptor() == nil
                #expect(isEmpty && back.operation.message.byteCount == 1)
            } else {
                // The message gets new control data; what was received is not sent on.
                var received = try ring.run(ReceiveMessage(pair.second, into: room(for: 1)))
                received.operation.message.appendDescriptor(pipe.reader)
                #expect(pipe.becomesAbandoned)
                drop(received)
                #expect(pipe.reader.isHeld == false)
            }
            #expect(pipe.becomesAbandoned, "way \(way)")
        }
    }

    @Test func saysThatDescriptorsWereLost() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        let pipes = [try WatchedPipe(), try WatchedPipe(), try WatchedPipe()]
        _ = try ring.run(SendMessage(pair.first, message(carrying: pipes))).result.get()
        // Room for one or two, depending on the padding: the kernel closes the rest.
        var received = try ring.run(ReceiveMessage(pair.second, into: room(for: 1)))
        #expect(received.operation.message.receivedFlags.contains(.controlTruncated))
        guard let first = received.operation.message.takeDescriptor() else {
            Issue.record("One of the descriptors fits.")
            return
        }
        #expect(!pipes[0].isAbandoned && pipes[2].becomesAbandoned)
        drop(received)
        #expect(!pipes[0].isAbandoned && pipes[1].becomesAbandoned)
        drop(first)
        #expect(pipes[0].becomesAbandoned)
    }

    @Test func keepsDescriptorsOpenUntilTheyAreSent() throws {
        let pair = try DescriptorPair.sockets()
        let filler = [UInt8](repeating: 1, count: 1 << 20)
        try pair.first.setOption(.sendBufferSize, to: 1)
        // Fills the socket, so that the message has to wait.
        while true {
            let sent = unsafe send(pair.first.unowned.fileDescriptor.rawValue, filler, filler.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
            if sent < 0 { break }
        }
        let pipe = try WatchedPipe()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(SendMessage(pair.first, message(carrying: [pipe])), tag: 0)
        try ring.submit()
        #expect(ring.inFlightCount == 1 && ring.readyCount == 0 && !pipe.isAbandoned)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty && pipe.becomesAbandoned)
    }

    @Test func keepsDescriptorsAfterAnErrorForAnotherTry() throws {
        var ring = try Ring<Int>(entries: 8)
        let closed = try DescriptorPair.sockets()
        drop(closed.second)
        let pipe = try WatchedPipe()
        let failed = try ring.run(SendMessage(closed.first, message(carrying: [pipe])))
        #expect(failed.entry.errno == .brokenPipe)
        #expect(!pipe.isAbandoned)
        let pair = try DescriptorPair.sockets()
        let sent = try ring.run(SendMessage(pair.first, failed.operation.message))
        #expect(sent.entry.result == 1)
        var received = try ring.run(ReceiveMessage(pair.second, into: room(for: 1)))
        guard let descriptor = received.operation.message.takeDescriptor() else {
            Issue.record("The descriptor should have come.")
            return
        }
        #expect(!pipe.isAbandoned)
        drop(descriptor)
        #expect(pipe.becomesAbandoned)
    }

    // MARK: In flight, errors, misuse

    @Test func aReceiveOnAnIdleSocketIsLetGoWithTheRing() throws {
        let pair = try DescriptorPair.sockets()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(ReceiveMessage(pair.second, into: room(for: 1)), tag: 0)
        try ring.submit()
        #expect(ring.inFlightCount == 1 && pair.second.isHeld)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty && !pair.second.isHeld)
        #expect(pair.first.sendNow([5]) == 1)
        #expect(pair.second.receiveBounded() == [5])
    }

    @Test func isUsedAgainInPlace() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try DescriptorPair.sockets()
        try ring.prepare(SendMessage(pair.first, message(carrying: [])), tag: 1)
        try ring.prepare(ReceiveMessage(pair.second, into: room(for: 1)), tag: 2)
        var places: [Set<UInt>] = [[], []]
        var rounds = 0
        while rounds < 20 {
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == 1 {
                let sent = completion.take(SendMessage.self)
                #expect(sent.entry.result == 1)
                unsafe places[0].insert(UInt(bitPattern: sent.operation.message.block))
                try ring.prepare(sent.operation, tag: 1)
            } else {
                let received = completion.take(ReceiveMessage.self)
                #expect(received.entry.result == 1)
                let address = received.operation.message.address
                #expect(address == nil || address?.isUnixUnnamed == true)
                unsafe places[1].insert(UInt(bitPattern: received.operation.message.block))
                try ring.prepare(received.operation, tag: 2)
                rounds += 1
            }
        }
        #expect(places.map(\.count) == [1, 1])
    }

    @Test func reportsTheKernelsErrors() throws {
        var ring = try Ring<Int>(entries: 8)
        let closed = UnownedDescriptor(FileDescriptor(rawValue: -1))
        let bad = try ring.run(SendMessage(closed, Message(Buffer(copying: [1])))).entry.errno
        #expect(bad == .badFileDescriptor)
        let badReceive = try ring.run(ReceiveMessage(closed, into: room(for: 1)))
        #expect(badReceive.entry.errno == .badFileDescriptor && badReceive.operation.message.controlByteCount == 0)
        let datagrams = try Descriptor.socket(.ipv4, .datagram)
        let nowhere = try ring.run(SendMessage(datagrams, Message(Buffer(copying: [1])))).entry.errno
        #expect(nowhere == Errno(rawValue: EDESTADDRREQ))
        let pair = try DescriptorPair.sockets()
        let empty = try ring.run(ReceiveMessage(pair.first, into: room(for: 1), flags: .doNotWait)).entry.errno
        #expect(empty == .resourceTemporarilyUnavailable)
        // A descriptor that is none cannot be sent.
        var outgoing = Message(Buffer(copying: [1]), controlByteCapacity: 24)
        outgoing.appendDescriptor(closed)
        let refused = try ring.run(SendMessage(pair.first, outgoing)).entry.errno
        #expect(refused == .badFileDescriptor)
    }

    /// To wait for more, the kernel begins anew at the first byte.
    @Test func trapsWhereBytesWouldBeRepeated() async {
        let sentence = "A receive that leaves its bytes in the socket cannot wait for all: it would repeat them."
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                let message = Message(Buffer(byteCapacity: 8))
                _ = try ring.run(ReceiveMessage(UnownedDescriptor.standardInput, into: message, flags: [.peek, .waitAll]))
            })
        expectSentence(
            sentence,
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                let buffer = Buffer(byteCapacity: 8)
                _ = try ring.run(Receive(UnownedDescriptor.standardInput, into: buffer, flags: [.peek, .waitAll]))
            })
    }

    @Test func trapsOnMisuse() async {
        expectSentence(
            "A receive needs room: append a buffer to the message.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                _ = try ring.run(ReceiveMessage(UnownedDescriptor.standardInput, into: Message()))
            })
        expectSentence(
            "A receive with room for control data cannot wait for all: the control data of all but the last part would be lost.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                _ = try ring.run(
                    ReceiveMessage(
                        UnownedDescriptor.standardInput, into: Message(Buffer(byteCapacity: 1), controlByteCapacity: 1), flags: .waitAll))
            })
        expectSentence(
            "A send must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                _ = try ring.run(SendMessage(UnownedDescriptor.standardInput, Message(Buffer(copying: [1])), startingAt: 2))
            })
    }
}
