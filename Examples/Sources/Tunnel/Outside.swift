// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// How packets travel between the two ends.
enum Transport: String, CaseIterable, ExpressibleByArgument {
    case udp
    case tcp
}

/// The socket that reaches the other end, before there is one.
///
/// The end that knows its peer calls; the other one waits until it is called, and then hears nobody else.
struct Outside: ~Copyable {
    private let transport: Transport
    private let socket: Descriptor
    private let peer: SocketAddress?
    /// Where this end can be called, or calls from.
    let address: SocketAddress

    init(_ transport: Transport, at own: SocketAddress, peer: SocketAddress?) throws {
        let socket = try Outside.socket(transport, at: own, calls: peer != nil)
        address = try Support.address(of: socket)
        self.transport = transport
        self.peer = peer
        self.socket = socket
    }

    private static func socket(_ transport: Transport, at own: SocketAddress, calls: Bool) throws -> Descriptor {
        switch (transport, calls) {
        case (.udp, _):
            let socket = try datagramSocket(at: own)
            // Bursts wait here while the thread is busy. The system's limit, net.core.rmem_max, may grant less.
            try attempt("Cannot set SO_RCVBUF") { () throws(Errno) in try socket.setOption(.receiveBufferSize, to: 4 << 20) }
            return socket
        case (.tcp, false):
            return try listen(at: own)
        case (.tcp, true):
            return try attempt("Cannot have a socket at \(own)") { () throws(Errno) in
                let socket = try Descriptor.socket(own.domain, .stream)
                try socket.setOption(.noDelay, to: true)
                try socket.bind(to: own)
                return socket
            }
        }
    }

    /// Gives the socket that is connected to the peer, or nil when the process is asked to end before there is one.
    consuming func connected(unless stop: UnownedDescriptor) throws -> Descriptor? {
        var ring = try Ring<Step>(entries: 4)
        try ring.prepare(Poll(stop, for: .input), tag: .stop)
        switch (transport, peer) {
        case (.tcp, nil):
            try ring.prepare(Accept<Descriptor>(socket), tag: .call)
            guard let call = try ring.next() else { return nil }
            return try call.take(Accept<Descriptor>.self).result.get(whenDoing: "Cannot accept the connection").descriptor
        case (_, let peer?):
            guard try ring.connect(socket, to: peer) else { return nil }
            // An empty datagram is a greeting: the other end learns from it who calls. It may be lost like any other.
            if transport == .udp {
                try ring.prepare(Send(socket, from: Buffer(byteCapacity: 0)), tag: .call)
                _ = try ring.next()
            }
        case (.udp, nil):
            var isConnected = false
            while !isConnected {
                try ring.prepare(ReceiveMessage(socket, into: Message(Buffer(byteCapacity: 1))), tag: .call)
                guard let call = try ring.next() else { return nil }
                let completed = call.take(ReceiveMessage.self)
                _ = try completed.result.get(whenDoing: "Cannot receive the first datagram")
                guard let caller = completed.operation.message.address else { continue }
                try ring.prepare(Connect(socket, to: caller), tag: .call)
                guard let completion = try ring.next() else { return nil }
                // Anybody can put down a sender that cannot be answered.
                if case .success = completion.take(Connect.self).result { isConnected = true }
            }
        }
        return socket
    }
}

/// What a ring is doing that waits for the peer.
private enum Step {
    case stop
    case call
}

extension Ring<Step> {
    /// Waits for the call's completion; nil when the process is to end.
    fileprivate mutating func next() throws -> Completion<Step>? {
        while true {
            try submit(waitingFor: 1)
            guard let completion = nextCompletion() else { continue }
            if completion.tag == .stop { return nil }
            return consume completion
        }
    }

    /// Connects a socket; false when the process is to end before that is done.
    fileprivate mutating func connect(_ socket: borrowing Descriptor, to peer: SocketAddress) throws -> Bool {
        try prepare(Connect(socket, to: peer), tag: .call)
        guard let completion = try next() else { return false }
        try completion.take(Connect.self).result.get(whenDoing: "Cannot connect to \(peer)")
        return true
    }
}
