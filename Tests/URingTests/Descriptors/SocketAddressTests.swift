// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct SocketAddressTests {
    @Test(arguments: [
        "127.0.0.1:8080", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0", "[fe80::1%2]:80", "[2001:db8::ff00:42:8329]:443",
        "unix:/run/a.sock", "unix:relative", "unix:@abstract", "unix:", "unix:./@x", "unix:@",
    ])
    func readsWhatItWrites(text: String) throws {
        let address = try SocketAddress(parsing: text)
        #expect(address.description == text)
        #expect(SocketAddress(text) == address)
        #expect(try SocketAddress(parsing: address.description).hashValue == address.hashValue)
    }

    @Test(arguments: [
        ("", SocketAddressError.notAnAddress), ("localhost:80", .notAnAddress), ("127.0.0.1", .notAnAddress), ("127.0.0.1:", .invalidPort),
        ("127.0.0.1:65536", .invalidPort), ("127.0.0.1:+1", .invalidPort), ("127.0.0.1: 1", .invalidPort), ("127.0.0.256:1", .notAnAddress),
        ("127.0.0.01:1", .notAnAddress), ("127.0.0:1", .notAnAddress), ("127.0.0.1.1:1", .notAnAddress), ("::1:80", .notAnAddress),
        ("[127.0.0.1]:80", .notAnAddress), ("[::1]", .invalidPort), ("[::g]:80", .notAnAddress), ("[::1\0]:80", .notAnAddress),
        ("[fe80::1%nosuchinterface]:80", .unknownInterface), ("[fe80::1%]:80", .unknownInterface), ("unix:/a\0b", .pathContainsNUL),
        ("[fe80::1%99999999999]:80", .unknownInterface), ("127.0.0.1:99999999999999999999", .invalidPort),
        ("unix:/" + String(repeating: "x", count: 107), .nameTooLong), ("unix:@" + String(repeating: "x", count: 108), .nameTooLong),
    ])
    func refusesWhatIsNoAddress(text: String, error: SocketAddressError) {
        #expect(throws: error) { try SocketAddress(parsing: text) }
        #expect(SocketAddress(text) == nil)
    }

    @Test func hasTheKernelsBytes() throws {
        let ipv4 = SocketAddress.ipv4(1, 2, 3, 4, port: 0x0506)
        var expected = sockaddr_in()
        expected.sin_family = sa_family_t(AF_INET)
        expected.sin_port = in_port_t(0x0506).bigEndian
        expected.sin_addr = in_addr(s_addr: UInt32(0x0102_0304).bigEndian)
        let ipv4Bytes = unsafe withUnsafeBytes(of: expected) { unsafe Array($0) }
        #expect(copy(ipv4.bytes) == ipv4Bytes)

        let text = try SocketAddress(ip: "1:2:3:4:5:6:7:8", port: 9)
        let ipv6 = SocketAddress.ipv6(try #require(text.ipv6Bytes), port: 0x0708, scope: 0x0102_0304, flowInformation: 0x000a_0b0c)
        var expected6 = sockaddr_in6()
        expected6.sin6_family = sa_family_t(AF_INET6)
        expected6.sin6_port = in_port_t(0x0708).bigEndian
        expected6.sin6_flowinfo = UInt32(0x000a_0b0c).bigEndian
        expected6.sin6_scope_id = 0x0102_0304
        let status = unsafe inet_pton(AF_INET6, "1:2:3:4:5:6:7:8", &expected6.sin6_addr)
        #expect(status == 1)
        let ipv6Bytes = unsafe withUnsafeBytes(of: expected6) { unsafe Array($0) }
        #expect(copy(ipv6.bytes) == ipv6Bytes)
        #expect(ipv6.scope == 0x0102_0304)
        #expect(ipv6.flowInformation == 0x000a_0b0c)

        let path = try SocketAddress(unixPath: "/a")
        #expect(copy(path.bytes) == [UInt8(AF_UNIX), 0, 0x2f, 0x61, 0])
        let abstract = try SocketAddress(unixAbstract: [0x61, 0, 0x62])
        #expect(copy(abstract.bytes) == [UInt8(AF_UNIX), 0, 0, 0x61, 0, 0x62])
        #expect(copy(SocketAddress.unixUnnamed.bytes) == [UInt8(AF_UNIX), 0])
    }

    @Test func givesItsPartsBack() throws {
        let ipv4 = SocketAddress.ipv4(10, 20, 30, 40, port: 50)
        #expect(ipv4.domain == .ipv4 && ipv4.isIPv4 && !ipv4.isIPv6)
        #expect(ipv4.port == 50 && ipv4.ipText == "10.20.30.40" && ipv4.ipv6Bytes == nil && ipv4.scope == nil)
        let numbers = try #require(ipv4.ipv4Bytes)
        #expect(numbers[0] == 10 && numbers[3] == 40)
        #expect(ipv4.withPort(51) == .ipv4(10, 20, 30, 40, port: 51) && ipv4.withPort(51) != ipv4)
        let loopback = unsafe if_nametoindex("lo")
        #expect(try SocketAddress(ip: "fe80::1%lo", port: 1).scope == loopback)
        let path = try SocketAddress(unixPath: FilePath(String(repeating: "p", count: 107)))
        #expect(path.unixPath == FilePath(String(repeating: "p", count: 107)) && path.port == nil && path.unixAbstractName == nil)
        #expect(path.byteCount == 110)
        #expect(try SocketAddress(unixAbstract: "name").unixAbstractName == Array("name".utf8))
        #expect(SocketAddress.unixUnnamed.isUnixUnnamed && SocketAddress.unixUnnamed.unixPath == nil)
        #expect(throws: SocketAddressError.emptyPath) { try SocketAddress(unixPath: "") }
        #expect(throws: SocketAddressError.nameTooLong) { try SocketAddress(unixPath: FilePath(String(repeating: "p", count: 108))) }
        #expect(throws: SocketAddressError.pathContainsNUL) { try SocketAddress(parsing: "unix:a\0") }
    }

    @Test func holdsAddressesOfAnyFamily() throws {
        let netlink: [UInt8] = [UInt8(AF_NETLINK), 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]
        let address = try address(netlink)
        #expect(address.domain == .netlink && copy(address.bytes) == netlink && address.port == nil)
        #expect(address.description == "address family 16, 12 bytes")
        #expect(throws: SocketAddressError.notAnAddress) { try self.address([1]) }
        #expect(throws: SocketAddressError.notAnAddress) { try self.address([UInt8](repeating: 1, count: 129)) }
        // Cut short, it has no port to read.
        #expect(try self.address([UInt8(AF_INET), 0, 1]).port == nil)
    }

    @Test func forgetsWhatTheKernelLeftBehindTheAddress() {
        var written = SocketAddress.room
        written.storage[0] = UInt8(AF_UNIX)
        written.storage[50] = 7
        written.storedByteCount = 2
        #expect(written.received == .unixUnnamed)
        #expect(written.received.storage[50] == 0)
        written.storedByteCount = 500
        #expect(written.received.byteCount == 128)
    }

    @Test func liesAsTheOperationsExpect() {
        #expect(MemoryLayout<SocketAddress>.offset(of: \.storage) == 0)
        #expect(MemoryLayout<SocketAddress>.offset(of: \.storedByteCount) == SocketAddress.byteCountOffset)
    }

    @Test func hasNoOtherPortThanAnInternetAddress() async {
        expectSentence(
            "Only IPv4 and IPv6 addresses have a port.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = SocketAddress.unixUnnamed.withPort(1) }
        )
    }

    private func address(_ bytes: [UInt8]) throws -> SocketAddress {
        try SocketAddress(copying: Buffer(copying: bytes).bytes)
    }

    private func copy(_ bytes: RawSpan) -> [UInt8] {
        unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }
}
