// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct SocketCommandsTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 5))

    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: SetSocketOption(file, .noDelay, to: true)) { entry, _, value in
            unsafe reference_prep_cmd_sock(entry, 3, 5, Int32(IPPROTO_TCP), TCP_NODELAY, value, 4)
            #expect(unsafe value.pointee == 1)
        }
        unsafe expectEncoding(of: SetSocketOption(file, .sendBufferSize, to: -7)) { entry, _, value in
            unsafe reference_prep_cmd_sock(entry, 3, 5, SOL_SOCKET, SO_SNDBUF, value, 4)
            #expect(unsafe value.pointee == -7)
        }
        unsafe expectEncoding(of: GetSocketOption(file, SocketOption<Int32>(level: -2, name: -3))) { entry, _, value in
            unsafe reference_prep_cmd_sock(entry, 2, 5, -2, -3, value, 4)
        }
        unsafe expectEncoding(of: SocketQueue(file, .unread)) { entry, _, _ in
            unsafe reference_prep_cmd_sock(entry, 0, 5, 0, 0, nil, 0)
        }
        unsafe expectEncoding(of: SocketQueue(file, .unsent)) { entry, _, _ in
            unsafe reference_prep_cmd_sock(entry, 1, 5, 0, 0, nil, 0)
        }
    }

    @Test(arguments: RingKind.allCases) func setsAndReadsOptions(kind: RingKind) throws {
        let socket = try Descriptor.socket(.ipv4, .stream)
        try withRing(kind) { ring in
            for value in [true, false] {
                try ring.run(SetSocketOption(socket, .keepAlive, to: value)).result.get()
                #expect(try socket.option(.keepAlive) == value)
                #expect(try ring.run(GetSocketOption(socket, .keepAlive)).result.get() == value)
            }
            try ring.run(SetSocketOption(socket, .receiveBufferSize, to: 50_000)).result.get()
            #expect(try ring.run(GetSocketOption(socket, .receiveBufferSize)).result.get() == 100_000)
            #expect(try ring.run(GetSocketOption(socket, .type)).result.get() == Int32(SOCK_STREAM.rawValue))
        }
    }

    @Test func setsOptionsOfAConnectionInTheFileTable() throws {
        var server = try DirectServer()
        let client = try server.listener.connect()
        let connection = try server.accept()
        try server.ring.run(SetSocketOption(connection, .noDelay, to: true), tag: 0).result.get()
        let installed = try server.ring.run(InstallDescriptor(connection), tag: 0).result.get()
        #expect(try installed.option(.noDelay))
        #expect(try server.ring.run(GetSocketOption(connection, .pendingError), tag: 0).result.get() == 0)
        #expect(try client.option(.noDelay) == false)
    }

    @Test func countsTheBytesInASocket() throws {
        var ring = try Ring<Int>(entries: 8)
        let pair = try TCPPair()
        #expect(try ring.run(SocketQueue(pair.server, .unread)).result.get() == 0)
        #expect(pair.client.sendNow(pattern(123)) == 123)
        // Once the other side has them, they are acknowledged.
        _ = try ring.run(Poll(pair.server, for: .input)).result.get()
        #expect(try ring.run(SocketQueue(pair.server, .unread)).result.get() == 123)
        #expect(try ring.run(SocketQueue(pair.server, .unsent)).result.get() == 0)
        // More than fits into both sockets stays in the sender's.
        let large = pattern(1 << 20)
        var sent = 0
        while case let count = send(large, to: pair.client), count > 0 { sent += Int(count) }
        let unsent = try ring.run(SocketQueue(pair.client, .unsent)).result.get()
        let unread = try ring.run(SocketQueue(pair.server, .unread)).result.get()
        #expect(unsent > 0 && unread > 123)
        #expect(unsent + unread >= 123 + sent)
    }

    @Test func reportsTheKernelsErrors() throws {
        var ring = try Ring<Int>(entries: 8)
        let socket = try Descriptor.socket(.ipv4, .stream)
        let unknown = SocketOption<Int32>(level: SOL_SOCKET, name: 9999)
        var errno = try ring.run(SetSocketOption(socket, unknown, to: 1)).entry.errno
        #expect(errno == .protocolNotAvailable)
        #expect(throws: Errno.protocolNotAvailable) { try ring.run(GetSocketOption(socket, unknown)).result.get() }
        // Only the options of sockets as such can be read.
        errno = try ring.run(GetSocketOption(socket, .noDelay)).entry.errno
        #expect(errno == .notSupported)
        let pipe = try DescriptorPair.pipe()
        errno = try ring.run(SetSocketOption(pipe.first, .keepAlive, to: true)).entry.errno
        #expect(errno == .notSupported)
        errno = try ring.run(SocketQueue(pipe.first, .unread)).entry.errno
        #expect(errno == .notSupported)
        let sockets = try DescriptorPair.sockets()
        errno = try ring.run(SocketQueue(sockets.first, .unread)).entry.errno
        #expect(errno == .notSupported)
        errno = try ring.run(SocketQueue(Listener().descriptor, .unread)).entry.errno
        #expect(errno == .invalidArgument)
    }

    /// The kernel would write eight times as many bytes as there is room for.
    @Test func anOptionThatIsCountedInInstructionsTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = SocketOption<Int32>(level: SOL_SOCKET, name: 26)
        }
        expectSentence("SO_GET_FILTER is no option with a number: the kernel counts instructions instead of bytes.", of: result)
    }

    @Test func keepsTheSocketOpenUntilItIsDone() throws {
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(SetSocketOption(Descriptor.socket(.ipv4, .stream), .keepAlive, to: true), tag: 0)
        try ring.nextCompletionWaiting().take(SetSocketOption<Bool>.self).result.get()
        try ring.prepare(GetSocketOption(Descriptor.socket(.ipv4, .stream), .type), tag: 0)
        let type = try ring.nextCompletionWaiting().take(GetSocketOption<Int32>.self).result.get()
        #expect(type == Int32(SOCK_STREAM.rawValue))
        let pair = try TCPPair()
        try ring.prepare(SocketQueue(pair.server, .unread), tag: 0)
        let client = pair.client
        drop(pair.server)
        let completed = try ring.nextCompletionWaiting().take(SocketQueue.self)
        #expect(try completed.result.get() == 0)
        let isGone = isPeerGone(client)
        #expect(!isGone)
        drop(completed)
        #expect(client.receiveBounded() == [])
    }

    @Test func droppingTheRingLetsGoOfTheSocket() throws {
        let socket = try Descriptor.socket(.ipv4, .stream)
        for _ in 0..<50 {
            var ring = try Ring<Int>(entries: 16)
            // Workers carry them out, so that some are in flight when the ring ends.
            for tag in 0..<5 {
                try ring.prepare(SetSocketOption(socket, .keepAlive, to: true), tag: tag, options: .asynchronous)
                try ring.prepare(GetSocketOption(socket, .keepAlive), tag: tag, options: .asynchronous)
                try ring.prepare(SocketQueue(socket, .unsent), tag: tag, options: .asynchronous)
            }
            try ring.submit()
            #expect(ring.inFlightCount == 15)
            let leftovers = ring.close(deadline: .seconds(10))
            #expect(leftovers.isEmpty)
        }
        expectHeld(socket, false)
    }
}
