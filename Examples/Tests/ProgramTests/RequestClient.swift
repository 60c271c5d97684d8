// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import SystemPackage
import Testing
import URing

/// A client of `server` that does what a test says, bytes by bytes.
struct RequestClient: ~Copyable {
    private var ring: Ring<UInt8>
    private let socket: Descriptor

    init(port: String, receiveBufferByteCount: Int32? = nil) throws {
        var ring = try Ring<UInt8>(entries: 2)
        let socket = try Descriptor.socket(.ipv4, .stream)
        if let receiveBufferByteCount { try socket.setOption(.receiveBufferSize, to: receiveBufferByteCount) }
        try ring.run(Connect(socket, to: .ipv4Loopback(port: #require(UInt16(port))))).result.get()
        self.ring = ring
        self.socket = socket
    }

    /// The bytes of a request.
    static func request(payload: [UInt8], answerByteCount: Int) -> [UInt8] {
        header(payloadByteCount: payload.count, answerByteCount: answerByteCount) + payload
    }

    static func header(payloadByteCount: Int, answerByteCount: Int) -> [UInt8] {
        [payloadByteCount, answerByteCount].flatMap { count in (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } }
    }

    /// Sends bytes; false if not all are taken without waiting for the server, or the connection has failed.
    @discardableResult
    mutating func send(_ bytes: [UInt8]) throws -> Bool {
        let completed = try ring.run(Send(socket, from: Buffer(copying: bytes), flags: .doNotWait))
        guard case .success(bytes.count) = completed.result else { return false }
        return true
    }

    /// Sends bytes, and waits for the server to take them; false if it has not taken all when a second is over, or the connection has failed.
    mutating func push(_ bytes: [UInt8]) throws -> Bool {
        let token = try ring.prepare(
            Send(socket, from: Buffer(copying: bytes), flags: .waitAll), tag: 0, timeout: .after(.seconds(1)))
        while true {
            try ring.submit(waitingFor: 1)
            guard let completion = ring.nextCompletion() else { continue }
            guard case .success(bytes.count) = completion.take(token).result else { return false }
            return true
        }
    }

    /// Tells the server that there is nothing more to come.
    mutating func endSending() throws {
        try ring.run(Shutdown(socket, .sending)).result.get()
    }

    /// Receives at least one byte, or none at the end of the stream; nil if the connection was reset.
    mutating func receive() throws -> [UInt8]? {
        let completed = try ring.run(Receive(socket, into: Buffer(byteCapacity: 65_536)))
        guard case .success = completed.result else { return nil }
        return completed.operation.memory.copyBytes()
    }

    /// Receives until the end of the stream.
    mutating func receiveAll() throws -> [UInt8] {
        var all: [UInt8] = []
        while let bytes = try receive(), !bytes.isEmpty { all += bytes }
        return all
    }
}
