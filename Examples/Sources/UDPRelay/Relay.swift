// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import URing

/// Forwards datagrams between two sockets on one ring.
///
/// One operation for each socket receives again and again, into whichever buffer of the pool the kernel picks. A datagram is sent on out of
/// the buffer that it came in, which is the kernel's again when the send is done.
struct Relay: ~Copyable {
    /// What an operation is doing; a send is named by the side that its datagram came from.
    private enum Tag {
        case stop
        case receive(Side)
        case send(from: Side)
    }

    private enum Side: Int {
        case client
        case peer
    }

    private var ring: Ring<Tag>
    private let buffers: BufferRing
    private let clientSide: FileHold
    private let peerSide: FileHold
    private let peer: SocketAddress
    /// Who sent the last datagram to the client side.
    private var client: SocketAddress?
    /// The sides that are to receive when there are buffers.
    private var waiting: InlineArray<2, Bool> = [true, true]
    private var report = RelayReport()

    init(
        clientSide: borrowing Descriptor, peerSide: borrowing Descriptor, peer: SocketAddress, stop: UnownedDescriptor,
        bufferCount: Int, datagramByteCount: Int
    ) throws {
        var ring = try Ring<Tag>(entries: 256)
        let buffers = try ring.makeBufferRing(
            count: bufferCount, byteCount: ReceiveMessageMultishot.bufferByteCount(forPayload: datagramByteCount))
        try ring.prepare(Read(stop, into: Buffer(byteCapacity: 128)), tag: .stop)
        self.clientSide = clientSide.hold()
        self.peerSide = peerSide.hold()
        self.peer = peer
        self.buffers = buffers
        self.ring = ring
    }

    /// Relays until the stop descriptor can be read.
    consuming func run() throws -> RelayReport {
        loop: while true {
            try receiveWhereThereAreBuffers()
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .stop: break loop
                case .receive(let side): try received(at: side, completion.event(ReceiveMessageMultishot.self))
                case .send(let side): sent(from: side, completion.take(SendTo<BufferLease>.self).result)
                }
            }
        }
        report.exhaustions = Int(buffers.exhaustionCount)
        return report
    }

    /// Receives at the sides that wait, if there are buffers: leases that went back are the only sign that there are some again.
    private mutating func receiveWhereThereAreBuffers() throws {
        guard buffers.canRearm else { return }
        for side in [Side.client, .peer] where waiting[side.rawValue] {
            waiting[side.rawValue] = false
            switch side {
            case .client: try ring.prepare(ReceiveMessageMultishot(clientSide, into: buffers), tag: .receive(side))
            case .peer: try ring.prepare(ReceiveMessageMultishot(peerSide, into: buffers), tag: .receive(side))
            }
        }
    }

    private mutating func received(at side: Side, _ event: consuming Event<ReceiveMessageMultishot>) throws {
        switch consume event {
        case .more(let result):
            try forward(result, from: side)
        case .finished(let completed):
            let ending = completed.ending
            try forward(completed.result, from: side)
            switch ending {
            // Datagrams wait in the socket meanwhile. An empty one ends the operation as well, with or without an address.
            case .rearm, .completionQueueFull, .outOfBuffers, .endOfStream: waiting[side.rawValue] = true
            case .failed(let errno): throw Failure("Cannot receive from the \(side): \(errno)")
            // Cancelled, at the end; a full table is an accept's.
            case .cancelled, .tableFull: break
            }
        }
    }

    private mutating func forward(_ result: consuming Result<ReceivedMessage, Errno>, from side: Side) throws {
        switch consume result {
        case .success(let message):
            guard let sender = message.header.address else { return }
            if message.header.flags.contains(.truncated) {
                report.truncated += 1
                return
            }
            switch side {
            case .client:
                client = sender
                try ring.prepare(SendTo(peerSide, from: message.takePayload(), to: peer), tag: .send(from: side))
            case .peer:
                guard sender == peer, let client else {
                    report.unasked += 1
                    return
                }
                try ring.prepare(SendTo(clientSide, from: message.takePayload(), to: client), tag: .send(from: side))
            }
        // The ending says why.
        case .failure: return
        }
    }

    private mutating func sent(from side: Side, _ result: Result<Int, Errno>) {
        switch (result, side) {
        case (.success(let count), .client):
            report.toPeer += 1
            report.bytes += count
        case (.success(let count), .peer):
            report.toClients += 1
            report.bytes += count
        // A network that cannot be reached now may be so later.
        case (.failure, _): report.failed += 1
        }
    }
}

/// What a relay did.
struct RelayReport: CustomStringConvertible {
    var toPeer = 0
    var toClients = 0
    var bytes = 0
    /// Datagrams that were larger than a buffer.
    var truncated = 0
    /// Datagrams that came at the peer's side from somebody else, or before there was a client.
    var unasked = 0
    /// Datagrams that could not be sent.
    var failed = 0
    /// How often a receive found no buffer.
    var exhaustions = 0

    var description: String {
        """
        Forwarded \(toPeer) datagrams to the peer and \(toClients) to clients: \(bytes) bytes.
        Not forwarded: \(truncated) too large, \(unasked) nobody had asked for, \(failed) that could not be sent.
        Without a buffer: \(exhaustions) receives.
        """
    }
}
