// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing
import URing

/// A listener on a free port of this machine, with its address.
struct Listener: ~Copyable {
    let descriptor: Descriptor
    let address: SocketAddress

    init(backlog: Int = 64) throws {
        let listening = try Descriptor.listening(at: .ipv4Loopback(port: 0), backlog: backlog)
        address = try listening.localAddress()
        descriptor = listening
    }

    /// A connection to the listener that nobody has accepted yet.
    func connect() throws -> Descriptor {
        let client = try Descriptor.socket(.ipv4, .stream)
        try client.connectBlocking(to: address)
        return client
    }
}

extension Descriptor {
    /// Connects without a ring; only to listeners of the test, which are always ready.
    borrowing func connectBlocking(to address: SocketAddress) throws {
        var ring = try Ring<Int>(entries: 2)
        try ring.run(Connect(self, to: address)).result.get()
    }

    /// What happens next on the socket, without a ring: waits ten seconds at most, then receives once.
    ///
    /// Nothing within the time is nil, the end of the stream is no bytes, and a reset connection is the end too.
    borrowing func receiveBounded(_ capacity: Int = 256) -> [UInt8]? {
        let number = unowned.fileDescriptor.rawValue
        var waiting = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&waiting, 1, 10_000) == 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: capacity)
        let count = unsafe recv(number, &bytes, capacity, Int32(MSG_DONTWAIT))
        return count >= 0 ? Array(bytes.prefix(count)) : errno == ECONNRESET ? [] : nil
    }

    /// Sends without a ring.
    borrowing func sendNow(_ bytes: [UInt8]) -> Int {
        unsafe send(unowned.fileDescriptor.rawValue, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// Whether the descriptor is close-on-exec.
    var isCloseOnExec: Bool { fcntl(unowned.fileDescriptor.rawValue, F_GETFD) & FD_CLOEXEC != 0 }

    /// Whether the file is non-blocking.
    var isNonBlocking: Bool { fcntl(unowned.fileDescriptor.rawValue, F_GETFL) & O_NONBLOCK != 0 }
}

extension UnownedDescriptor {
    /// Receives what is there, without a ring and without waiting; how many bytes that were, or -1.
    @discardableResult
    func takeNow(_ capacity: Int) -> Int {
        var bytes = [UInt8](repeating: 0, count: capacity)
        return unsafe recv(fileDescriptor.rawValue, &bytes, capacity, Int32(MSG_DONTWAIT))
    }
}

/// Two connected TCP sockets.
struct TCPPair: ~Copyable {
    var client: Descriptor
    var server: Descriptor

    init() throws {
        let listener = try Listener()
        var ring = try Ring<Int>(entries: 2)
        let connecting = try listener.connect()
        server = try ring.run(Accept(listener.descriptor)).result.get().descriptor
        client = connecting
    }
}

/// Drops a value here and now.
func drop<T: ~Copyable>(_: consuming T) {}
