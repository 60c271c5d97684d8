// SPDX-License-Identifier: Apache-2.0

import Framing
import SystemPackage
import URing

/// What the connections of a shard share.
struct ShardResources: ~Copyable {
    /// What an operation is doing, and for which connection: they go by their slots in the file table.
    enum Tag {
        case message
        case tick
        case receive(Int)
        case cancel
        case send(Int)
        case shutdown
        case move(Int)
        case close
    }

    /// How much is sent at a time.
    private static let outputByteCount = 16 * 1024

    let number: Int
    let settings: ShardSettings
    let moves: Moves
    var ring: Ring<Tag>
    let buffers: BufferRing
    let row = AnswerRow()
    private var spareOutputs = BufferVector()

    var openCount = 0
    /// How many connections have been sent to another shard, and may come back.
    var leavingCount = 0
    var isStopping = false
    var report = ShardReport()

    private var wheel = TimerWheel()
    private var isTicking = false
    private let requestTicks: Int
    /// How many ticks ahead a timer is set at the most.
    let longestTimer: Int
    private let idleTicks: Int?

    init(number: Int, _ settings: ShardSettings, _ moves: Moves, _ ring: consuming Ring<Tag>, _ buffers: consuming BufferRing) {
        self.number = number
        self.settings = settings
        self.moves = moves
        self.ring = ring
        self.buffers = buffers
        requestTicks = settings.ticks(settings.requestTime)
        longestTimer = max(requestTicks, settings.ticks(.seconds(1)))
        idleTicks = settings.idleTime.map(settings.ticks)
    }

    /// An empty buffer to write answers into.
    mutating func takeOutput() -> Buffer {
        var output = spareOutputs.popLast() ?? Buffer(byteCapacity: ShardResources.outputByteCount)
        output.truncate(to: 0)
        return output
    }

    /// Takes back a buffer whose answers are sent.
    mutating func giveBack(_ output: consuming Buffer) {
        if spareOutputs.count < BufferVector.maximumCount { spareOutputs.append(output) }
    }
}

// MARK: Time

extension ShardResources {
    /// The present tick.
    var now: Int { wheel.now }

    /// The tick until which a connection has to do its duty.
    func deadline(of duty: Connection.Duty) -> Int {
        switch duty {
        case .askAnything: idleTicks.map { now + $0 } ?? .max
        case .finishItsRequest, .takeItsAnswers: now + requestTicks
        }
    }

    /// The tick until which answers have to leave when the server ends.
    var drainDeadline: Int { now + settings.ticks(settings.drainTime) }

    mutating func set(_ timer: TimerWheel.Timer) throws {
        wheel.set(timer)
        if isTicking { return }
        try ring.prepare(Timeout(after: settings.tickTime), tag: .tick)
        isTicking = true
    }

    /// Goes on by one tick, and takes out the timers that are due.
    mutating func tick() -> [TimerWheel.Timer] { wheel.tick() }

    /// Waits for the next tick; nothing ticks for a server that has nobody to wait for.
    mutating func goOnTicking(_ timeout: consuming Timeout) throws {
        if wheel.count > 0 { try ring.prepare(timeout, tag: .tick) } else { isTicking = false }
    }
}
