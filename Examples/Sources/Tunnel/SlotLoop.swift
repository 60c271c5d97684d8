// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import URing

/// Passes packets on between a device and a connected datagram socket, with a number of reads in flight at each of them.
///
/// A buffer that a read has filled is handed to the write at the other side, and a spare one takes its slot; without one the slot is
/// idle until a write has given its buffer back. It is there to compare with: a packet wakes all the reads that wait for one, so more slots
/// cost more, and the multishot loop does without them.
struct SlotLoop: ~Copyable {
    /// What an operation is doing, by the way that its packet goes.
    private enum Tag {
        case stop
        case receive(Direction)
        case pass(Direction)
    }

    private var ring: Ring<Tag>
    private let sides: Sides
    private let options: LoopOptions
    /// Slots that have no buffer to read into, by direction.
    private var idleCount: InlineArray<2, Int> = [0, 0]
    private var spare: BufferVector
    /// How many writes are prepared and not submitted.
    private var preparedCount = 0
    private var statistics = Statistics()

    init(device: borrowing Descriptor, socket: borrowing Descriptor, stop: UnownedDescriptor, options: LoopOptions) throws {
        var ring: Ring<Tag> = try options.makeRing()
        let sides = try Sides(device: device, socket: socket, in: &ring)
        try ring.prepare(Read(stop, into: Buffer(byteCapacity: 128)), tag: .stop)
        self.sides = sides
        self.options = options
        spare = BufferVector(count: options.sparePacketCount, byteCapacity: options.roomByteCount)
        self.ring = ring
    }

    /// Passes packets on until the stop descriptor can be read.
    consuming func run() throws -> Statistics {
        for _ in 0..<options.deviceSlotCount { try receive(.outward, into: Buffer(byteCapacity: options.roomByteCount)) }
        for _ in 0..<options.socketSlotCount { try receive(.inward, into: Buffer(byteCapacity: options.roomByteCount)) }
        loop: while true {
            // Writes complete while they are submitted; see the multishot loop. Their buffers are news to a slot that is idle.
            try ring.submit(waitingFor: idleCount[0] + idleCount[1] > 0 ? 1 : preparedCount + 1)
            statistics.calls += 1
            preparedCount = 0
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .stop: break loop
                case .receive(.outward):
                    let completed = completion.take(Read<Buffer>.self)
                    try received(.outward, completed.result, in: completed.operation.memory)
                case .receive(.inward):
                    let completed = completion.take(Receive<Buffer>.self)
                    try received(.inward, completed.result, in: completed.operation.memory)
                case .pass(.outward):
                    let completed = completion.take(Send<Buffer>.self)
                    try passed(.outward, completed.result, buffer: completed.operation.memory)
                case .pass(.inward):
                    let completed = completion.take(Write<Buffer>.self)
                    try passed(.inward, completed.result, buffer: completed.operation.memory)
                }
            }
        }
        sides.close()
        ring.close()
        return statistics
    }

    private mutating func receive(_ direction: Direction, into buffer: consuming Buffer) throws {
        noteFullQueue()
        switch direction {
        case .outward: try ring.prepare(Read(sides.device, into: buffer), tag: .receive(.outward))
        case .inward: try ring.prepare(Receive(sides.socket, into: buffer), tag: .receive(.inward))
        }
    }

    private mutating func received(_ direction: Direction, _ result: Result<Int, Errno>, in buffer: consuming Buffer) throws {
        switch result {
        // An empty datagram is a greeting.
        case .success(0):
            try receive(direction, into: buffer)
        case .success(let count) where count > options.packetByteCount:
            statistics.failed += 1
            try receive(direction, into: buffer)
        case .failure(let errno) where direction == .inward && errno.isOfTheNetwork:
            statistics.networkErrors += 1
            try receive(direction, into: buffer)
        // A packet woke all slots, and others had it: after some rounds of this the kernel gives up for a file that is not to block.
        case .failure(.resourceTemporarilyUnavailable):
            statistics.foundNothing += 1
            try receive(direction, into: buffer)
        case .success:
            if let next = spare.popLast() {
                try receive(direction, into: next)
            } else {
                idleCount[direction.rawValue] += 1
            }
            noteFullQueue()
            switch direction {
            // A full socket loses packets rather than have them wait; see the multishot loop.
            case .outward: try ring.prepare(Send(sides.socket, from: buffer, flags: .doNotWait), tag: .pass(.outward))
            case .inward: try ring.prepare(Write(sides.device, from: buffer), tag: .pass(.inward))
            }
            preparedCount += 1
        case .failure(let errno):
            throw Failure("Cannot receive \(direction) packets: \(errno)")
        }
    }

    private mutating func passed(_ direction: Direction, _ result: Result<Int, Errno>, buffer: consuming Buffer) throws {
        statistics.count(result, direction)
        let other: Direction = direction == .outward ? .inward : .outward
        if idleCount[direction.rawValue] > 0 {
            idleCount[direction.rawValue] -= 1
            try receive(direction, into: buffer)
        } else if idleCount[other.rawValue] > 0 {
            idleCount[other.rawValue] -= 1
            try receive(other, into: buffer)
        } else {
            spare.append(buffer)
        }
    }

    /// Takes note of a queue that the next operation submits because it is full: the writes in it complete before the loop waits.
    private mutating func noteFullQueue() {
        guard ring.availableEntries == 0 else { return }
        statistics.calls += 1
        preparedCount = 0
    }
}
