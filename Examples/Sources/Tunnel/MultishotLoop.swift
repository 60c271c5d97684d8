// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import URing

/// Passes packets on between a device and a connected datagram socket.
///
/// Each side has one operation that reads again and again, into whichever buffer of one pool the kernel picks. The lease of a filled buffer
/// is handed to the write at the other side as it is, and the buffer is the kernel's again when that is done. Between the ring and the
/// socket there is nothing: no queue, no second thread, no copy.
struct MultishotLoop: ~Copyable {
    /// What an operation is doing; a write is named by the way that its packet goes.
    private enum Tag {
        case stop
        case receive(Direction)
        case pass(Direction)
        case passZeroCopy
    }

    private var ring: Ring<Tag>
    private let buffers: BufferRing
    private let sides: Sides
    private let packetByteCount: Int
    private let isZeroCopy: Bool
    /// The directions whose packets are to be received when there are buffers.
    private var waiting: InlineArray<2, Bool> = [true, true]
    /// How many writes are prepared and not submitted.
    private var preparedCount = 0
    /// How many writes have not ended.
    private var passingCount = 0
    private var statistics = Statistics()

    init(
        device: borrowing Descriptor, socket: borrowing Descriptor, stop: UnownedDescriptor, options: LoopOptions, isZeroCopy: Bool
    ) throws {
        var ring: Ring<Tag> = try options.makeRing()
        let sides = try Sides(device: device, socket: socket, in: &ring)
        let buffers = try ring.makeBufferRing(count: options.bufferCount, byteCount: options.roomByteCount)
        try ring.prepare(Read(stop, into: Buffer(byteCapacity: 128)), tag: .stop)
        self.sides = sides
        packetByteCount = options.packetByteCount
        self.isZeroCopy = isZeroCopy
        self.buffers = buffers
        self.ring = ring
        if isZeroCopy { statistics.zeroCopyCount = 0 }
    }

    /// Passes packets on until the stop descriptor can be read.
    consuming func run() throws -> Statistics {
        loop: while true {
            try receiveWhereThereAreBuffers()
            try ring.submit(waitingFor: eventCount)
            statistics.calls += 1
            preparedCount = 0
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .stop: break loop
                case .receive(.outward): try received(.outward, completion.event(ReadMultishot.self))
                case .receive(.inward): try received(.inward, completion.event(ReceiveMultishot.self))
                case .pass(.outward): passed(.outward, completion.take(Send<BufferLease>.self).result)
                case .pass(.inward): passed(.inward, completion.take(Write<BufferLease>.self).result)
                case .passZeroCopy: passed(completion.event(SendZeroCopy<BufferLease>.self))
                }
            }
        }
        try finishPassing()
        statistics.exhaustions = Int(buffers.exhaustionCount)
        // Those of writes that have not ended are not missing.
        if passingCount == 0 { statistics.missingBuffers = buffers.leasedCount } else { statistics.unfinishedCount = passingCount }
        sides.close()
        ring.close()
        return statistics
    }

    /// How many completions to wait for.
    ///
    /// Datagrams and packets are taken during the call that submits them, so the writes' own completions are no news: with one more the
    /// call waits for what comes next, and there is one call for each batch instead of two. When buffers are short, they are. A write that
    /// was submitted before and goes on may end at any time, so then nobody can say how many completions are the writes' own.
    private var eventCount: Int {
        waiting[0] || waiting[1] || passingCount > preparedCount ? 1 : preparedCount + 1
    }

    /// Receives at the sides that wait, if there are buffers: leases that went back are the only sign that there are some again.
    private mutating func receiveWhereThereAreBuffers() throws {
        guard waiting[0] || waiting[1], buffers.canRearm else { return }
        if waiting[0] { try ring.prepare(ReadMultishot(sides.device, into: buffers), tag: .receive(.outward)) }
        if waiting[1] { try ring.prepare(ReceiveMultishot(sides.socket, into: buffers), tag: .receive(.inward)) }
        waiting = [false, false]
    }

    private mutating func received<Op: MultishotOperation & ~Copyable>(
        _ direction: Direction, _ event: consuming Event<Op>
    ) throws where Op.Success == BufferLease {
        switch consume event {
        case .more(let result):
            try pass(result, direction)
        case .finished(let completed):
            let ending = completed.ending
            try pass(completed.result, direction)
            switch ending {
            // An empty datagram, which is a greeting, ends it as well; what else has come waits in the socket.
            case .rearm, .completionQueueFull, .outOfBuffers, .endOfStream: waiting[direction.rawValue] = true
            case .failed(.resourceTemporarilyUnavailable):
                statistics.foundNothing += 1
                waiting[direction.rawValue] = true
            case .failed(let errno) where direction == .inward && errno.isOfTheNetwork:
                statistics.networkErrors += 1
                waiting[direction.rawValue] = true
            case .failed(let errno): throw Failure("Cannot receive \(direction) packets: \(errno)")
            // Cancelled, at the end; a full table is an accept's.
            case .cancelled, .tableFull: break
            }
        }
    }

    /// Hands a received packet to the other side.
    private mutating func pass(_ result: consuming Result<BufferLease, Errno>, _ direction: Direction) throws {
        switch consume result {
        case .success(let lease):
            if lease.isEmpty { return }
            // Only a part of it is here.
            if lease.count > packetByteCount {
                statistics.failed += 1
                return
            }
            if ring.availableEntries == 0 {
                // Preparing submits the full queue, and the writes in it complete before the loop waits.
                statistics.calls += 1
                preparedCount = 0
            }
            // A send that waited for room in the socket would keep its buffer from the other direction, and the loop from what comes there.
            // Who sends too fast loses packets, as at any router.
            switch direction {
            case .outward where isZeroCopy:
                try ring.prepare(SendZeroCopy(sides.socket, from: lease, flags: .doNotWait, reportsUsage: true), tag: .passZeroCopy)
            case .outward: try ring.prepare(Send(sides.socket, from: lease, flags: .doNotWait), tag: .pass(.outward))
            case .inward: try ring.prepare(Write(sides.device, from: lease), tag: .pass(.inward))
            }
            preparedCount += 1
            passingCount += 1
        // The ending says why.
        case .failure: return
        }
    }

    private mutating func passed(_ direction: Direction, _ result: Result<Int, Errno>) {
        passingCount -= 1
        statistics.count(result, direction)
    }

    /// Counts a zero-copy send when its buffer is back; the kernel reads that until then.
    private mutating func passed(_ event: consuming Event<SendZeroCopy<BufferLease>>) {
        switch consume event {
        case .more: return
        case .finished(let completed):
            statistics.zeroCopyCount? += 1
            if completed.operation.usage == .copied { statistics.copiedCount += 1 }
            passed(.outward, completed.result)
        }
    }

    /// Waits a moment for the writes that are on their way, and leaves what is received meanwhile.
    private mutating func finishPassing() throws {
        while passingCount > 0 {
            if ring.readyCount == 0, try ring.submit(waitingFor: 1, timeout: .milliseconds(20)).timedOut { return }
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .stop, .receive: break
                case .pass(.outward): passed(.outward, completion.take(Send<BufferLease>.self).result)
                case .pass(.inward): passed(.inward, completion.take(Write<BufferLease>.self).result)
                case .passZeroCopy: passed(completion.event(SendZeroCopy<BufferLease>.self))
                }
            }
        }
    }
}
