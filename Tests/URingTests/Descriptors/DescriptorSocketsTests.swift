// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing
import URing

@Suite struct DescriptorSocketsTests {
    @Test func listensAndTellsItsAddresses() throws {
        let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
        let address = try listener.localAddress()
        #expect(address.isIPv4 && address.port != 0)
        let client = try Descriptor.socket(.ipv4, .stream)
        #expect(throws: Errno.socketNotConnected) { try client.peerAddress() }
        try client.connectBlocking(to: address)
        #expect(try client.peerAddress() == address)
        #expect(client.isCloseOnExec && !client.isNonBlocking)
        #expect(try Descriptor.socket(.unix, .datagram, flags: [.inheritable, .nonBlocking]).isNonBlocking)
        #expect(try !Descriptor.socket(.unix, .datagram, flags: .inheritable).isCloseOnExec)
    }

    @Test func refusesAnAddressInUse() throws {
        let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
        let address = try listener.localAddress()
        #expect(throws: Errno.addressInUse) { try Descriptor.listening(at: address).localAddress() }
        let first = try Descriptor.listening(at: .ipv4Loopback(port: 0), sharesPort: true)
        let second = try Descriptor.listening(at: try first.localAddress(), sharesPort: true)
        #expect(try second.localAddress() == first.localAddress())
    }

    @Test func bindsUnixNames() throws {
        let directory = try TemporaryDirectory()
        let path = try SocketAddress(unixPath: directory.path.appending("s"))
        let listener = try Descriptor.listening(at: path)
        #expect(try listener.localAddress() == path)
        let unnamed = try Descriptor.socket(.unix, .datagram)
        #expect(try unnamed.localAddress() == .unixUnnamed)
        try unnamed.bind(to: .unixUnnamed)
        #expect(try unnamed.localAddress().unixAbstractName?.count == 5)
    }

    @Test func setsAndReadsOptions() throws {
        let socket = try Descriptor.socket(.ipv4, .stream)
        #expect(try !socket.option(.noDelay))
        try socket.setOption(.noDelay, to: true)
        #expect(try socket.option(.noDelay))
        try socket.setOption(.reusePort, to: true)
        #expect(try socket.option(.reusePort))
        try socket.setOption(.receiveBufferSize, to: 10_000)
        #expect(try socket.option(.receiveBufferSize) == 20_000)
        try socket.setOption(.sendBufferSize, to: 20_000)
        #expect(try socket.option(.sendBufferSize) == 40_000)
        #expect(try socket.option(.type) == SocketType.stream.rawValue)
        #expect(try socket.option(.pendingError) == 0)
        let pipe = try DescriptorPair.pipe()
        #expect(throws: Errno(rawValue: ENOTSOCK)) { try pipe.first.setOption(.reuseAddress, to: true) }
        #expect(throws: Errno(rawValue: ENOTSOCK)) { try pipe.first.option(.reuseAddress) }
        #expect(throws: Errno(rawValue: ENOTSOCK)) { try pipe.first.localAddress() }
        #expect(throws: Errno(rawValue: ENOTSOCK)) { try pipe.first.resetWhenClosed() }
        #expect(throws: Errno(rawValue: ENOTSOCK)) { try pipe.first.listen() }
    }
}
