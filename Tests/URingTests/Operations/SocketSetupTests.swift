// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct SocketSetupTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 5))

    @Test func encodesSocketsLikeLiburing() {
        unsafe expectEncoding(of: Socket(.ipv6, .datagram, protocol: .udp, flags: .nonBlocking)) { entry, _, _ in
            unsafe reference_prep_socket(
                entry, AF_INET6, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), Int32(IPPROTO_UDP), 0)
        }
        unsafe expectEncoding(of: Socket(.unix, .stream, flags: .inheritable)) { entry, _, _ in
            unsafe reference_prep_socket(entry, AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, 0)
        }
    }

    @Test func encodesBindsLikeLiburing() {
        unsafe expectEncoding(of: Bind(file, to: .ipv4Loopback(port: 1))) { entry, _, kernelData in
            unsafe reference_prep_bind(entry, 5, kernelData, 16)
        }
    }

    @Test func encodesListensLikeLiburing() {
        unsafe expectEncoding(of: Listen(file, backlog: 77)) { entry, _, _ in unsafe reference_prep_listen(entry, 5, 77) }
    }

    @Test func encodesConnectsLikeLiburing() {
        unsafe expectEncoding(of: Connect(file, to: .ipv6Loopback(port: 1))) { entry, _, kernelData in
            unsafe reference_prep_connect(entry, 5, kernelData, 28)
        }
    }

    @Test func encodesShutdownsLikeLiburing() {
        unsafe expectEncoding(of: Shutdown(file, .sending)) { entry, _, _ in unsafe reference_prep_shutdown(entry, 5, Int32(SHUT_WR)) }
        unsafe expectEncoding(of: Shutdown(file, .receiving)) { entry, _, _ in unsafe reference_prep_shutdown(entry, 5, Int32(SHUT_RD)) }
        unsafe expectEncoding(of: Shutdown(file, .both)) { entry, _, _ in unsafe reference_prep_shutdown(entry, 5, Int32(SHUT_RDWR)) }
    }

    @Test func setsAServerUpThroughTheRing() throws {
        var ring = try Ring<Int>(entries: 8)
        let listener = try ring.run(Socket(.ipv4, .stream)).result.get()
        #expect(listener.isCloseOnExec && !listener.isNonBlocking)
        try ring.run(Bind(listener, to: .ipv4Loopback(port: 0))).result.get()
        try ring.run(Listen(listener, backlog: 4)).result.get()
        let address = try listener.localAddress()
        let client = try ring.run(Socket(.ipv4, .stream, flags: [.nonBlocking, .inheritable])).result.get()
        #expect(!client.isCloseOnExec && client.isNonBlocking)
        let connected = try ring.run(Connect(client, to: address))
        #expect(connected.operation.address == address)
        try connected.result.get()
        #expect(try client.peerAddress() == address)
        try ring.run(Shutdown(client, .sending)).result.get()
        let server = try ring.run(Accept(listener)).result.get()
        #expect(server.descriptor.receiveBounded() == [])
        #expect(server.peer == (try client.localAddress()))
    }

    @Test func reportsTheKernelsErrors() throws {
        var ring = try Ring<Int>(entries: 8)
        let unknown = try ring.run(Socket(SocketDomain(rawValue: 12345), .stream)).entry.errno
        #expect(unknown == .addressFamilyNotSupported)
        let listener = try Listener()
        let other = try Descriptor.socket(.ipv4, .stream)
        let inUse = try ring.run(Bind(other, to: listener.address)).entry.errno
        #expect(inUse == .addressInUse)
        // A port that was free a moment ago and has no listener: bound, but not listening.
        try other.bind(to: .ipv4Loopback(port: 0))
        let refused = try ring.run(Connect(Descriptor.socket(.ipv4, .stream), to: try other.localAddress()))
        #expect(refused.entry.errno == .connectionRefused)
        let missing = try ring.run(Connect(Descriptor.socket(.unix, .stream), to: SocketAddress(unixPath: "/nonexistent/s"))).entry.errno
        #expect(missing == .noSuchFileOrDirectory)
        let unconnected = try ring.run(Shutdown(Descriptor.socket(.ipv4, .stream), .both)).entry.errno
        #expect(unconnected == .socketNotConnected)
        let pipe = try DescriptorPair.pipe()
        let notSocket = try ring.run(Listen(pipe.first)).entry.errno
        #expect(notSocket == Errno(rawValue: ENOTSOCK))
        let closed = try ring.run(Listen(UnownedDescriptor(FileDescriptor(rawValue: -1)))).entry.errno
        #expect(closed == .badFileDescriptor)
    }

    @Test func closesASocketNobodyTakes() throws {
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Socket(.ipv4, .stream), tag: 0)
        let completion = try ring.nextCompletionWaiting()
        let number = completion.entry.result
        let inode = try #require(self.inode(of: number))
        drop(completion)
        // Another test may have the number by now, but not this socket.
        #expect(self.inode(of: number) != inode)
    }

    @Test func connectsInFlightAreLetGoWithTheRing() throws {
        // A backlog of none takes one connection; the next connect waits.
        let listener = try Listener(backlog: 0)
        let first = try listener.connect()
        let waiting = try Descriptor.socket(.ipv4, .stream)
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Connect(waiting, to: listener.address), tag: 0)
        try ring.submit()
        #expect(ring.inFlightCount == 1 && ring.readyCount == 0 && waiting.isHeld)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(waiting.isHeld == false)
        drop(first)
    }

    private func inode(of number: Int32) -> UInt64? {
        var status = stat()
        return unsafe fstat(number, &status) == 0 ? UInt64(status.st_ino) : nil
    }
}
