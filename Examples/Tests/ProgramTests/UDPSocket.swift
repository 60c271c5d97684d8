// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// A UDP socket of a test's own.
final class UDPSocket {
    let address: SocketAddress
    private let socket: Descriptor
    private var ring: Ring<UInt8>

    /// Makes one, in the network of a program if there is one.
    convenience init(at address: SocketAddress = .ipv4Loopback(port: 0), inNetworkOf program: Program? = nil) throws {
        try self.init(inNetwork(of: program) { try Descriptor.socket(.ipv4, .datagram) }, at: address)
    }

    /// Makes one that sends what is not UDP, which takes root.
    convenience init(protocol number: Int32) throws {
        try self.init(Descriptor.socket(.ipv4, .raw, protocol: SocketProtocol(rawValue: number)), at: .ipv4Loopback(port: 0))
    }

    private init(_ socket: consuming Descriptor, at address: SocketAddress) throws {
        try socket.bind(to: address)
        let ring = try Ring<UInt8>(entries: 2)
        self.address = try socket.localAddress()
        self.socket = socket
        self.ring = ring
    }

    func send(_ bytes: some Collection<UInt8>, to address: SocketAddress) throws {
        try ring.prepare(SendTo(socket, from: Buffer(copying: bytes), to: address), tag: 0)
        _ = try next().take(SendTo<Buffer>.self).result.get()
    }

    func receive() throws -> (bytes: [UInt8], sender: SocketAddress?) {
        try ring.prepare(ReceiveMessage(socket, into: Message(Buffer(byteCapacity: 65_536))), tag: 0)
        let completed = try next().take(ReceiveMessage.self)
        _ = try completed.result.get()
        return (completed.operation.message.copyBytes(), completed.operation.message.address)
    }

    private func next() throws -> Completion<UInt8> {
        try ring.submit(waitingFor: 1, timeout: .seconds(20))
        guard let completion = ring.nextCompletion() else { throw NothingCame() }
        return completion
    }

    struct NothingCame: Error {}
}
