// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Where a socket is: an address and port of the Internet, or a name of this machine.
///
/// A plain value that holds the bytes of the kernel's `struct sockaddr` of any family. Addresses are equal when these bytes are.
@frozen
public struct SocketAddress: BitwiseCopyable, Sendable, Hashable {
    /// The kernel's structure; zeros from `storedByteCount` on.
    @usableFromInline var storage: InlineArray<128, UInt8>
    /// How many of the bytes are the address; the kernel's `socklen_t`, which must stay right behind the bytes.
    @usableFromInline var storedByteCount: UInt32

    /// The most bytes an address can have, those of `struct sockaddr_storage`.
    @inlinable public static var maximumByteCount: Int { 128 }

    /// Makes the address that is none, of no family and no bytes.
    @inlinable
    init() {
        storage = InlineArray(repeating: 0)
        storedByteCount = 0
    }

    /// Copies an address of any family in the kernel's form.
    ///
    /// - Throws: An error if it is shorter than the family or longer than ``maximumByteCount``.
    public init(copying bytes: RawSpan) throws(SocketAddressError) {
        guard bytes.byteCount >= 2, bytes.byteCount <= SocketAddress.maximumByteCount else { throw .notAnAddress }
        self.init()
        storedByteCount = UInt32(bytes.byteCount)
        for index in 0..<bytes.byteCount {
            // SAFETY: any byte of an initialised span is a UInt8, and the index is in bounds.
            storage[index] = unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)
        }
    }

    /// The bytes, in the kernel's form.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        // SAFETY: bytes have no padding.
        get { unsafe storage.span.bytes.extracting(first: byteCount) }
    }

    /// How many bytes the address has.
    @inlinable
    public var byteCount: Int { Int(storedByteCount) }

    /// The family, `AF_*`; ``SocketDomain/unspecified`` for the address that is none.
    public var domain: SocketDomain {
        guard byteCount >= 2 else { return .unspecified }
        #if _endian(little)
            return SocketDomain(rawValue: Int32(storage[0]) | Int32(storage[1]) << 8)
        #else
            return SocketDomain(rawValue: Int32(storage[1]) | Int32(storage[0]) << 8)
        #endif
    }

    /// Compares the bytes.
    public static func == (left: SocketAddress, right: SocketAddress) -> Bool {
        guard left.storedByteCount == right.storedByteCount else { return false }
        for index in 0..<left.byteCount where left.storage[index] != right.storage[index] { return false }
        return true
    }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(storedByteCount)
        for index in 0..<byteCount { hasher.combine(storage[index]) }
    }

    private init(domain: SocketDomain, byteCount: Int) {
        self.init()
        storedByteCount = UInt32(byteCount)
        let family = UInt16(truncatingIfNeeded: domain.rawValue)
        #if _endian(little)
            storage[0] = UInt8(truncatingIfNeeded: family)
            storage[1] = UInt8(truncatingIfNeeded: family >> 8)
        #else
            storage[0] = UInt8(truncatingIfNeeded: family >> 8)
            storage[1] = UInt8(truncatingIfNeeded: family)
        #endif
    }
}

// MARK: - The Internet

// struct sockaddr_in: the family, the port at 2, the address at 4, padding up to 16 bytes. struct sockaddr_in6: the family, the port at 2, the
// flow information at 4, the address at 8, and the scope, in the machine's byte order, from 24 to 28.
extension SocketAddress {
    private static let ipv4ByteCount = 16
    private static let ipv6ByteCount = 28

    /// Makes an IPv4 address of its four numbers.
    public static func ipv4(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8, port: UInt16) -> SocketAddress {
        var address = SocketAddress(domain: .ipv4, byteCount: ipv4ByteCount)
        address.storePort(port)
        address.storage[4] = first
        address.storage[5] = second
        address.storage[6] = third
        address.storage[7] = fourth
        return address
    }

    /// Makes an IPv6 address.
    ///
    /// - Parameters:
    ///   - bytes: The address, in the order it is written.
    ///   - port: The port.
    ///   - scope: The index of the interface that a link-local address belongs to.
    ///   - flowInformation: The traffic class and flow label.
    /// - Returns: The address.
    public static func ipv6(
        _ bytes: InlineArray<16, UInt8>, port: UInt16, scope: UInt32 = 0, flowInformation: UInt32 = 0
    ) -> SocketAddress {
        var address = SocketAddress(domain: .ipv6, byteCount: ipv6ByteCount)
        address.storePort(port)
        address.store(flowInformation.bigEndian, at: 4)
        for index in 0..<16 { address.storage[8 + index] = bytes[index] }
        address.store(scope, at: 24)
        return address
    }

    /// Makes an address of its textual form without a port, such as "127.0.0.1", "::1" or "fe80::1%eth0".
    ///
    /// Names of hosts are not looked up.
    public init(ip text: String, port: UInt16) throws(SocketAddressError) {
        if let address = SocketAddress(ipv4Text: text, port: port) {
            self = address
            return
        }
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let bytes = SocketAddress.ipv6Bytes(String(parts[0])) else { throw .notAnAddress }
        self = .ipv6(bytes, port: port, scope: parts.count == 2 ? try SocketAddress.scope(String(parts[1])) : 0)
    }

    /// The IPv4 address of this machine for itself, 127.0.0.1.
    public static func ipv4Loopback(port: UInt16) -> SocketAddress { .ipv4(127, 0, 0, 1, port: port) }

    /// All IPv4 addresses of this machine, 0.0.0.0.
    public static func ipv4Any(port: UInt16) -> SocketAddress { .ipv4(0, 0, 0, 0, port: port) }

    /// The IPv6 address of this machine for itself, ::1.
    public static func ipv6Loopback(port: UInt16) -> SocketAddress {
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        bytes[15] = 1
        return .ipv6(bytes, port: port)
    }

    /// All addresses of this machine, ::; IPv4 as well unless ``SocketOption/ipv6Only`` is set.
    public static func ipv6Any(port: UInt16) -> SocketAddress { .ipv6(InlineArray(repeating: 0), port: port) }

    /// Whether this is a whole IPv4 address.
    public var isIPv4: Bool { domain == .ipv4 && byteCount >= SocketAddress.ipv4ByteCount }

    /// Whether this is a whole IPv6 address.
    public var isIPv6: Bool { domain == .ipv6 && byteCount >= SocketAddress.ipv6ByteCount }

    /// The port, if this is an address of the Internet.
    public var port: UInt16? {
        isIPv4 || isIPv6 ? UInt16(storage[2]) << 8 | UInt16(storage[3]) : nil
    }

    /// The same address with another port.
    ///
    /// - Precondition: This is an address of the Internet.
    public func withPort(_ port: UInt16) -> SocketAddress {
        require(isIPv4 || isIPv6, "Only IPv4 and IPv6 addresses have a port.")
        var address = self
        address.storePort(port)
        return address
    }

    /// The four numbers of an IPv4 address.
    public var ipv4Bytes: InlineArray<4, UInt8>? {
        isIPv4 ? [storage[4], storage[5], storage[6], storage[7]] : nil
    }

    /// The sixteen bytes of an IPv6 address.
    public var ipv6Bytes: InlineArray<16, UInt8>? {
        guard isIPv6 else { return nil }
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        for index in 0..<16 { bytes[index] = storage[8 + index] }
        return bytes
    }

    /// The index of the interface that an IPv6 address belongs to, 0 for none.
    public var scope: UInt32? { isIPv6 ? load(at: 24) : nil }

    /// The traffic class and flow label of an IPv6 address.
    public var flowInformation: UInt32? { isIPv6 ? UInt32(bigEndian: load(at: 4)) : nil }

    private mutating func storePort(_ port: UInt16) {
        storage[2] = UInt8(truncatingIfNeeded: port >> 8)
        storage[3] = UInt8(truncatingIfNeeded: port)
    }

    private mutating func store(_ value: UInt32, at offset: Int) {
        let value = value.littleEndian
        for index in 0..<4 {
            #if _endian(little)
                storage[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index))
            #else
                storage[offset + 3 - index] = UInt8(truncatingIfNeeded: value.byteSwapped >> UInt32(8 * index))
            #endif
        }
    }

    private func load(at offset: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in 0..<4 {
            #if _endian(little)
                value |= UInt32(storage[offset + index]) << UInt32(8 * index)
            #else
                value |= UInt32(storage[offset + 3 - index]) << UInt32(8 * index)
            #endif
        }
        return value
    }
}

// MARK: - This machine

// struct sockaddr_un: the family, and at 2 the path up to its NUL, or a NUL and the abstract name up to the end, or nothing.
extension SocketAddress {
    private static let unixNameOffset = 2
    /// Of the 108 bytes, one is the NUL behind a path or before an abstract name.
    private static let unixNameCount = 107

    /// Makes the address of a Unix socket in the file system.
    ///
    /// - Throws: An error if the path is empty, has a NUL in it or is longer than 107 bytes.
    public init(unixPath path: FilePath) throws(SocketAddressError) {
        // SAFETY: the path has `length` bytes before its terminator.
        let bytes = unsafe path.withPlatformString { start in
            unsafe UnsafeBufferPointer(start: start, count: path.length).map { UInt8(bitPattern: $0) }
        }
        try self.init(unixPathBytes: bytes)
    }

    /// Makes the address of a Unix socket with a name that is not in the file system.
    ///
    /// - Parameter name: The name's bytes, any of them 0, without the NUL that comes first.
    /// - Throws: An error if it is longer than 107 bytes.
    public init(unixAbstract name: some Collection<UInt8>) throws(SocketAddressError) {
        guard name.count <= SocketAddress.unixNameCount else { throw .nameTooLong }
        self.init(domain: .unix, byteCount: SocketAddress.unixNameOffset + 1 + name.count)
        for (index, byte) in name.enumerated() { storage[SocketAddress.unixNameOffset + 1 + index] = byte }
    }

    /// Makes the address of a Unix socket with a name that is not in the file system.
    public init(unixAbstract name: String) throws(SocketAddressError) {
        try self.init(unixAbstract: Array(name.utf8))
    }

    /// The address of a Unix socket without a name, as those of a pair and of most clients are; binding to it gives the socket an abstract one.
    public static var unixUnnamed: SocketAddress { SocketAddress(domain: .unix, byteCount: unixNameOffset) }

    /// The path of a Unix socket in the file system.
    public var unixPath: FilePath? {
        guard let bytes = unixPathBytes else { return nil }
        // SAFETY: an array with a terminator.
        return unsafe FilePath(platformString: bytes.map { CInterop.PlatformChar(bitPattern: $0) } + [0])
    }

    /// The abstract name of a Unix socket, without the NUL that comes first.
    public var unixAbstractName: [UInt8]? {
        guard domain == .unix, byteCount > SocketAddress.unixNameOffset, storage[SocketAddress.unixNameOffset] == 0 else { return nil }
        return (SocketAddress.unixNameOffset + 1..<byteCount).map { storage[$0] }
    }

    /// Whether this is the address of a Unix socket without a name.
    public var isUnixUnnamed: Bool { domain == .unix && byteCount == SocketAddress.unixNameOffset }

    private init(unixPathBytes bytes: [UInt8]) throws(SocketAddressError) {
        guard !bytes.isEmpty else { throw .emptyPath }
        guard !bytes.contains(0) else { throw .pathContainsNUL }
        guard bytes.count <= SocketAddress.unixNameCount else { throw .nameTooLong }
        self.init(domain: .unix, byteCount: SocketAddress.unixNameOffset + bytes.count + 1)
        for (index, byte) in bytes.enumerated() { storage[SocketAddress.unixNameOffset + index] = byte }
    }

    private var unixPathBytes: [UInt8]? {
        guard domain == .unix, byteCount > SocketAddress.unixNameOffset, storage[SocketAddress.unixNameOffset] != 0 else { return nil }
        return (SocketAddress.unixNameOffset..<byteCount).map { storage[$0] }.prefix { $0 != 0 } + []
    }
}

// MARK: - Text

extension SocketAddress: CustomStringConvertible {
    /// Reads an address as ``description`` writes it, or gives nil.
    public init?(_ text: String) {
        guard let address = try? SocketAddress(parsing: text) else { return nil }
        self = address
    }

    /// Reads an address: "127.0.0.1:8080", "[::1]:80", "[fe80::1%2]:80", "unix:/path", "unix:@abstract" or "unix:".
    ///
    /// The scope behind "%" is an interface's number or name. Names of hosts are not looked up.
    public init(parsing text: String) throws(SocketAddressError) {
        let bytes = Array(text.utf8)
        let prefix = Array("unix:".utf8)
        if bytes.starts(with: prefix) {
            let name = Array(bytes.dropFirst(prefix.count))
            switch name.first {
            case nil: self = .unixUnnamed
            case UInt8(ascii: "@"): try self.init(unixAbstract: name.dropFirst())
            case _: try self.init(unixPathBytes: name)
            }
            return
        }
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")) else { throw .notAnAddress }
        let host = bytes[..<colon]
        guard let port = SocketAddress.port(bytes[(colon + 1)...]) else { throw .invalidPort }
        if host.first == UInt8(ascii: "["), host.last == UInt8(ascii: "]") {
            let inside = String(decoding: host.dropFirst().dropLast(), as: UTF8.self)
            guard inside.utf8.contains(UInt8(ascii: ":")) else { throw .notAnAddress }
            try self.init(ip: inside, port: port)
        } else {
            guard let address = SocketAddress(ipv4Text: String(decoding: host, as: UTF8.self), port: port) else { throw .notAnAddress }
            self = address
        }
    }

    /// The address as ``init(parsing:)`` reads it, unless a Unix name is not UTF-8 or a path has 106 bytes or more; other families by number.
    ///
    /// It leaves out the flow information of IPv6.
    public var description: String {
        if let port {
            guard let ipText else { return "" }
            return isIPv6 ? "[\(ipText)]:\(port)" : "\(ipText):\(port)"
        }
        if isUnixUnnamed { return "unix:" }
        if let name = unixAbstractName { return "unix:@" + String(decoding: name, as: UTF8.self) }
        if let path = unixPathBytes {
            // A relative path that begins with @ would be read as an abstract name.
            return (path.first == UInt8(ascii: "@") ? "unix:./" : "unix:") + String(decoding: path, as: UTF8.self)
        }
        return "address family \(domain.rawValue), \(byteCount) bytes"
    }

    /// The address of the Internet without its port, with its scope if it has one.
    public var ipText: String? {
        guard isIPv4 || isIPv6 else { return nil }
        // SAFETY: the address has all its bytes, and the room is as large as the longest text and its NUL.
        let text = unsafe storage.span.bytes.extracting(droppingFirst: isIPv4 ? 4 : 8).withUnsafeBytes { address in
            unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { room -> String? in
                let text = unsafe inet_ntop(isIPv4 ? AF_INET : AF_INET6, address.baseAddress, room.baseAddress, socklen_t(INET6_ADDRSTRLEN))
                return unsafe text.map { unsafe String(cString: $0) }
            }
        }
        guard let text, let scope, scope != 0 else { return text }
        return "\(text)%\(scope)"
    }

    private init?(ipv4Text text: String, port: UInt16) {
        var numbers: InlineArray<4, UInt8> = [0, 0, 0, 0]
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        for (index, part) in parts.enumerated() {
            // Leading zeros are refused: some readers take them for octal.
            let hasLeadingZero = part.count > 1 && part.first == UInt8(ascii: "0")
            guard !hasLeadingZero, let number = SocketAddress.decimal(part), number <= 255 else { return nil }
            numbers[index] = UInt8(number)
        }
        self = .ipv4(numbers[0], numbers[1], numbers[2], numbers[3], port: port)
    }

    private static func ipv6Bytes(_ text: String) -> InlineArray<16, UInt8>? {
        guard !text.utf8.contains(0) else { return nil }
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        // SAFETY: the call writes 16 bytes, and the array has them.
        let status = unsafe span.withUnsafeMutableBytes { unsafe inet_pton(AF_INET6, text, $0.baseAddress) }
        return status == 1 ? bytes : nil
    }

    private static func scope(_ text: String) throws(SocketAddressError) -> UInt32 {
        if let number = decimal(text.utf8), let scope = UInt32(exactly: number) { return scope }
        // SAFETY: the string has a terminator.
        let index = unsafe if_nametoindex(text)
        guard index != 0, !text.utf8.contains(0) else { throw .unknownInterface }
        return index
    }

    private static func port(_ text: some Collection<UInt8>) -> UInt16? {
        decimal(text).flatMap { UInt16(exactly: $0) }
    }

    /// Reads up to ten digits and nothing else.
    private static func decimal(_ text: some Collection<UInt8>) -> Int? {
        guard !text.isEmpty, text.count <= 10 else { return nil }
        var number = 0
        for byte in text {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return number
    }
}

// MARK: - The kernel's side

extension SocketAddress {
    /// Where the byte count lies behind the bytes, for calls that take the two by their addresses.
    @inlinable static var byteCountOffset: Int { 128 }

    /// Room for the kernel to write any address to.
    @inlinable
    static var room: SocketAddress {
        var address = SocketAddress()
        address.storedByteCount = UInt32(maximumByteCount)
        return address
    }

    /// What the kernel has written to ``room``, without bytes that it left behind the address.
    @inlinable
    var received: SocketAddress {
        var address = self
        // The kernel reports the address's full size even when it is larger than the room.
        let count = min(byteCount, SocketAddress.maximumByteCount)
        address.storedByteCount = UInt32(count)
        for index in count..<SocketAddress.maximumByteCount { address.storage[index] = 0 }
        return address
    }
}

/// Why something is not a socket address.
public enum SocketAddressError: Error, Sendable, Hashable, CustomStringConvertible {
    /// It is neither of the textual forms, or its bytes are too few or too many.
    case notAnAddress
    /// The port is not a number from 0 to 65535.
    case invalidPort
    /// The scope is neither a number nor an interface of this machine.
    case unknownInterface
    /// The path of a Unix socket is empty.
    case emptyPath
    /// The path of a Unix socket has a NUL in it.
    case pathContainsNUL
    /// The path or abstract name of a Unix socket is longer than 107 bytes.
    case nameTooLong

    /// The reason in words.
    public var description: String {
        switch self {
        case .notAnAddress: "not an address: write 127.0.0.1:80, [::1]:80, [fe80::1%2]:80, unix:/path or unix:@abstract"
        case .invalidPort: "a port is a number from 0 to 65535"
        case .unknownInterface: "no interface has this name; an interface's number is accepted too"
        case .emptyPath: "the path of a Unix socket cannot be empty"
        case .pathContainsNUL: "the path of a Unix socket cannot contain a NUL"
        case .nameTooLong: "the name of a Unix socket can have 107 bytes; use a path relative to the working directory"
        }
    }
}
