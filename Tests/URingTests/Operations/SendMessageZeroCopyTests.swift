// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct SendMessageZeroCopyTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 5))

    private func vector(_ parts: [UInt8]...) -> BufferVector {
        var buffers = BufferVector()
        for part in parts { buffers.append(Buffer(copying: part)) }
        return buffers
    }

    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: SendMessageZeroCopy(file, Message(Buffer(copying: [1])), flags: .more)) { entry, send, _ in
            unsafe reference_prep_sendmsg_zc(entry, 5, send.pointee.message.block, UInt32(MSG_MORE | MSG_NOSIGNAL))
        }
        // liburing's functions leave these flags to the caller: POLL_FIRST and REPORT_USAGE here, and VECTORIZED below.
        let reporting = SendMessageZeroCopy(file, Message(Buffer(copying: [1])), pollFirst: true, reportsUsage: true)
        unsafe expectEncoding(of: reporting) { entry, send, _ in
            unsafe reference_prep_sendmsg_zc(entry, 5, send.pointee.message.block, UInt32(MSG_NOSIGNAL))
            unsafe entry.storeBytes(of: 1 | 8, toByteOffset: 2, as: UInt16.self)
        }
        let vectored = SendVectoredZeroCopy(
            file, from: vector(pattern(10), pattern(20)), startingAt: 12, flags: .waitAll, pollFirst: true, reportsUsage: true)
        unsafe expectEncoding(of: vectored) { entry, send, _ in
            unsafe reference_prep_send_zc(
                entry, 5, send.pointee.buffers.list, 1, Int32(MSG_NOSIGNAL) | Int32(MSG_WAITALL), 1 | 8 | 32)
        }
    }

    @Test func writesTheSystemsHeaderForSeveralBuffers() {
        let send = SendVectoredToZeroCopy(
            file, from: vector(pattern(10), pattern(20)), to: .ipv4Loopback(port: 7), startingAt: 12, flags: .confirm, pollFirst: true,
            reportsUsage: true)
        unsafe expectEncoding(of: send) { entry, send, kernelData in
            unsafe reference_prep_sendmsg_zc(entry, 5, kernelData, UInt32(MSG_NOSIGNAL) | UInt32(MSG_CONFIRM))
            unsafe entry.storeBytes(of: 1 | 8, toByteOffset: 2, as: UInt16.self)
            let header = unsafe UnsafeRawPointer(kernelData).load(as: msghdr.self)
            #expect(unsafe header.msg_iovlen == 1 && header.msg_iov[0].iov_len == 18 && header.msg_iov == send.pointee.buffers.list)
            #expect(unsafe header.msg_control == nil && header.msg_controllen == 0 && header.msg_flags == 0)
            let name = unsafe UnsafeRawBufferPointer(start: header.msg_name, count: Int(header.msg_namelen))
            #expect(unsafe Array(name) == [UInt8(AF_INET), 0, 0, 7, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
        }
        unsafe expectEncoding(of: SendVectoredToZeroCopy(file, from: vector([1], [2]))) { entry, send, kernelData in
            unsafe reference_prep_sendmsg_zc(entry, 5, kernelData, UInt32(MSG_NOSIGNAL))
            let header = unsafe UnsafeRawPointer(kernelData).load(as: msghdr.self)
            #expect(unsafe header.msg_name == nil && header.msg_namelen == 0 && header.msg_iovlen == 2)
        }
    }

    /// Parts of one registered buffer, which is of so many patterns.
    private func parts(of buffers: borrowing RegisteredBuffers, slot: Int, byteCounts: [Int]) throws -> MemoryVector<RegisteredSlice> {
        var vector = MemoryVector<RegisteredSlice>()
        var rest = try buffers.expectBuffer(slot: slot)
        for (seed, count) in byteCounts.enumerated() {
            let next = rest.split(at: count)
            rest.append(Buffer(copying: pattern(count, seed: seed)).bytes)
            vector.append(rest)
            rest = next
        }
        return vector
    }

    @Test func encodesRegisteredMemoryLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let identity = ring.core.table.identity
        let buffers = try ring.makeRegisteredBuffers(count: 4, byteCount: 4096)
        let vectored = SendVectoredZeroCopy(file, from: try parts(of: buffers, slot: 3, byteCounts: [100, 200]))
        unsafe expectEncoding(of: vectored, ringIdentity: identity) { entry, send, _ in
            // The kernel refuses a list of registered memory here.
            unsafe reference_prep_send_zc(entry, 5, send.pointee.buffers.list, 2, Int32(MSG_NOSIGNAL), 32)
        }
        let message = SendVectoredToZeroCopy(file, from: try parts(of: buffers, slot: 2, byteCounts: [100, 200]))
        unsafe expectEncoding(of: message, ringIdentity: identity) { entry, _, kernelData in
            unsafe reference_prep_sendmsg_zc_fixed(entry, 5, kernelData, UInt32(MSG_NOSIGNAL), 2)
        }
    }

    @Test func sendsPartsOfARegisteredBuffer() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        let buffers = try ring.makeRegisteredBuffers(count: 2, byteCount: 4096)
        let bytes = pattern(100) + pattern(200, seed: 1) + pattern(300, seed: 2)
        let vectored = SendVectoredZeroCopy(
            pair.client, from: try parts(of: buffers, slot: 0, byteCounts: [100, 200, 300]), startingAt: 50, reportsUsage: true)
        let sent = try ring.runToNotification(vectored, tag: 0)
        let message = SendVectoredToZeroCopy(
            pair.client, from: try parts(of: buffers, slot: 1, byteCounts: [100, 200, 300]), startingAt: 50, reportsUsage: true)
        let sentAsMessage = try ring.runToNotification(message, tag: 1)
        let results = [sent.result, sentAsMessage.result]
        let usages = [sent.operation.usage, sentAsMessage.operation.usage]
        #expect(results == [.success(550), .success(550)] && usages == [.copied, .copied])
        #expect(pair.server.receiveBounded(2000) == Array(bytes[50...]) + Array(bytes[50...]))
        drop(sent)
        #expect(buffers.freeCount == 1)
    }

    @Test func sendsSeveralBuffersToAddresses() throws {
        var ring = try Ring<Int>(entries: 8)
        let receiver = try Descriptor.socket(.ipv6, .datagram)
        try receiver.bind(to: .ipv6Loopback(port: 0))
        let sender = try Descriptor.socket(.ipv6, .datagram)
        var send = SendVectoredToZeroCopy(
            sender, from: vector(pattern(100), pattern(200, seed: 1)), to: try receiver.localAddress(), reportsUsage: true)
        for round in 0..<5 {
            send.start = 10 * round
            let completed = try ring.runToNotification(send, tag: round)
            let (result, usage) = (completed.result, completed.operation.usage)
            #expect(result == .success(300 - 10 * round) && usage == .copied)
            #expect(receiver.receiveBounded(1000) == Array((pattern(100) + pattern(200, seed: 1))[(10 * round)...]))
            send = completed.operation
        }
    }

    @Test func sendsTheBytesOfSeveralBuffersInOrder() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        let bytes = pattern(100) + pattern(200, seed: 1) + pattern(300, seed: 2)
        let send = SendVectoredZeroCopy(
            pair.client, from: vector(pattern(100), pattern(200, seed: 1), pattern(300, seed: 2)), startingAt: 150, reportsUsage: true)
        let completed = try ring.runToNotification(send, tag: 0)
        let (result, usage) = (completed.result, completed.operation.usage)
        #expect(result == .success(450) && usage == .copied)
        #expect(completed.operation.buffers.copyBytes() == bytes)
        #expect(pair.server.receiveBounded(1000) == Array(bytes[150...]))
    }

    @Test func sendsMessagesToAddresses() throws {
        var ring = try Ring<Int>(entries: 8)
        let receiver = try Descriptor.socket(.ipv4, .datagram)
        try receiver.bind(to: .ipv4Loopback(port: 0))
        let sender = try Descriptor.socket(.ipv4, .datagram)
        var message = Message(segmentCapacity: 2)
        message.append(Buffer(copying: pattern(100)))
        message.append(Buffer(copying: pattern(200, seed: 1)))
        message.address = try receiver.localAddress()
        var send = SendMessageZeroCopy(sender, message, startingAt: 50, reportsUsage: true)
        for round in 0..<5 {
            let completed = try ring.runToNotification(send, tag: round)
            let (result, usage) = (completed.result, completed.operation.usage)
            #expect(result == .success(250) && usage == .copied)
            #expect(receiver.receiveBounded(1000) == Array(pattern(100)[50...]) + pattern(200, seed: 1))
            send = completed.operation
        }
    }

    @Test func controlDataGoesOnceAndIsGoneAfterTheResult() throws {
        var ring = try Ring<Int>(entries: 8)
        let receiver = try Descriptor.socket(.ipv4, .datagram)
        try receiver.bind(to: .ipv4Loopback(port: 0))
        // IP_RECVTOS and IP_TOS, as in the tests of plain messages.
        try receiver.setOption(SocketOption<Bool>(level: 0, name: 13), to: true)
        let sender = try Descriptor.socket(.ipv4, .datagram)
        var message = Message(Buffer(copying: [1]), to: try receiver.localAddress(), controlByteCapacity: 24)
        message.appendControlMessage(ControlMessageType(level: 0, number: 1), Buffer(copying: [0x10, 0, 0, 0]).bytes)
        let completed = try ring.runToNotification(SendMessageZeroCopy(sender, message), tag: 0)
        let (result, left) = (completed.result, completed.operation.message.controlByteCount)
        #expect(result == .success(1) && left == 0)
        let received = try ring.run(ReceiveMessage(receiver, into: Message(Buffer(byteCapacity: 10), controlByteCapacity: 64)))
        var seen: [UInt8] = []
        received.operation.message.forEachControlMessage { _, payload in seen.append(unsafe payload.unsafeLoad(as: UInt8.self)) }
        #expect(seen == [0x10])
    }

    @Test func controlDataStaysAfterAFailure() throws {
        var ring = try Ring<Int>(entries: 8)
        let sender = try Descriptor.socket(.ipv4, .datagram)
        var message = Message(Buffer(copying: [1]), controlByteCapacity: 24)
        message.appendControlMessage(ControlMessageType(level: 0, number: 1), Buffer(copying: [0x10, 0, 0, 0]).bytes)
        let completed = try ring.runToNotification(SendMessageZeroCopy(sender, message), tag: 0)
        let (result, left) = (completed.result, completed.operation.message.controlByteCount)
        #expect(result == .failure(Errno(rawValue: EDESTADDRREQ)) && left == 24)
    }

    @Test func reportsTheKernelsErrors() throws {
        var ring = try Ring<Int>(entries: 8)
        let unix = try DescriptorPair.sockets()
        let message = try ring.runToNotification(SendMessageZeroCopy(unix.first, Message(Buffer(copying: [1]))), tag: 0)
        let vectored = try ring.runToNotification(SendVectoredZeroCopy(unix.first, from: vector([1], [2])), tag: 0)
        let addressed = try ring.runToNotification(SendVectoredToZeroCopy(unix.first, from: vector([1], [2])), tag: 0)
        let results = [message.result, vectored.result, addressed.result]
        #expect(results == Array(repeating: .failure(.notSupportedOnSocket), count: 3))
    }

    @Test func trapsOutsideTheBytesAndWithoutBuffers() async {
        expectSentence(
            "A send must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                var buffers = BufferVector()
                buffers.append(Buffer(copying: [1, 2]))
                try ring.prepare(SendVectoredZeroCopy(UnownedDescriptor.standardInput, from: buffers, startingAt: 3), tag: 0)
            })
        expectSentence(
            "A vectored send needs at least one buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                try ring.prepare(SendVectoredZeroCopy(UnownedDescriptor.standardInput, from: BufferVector()), tag: 0)
            })
        expectSentence(
            "A vectored send needs at least one buffer.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                try ring.prepare(SendVectoredToZeroCopy(UnownedDescriptor.standardInput, from: BufferVector()), tag: 0)
            })
        expectSentence(
            "A send must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                var buffers = BufferVector()
                buffers.append(Buffer(copying: [1, 2]))
                try ring.prepare(SendVectoredToZeroCopy(UnownedDescriptor.standardInput, from: buffers, startingAt: -1), tag: 0)
            })
        expectSentence(
            "A send must start within the initialised bytes.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 2)
                try ring.prepare(SendMessageZeroCopy(UnownedDescriptor.standardInput, Message(Buffer(copying: [1])), startingAt: 2), tag: 0)
            })
    }

    @Test func sendsThatWaitForRoomAreLetGoWithTheRing() throws {
        let first = try StalledConnection(sendBufferSize: 16384)
        let second = try StalledConnection(sendBufferSize: 16384)
        let third = try StalledConnection(sendBufferSize: 16384)
        var ring = try Ring<Int>(entries: 8)
        let bytes = [UInt8](repeating: 9, count: 1 << 20)
        try ring.prepare(SendVectoredZeroCopy(first.sender, from: vector(bytes), flags: .waitAll), tag: 0)
        try ring.prepare(SendMessageZeroCopy(second.sender, Message(Buffer(copying: bytes)), flags: .waitAll), tag: 1)
        try ring.prepare(SendVectoredToZeroCopy(third.sender, from: vector(bytes), flags: .waitAll), tag: 2)
        try ring.submit()
        try ring.expectNoCompletion()
        let firstSender = first.closeReceiver()
        let secondSender = second.closeReceiver()
        let thirdSender = third.closeReceiver()
        #expect(firstSender.isHeld && secondSender.isHeld && thirdSender.isHeld)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(!firstSender.isHeld && !secondSender.isHeld && !thirdSender.isHeld)
    }
}
