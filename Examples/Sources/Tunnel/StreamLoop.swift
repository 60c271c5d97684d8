// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import URing

/// Passes packets on between a device and a TCP connection.
///
/// The packets follow each other in the stream as they are. A connection has to have one send in flight at most, or parts of packets could
/// overtake each other, so packets that come during a send wait in one queue while the kernel sends the other, whole and in order. What is
/// received is cut into packets where it lies.
struct StreamLoop: ~Copyable {
    private enum Tag {
        case stop
        case receive(Direction)
        case send
        case write
        case writeCopy
    }

    private var ring: Ring<Tag>
    private let packets: BufferRing
    private let stream: BufferRing
    private let sides: Sides
    private var cutter: PacketCutter
    /// The directions in which there is something to receive when there are buffers.
    private var waiting: InlineArray<2, Bool> = [true, true]
    /// Where packets wait for the send, and the queue that is sent, or empty and here.
    private var collecting: SendQueue<BufferLease>
    private var other: SendQueue<BufferLease>?
    private var statistics = Statistics()

    init(device: borrowing Descriptor, socket: borrowing Descriptor, stop: UnownedDescriptor, options: LoopOptions) throws {
        var ring: Ring<Tag> = try options.makeRing()
        let sides = try Sides(device: device, socket: socket, in: &ring)
        let packets = try ring.makeBufferRing(count: options.bufferCount, byteCount: options.roomByteCount, group: 0)
        // The same memory in fewer pieces: one completion brings many packets.
        let stream = try ring.makeBufferRing(
            count: max(2, options.bufferCount / 8), byteCount: options.packetByteCount * min(8, options.bufferCount), group: 1)
        let collecting = try ring.makeSendQueue(of: BufferLease.self, count: options.bufferCount, group: 2)
        let other = try ring.makeSendQueue(of: BufferLease.self, count: options.bufferCount, group: 3)
        try ring.prepare(Read(stop, into: Buffer(byteCapacity: 128)), tag: .stop)
        cutter = PacketCutter(packetByteCount: options.packetByteCount)
        self.sides = sides
        self.packets = packets
        self.stream = stream
        self.collecting = collecting
        self.other = consume other
        self.ring = ring
    }

    /// Passes packets on until the stop descriptor can be read, or the peer closes the connection.
    consuming func run() throws -> Statistics {
        loop: while true {
            try send()
            try receiveWhereThereAreBuffers()
            try ring.submit(waitingFor: 1)
            statistics.calls += 1
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .stop: break loop
                case .receive(.outward): try collected(completion.event(ReadMultishot.self))
                case .receive(.inward): if try !received(completion.event(ReceiveMultishot.self)) { break loop }
                case .send: if try !sent(completion.event(SendBundle<BufferLease>.self)) { break loop }
                case .write: statistics.count(completion.take(Write<BufferLease>.self).result, .inward)
                case .writeCopy: statistics.count(completion.take(Write<Buffer>.self).result, .inward)
                }
            }
        }
        statistics.exhaustions = Int(packets.exhaustionCount + stream.exhaustionCount)
        sides.close()
        ring.close()
        return statistics
    }

    private mutating func receiveWhereThereAreBuffers() throws {
        if waiting[0], packets.canRearm {
            try ring.prepare(ReadMultishot(sides.device, into: packets), tag: .receive(.outward))
            waiting[0] = false
        }
        if waiting[1], stream.canRearm {
            try ring.prepare(ReceiveMultishot(sides.socket, into: stream), tag: .receive(.inward))
            waiting[1] = false
        }
    }

    // MARK: From the device

    private mutating func collected(_ event: consuming Event<ReadMultishot>) throws {
        switch consume event {
        case .more(let result): collect(result)
        case .finished(let completed):
            let ending = completed.ending
            collect(completed.result)
            try goOn(.outward, after: ending)
        }
    }

    private mutating func collect(_ result: consuming Result<BufferLease, Errno>) {
        switch consume result {
        case .success(let lease):
            if lease.isEmpty { return }
            // Anything else, such as a packet that was cut off, would put the whole stream out of step.
            if !cutter.isPacket(lease) {
                statistics.failed += 1
                return
            }
            statistics.count(byteCount: lease.count, .outward)
            // There is a place for each buffer of the pool.
            collecting.append(lease)
        // The ending says why.
        case .failure: return
        }
    }

    /// Sends what was collected, when the former send has ended.
    private mutating func send() throws {
        guard collecting.unsentCount > 0, let empty = other.take() else { return }
        let full = exchangeCollecting(for: empty)
        try ring.prepare(SendBundle(sides.socket, from: full), tag: .send)
    }

    private mutating func exchangeCollecting(for empty: consuming SendQueue<BufferLease>) -> SendQueue<BufferLease> {
        swap(&collecting, &empty)
        return empty
    }

    /// Goes on with what the kernel has not sent; false when the peer has closed the connection.
    private mutating func sent(_ event: consuming Event<SendBundle<BufferLease>>) throws -> Bool {
        switch consume event {
        case .more: break
        case .finished(let completed):
            let ending = completed.ending
            switch ending {
            case .rearm: try ring.prepare(completed.operation, tag: .send)
            case .failed(let errno) where errno.isEndOfConnection: return false
            case .failed(let errno): throw Failure("Cannot send: \(errno)")
            case .outOfBuffers, .endOfStream, .completionQueueFull, .cancelled, .tableFull: other = Optional(completed.operation.queue)
            }
        }
        return true
    }

    // MARK: From the peer

    /// Writes the packets that have come; false at the end of the stream.
    private mutating func received(_ event: consuming Event<ReceiveMultishot>) throws -> Bool {
        switch consume event {
        case .more(let result):
            try write(result)
        case .finished(let completed):
            let ending = completed.ending
            try write(completed.result)
            switch ending {
            case .endOfStream: return false
            case .failed(let errno) where errno.isEndOfConnection: return false
            default: try goOn(.inward, after: ending)
            }
        }
        return true
    }

    private mutating func write(_ result: consuming Result<BufferLease, Errno>) throws {
        switch consume result {
        case .success(var lease):
            while let packet = try cutter.next(from: &lease) {
                switch consume packet {
                case .leased(let part): try ring.prepare(Write(sides.device, from: part), tag: .write)
                case .copied(let buffer): try ring.prepare(Write(sides.device, from: buffer), tag: .writeCopy)
                }
            }
        // The ending says why.
        case .failure: return
        }
    }

    private mutating func goOn(_ direction: Direction, after ending: MultishotEnding) throws {
        switch ending {
        case .rearm, .completionQueueFull, .outOfBuffers, .endOfStream: waiting[direction.rawValue] = true
        case .failed(.resourceTemporarilyUnavailable):
            statistics.foundNothing += 1
            waiting[direction.rawValue] = true
        case .failed(let errno): throw Failure("Cannot receive \(direction) packets: \(errno)")
        // Cancelled, at the end; a full table is an accept's.
        case .cancelled, .tableFull: break
        }
    }
}

extension Errno {
    /// Whether a connection fails with it whose peer has ended with bytes on their way to it: the same end, without what was on its way.
    fileprivate var isEndOfConnection: Bool { self == .connectionReset || self == .brokenPipe }
}
