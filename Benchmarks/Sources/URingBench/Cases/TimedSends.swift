// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Framing
import Support
import SystemPackage
import URing

extension Case {
    /// What it costs that a send may only take so long: by a linked timeout each, or by a wheel of timers, as in `server`.
    ///
    /// Receiving the byte is part of the work.
    static let linkedTimeoutSend = Case(
        name: "linked-timeout-send",
        summary: "Sends of one byte over TCP, one at a time, with a linked timeout, with a timer in a wheel, and without either",
        operations: 40_000,
        countedOperations: 3_200...9_600,
        engines: [
            Engine(name: "uring", bare: "uring-bare") { try sends(.linked, operations: $0) },
            sends("c", baseline_send_linked, bare: "c-bare"),
            Engine(name: "uring-wheel", baseline: "c-wheel", bare: "uring-bare") { try sends(.wheel, operations: $0) },
            sends("c-wheel", baseline_send_wheel, bare: "c-bare"),
            Engine(name: "uring-bare", baseline: "c-bare") { try sends(.bare, operations: $0) },
            sends("c-bare", baseline_send_bare),
        ])

    private enum SendTime { case bare, linked, wheel }
    private enum SendTag: BitwiseCopyable { case send, tick }

    private static func sends(_ time: SendTime, operations: Int) throws -> Sample {
        var ring = try Ring<SendTag>(entries: 4, options: ringOptions)
        let minute = LinkedTimeout.after(.seconds(60))
        return try measureSends(operations: operations) { sender, receiver in
            var timer = SendTimer()
            if time == .wheel { try ring.prepare(Timeout(after: SendTimer.tickTime), tag: .tick) }
            var next: Send<Buffer>? = Send(UnownedDescriptor(FileDescriptor(rawValue: sender)), from: Buffer(copying: [0]))
            for number in 0..<operations {
                guard var operation = next.take() else { throw Failure("A send did not come back.") }
                operation.memory.firstByte = UInt8(truncatingIfNeeded: number)
                // A linked timeout has a completion of its own, which the ring keeps to itself.
                var wanted = 1
                switch time {
                case .bare: try ring.prepare(operation, tag: .send)
                case .linked:
                    try ring.prepare(operation, tag: .send, timeout: minute)
                    wanted = 2
                case .wheel:
                    try ring.prepare(operation, tag: .send)
                    timer.putOff()
                }
                var isSent = false
                while !isSent {
                    try ring.submit(waitingFor: wanted)
                    wanted = 1
                    while let completion = ring.nextReadyCompletion() {
                        switch completion.tag {
                        case .send:
                            let completed = completion.take(Send<Buffer>.self)
                            if try completed.result.get() != 1 { throw Failure("A byte was not sent.") }
                            next = .some(completed.operation)
                            isSent = true
                        case .tick:
                            let completed = completion.take(Timeout.self)
                            _ = try completed.result.get()
                            try timer.tick()
                            try ring.prepare(completed.operation, tag: .tick)
                        }
                    }
                }
                try check(baseline_receive_byte(receiver, number), "receive")
                if time == .wheel { timer.rest() }
            }
        }
    }

    private static func sends(_ name: String, _ time: baseline_send_time, bare: String? = nil) -> Engine {
        Engine(name: name, baseline: name, bare: bare) { operations in
            let ring = try BaselineRing(entries: 4)
            return try measureSends(operations: operations) { sender, receiver in
                // SAFETY: the ring is there until the function has returned, which leaves nothing in flight that uses memory.
                try check(unsafe ring.with { unsafe baseline_send_bytes($0, sender, receiver, time, operations) }, "send")
            }
        }
    }

    /// Measures a function that sends and receives so many bytes.
    private static func measureSends(operations: Int, _ body: (_ sender: Int32, _ receiver: Int32) throws -> Void) throws -> Sample {
        var sender: Int32 = -1
        var receiver: Int32 = -1
        // SAFETY: the variables are there for the call.
        try check(unsafe baseline_tcp_pair(&sender, &receiver, 1 << 17), "connect")
        let sockets = [FileDescriptor(rawValue: sender), FileDescriptor(rawValue: receiver)]
        defer { for socket in sockets { try? socket.close() } }
        let stopwatch = Stopwatch()
        try body(sender, receiver)
        return stopwatch.sample(operations: operations)
    }
}

/// The timer of a connection, in a wheel.
private struct SendTimer {
    static let tickTime = Duration.milliseconds(100)
    private static let ticks = 16

    private var wheel = TimerWheel()
    /// When the connection has to be done, and for when its timer is set.
    private var deadline = Int.max
    private var timer = Int.max

    /// Gives a send its time; a timer that comes too early is set again then.
    mutating func putOff() {
        deadline = wheel.now + SendTimer.ticks
        if deadline < timer { set() }
    }

    /// Nothing is expected for now.
    mutating func rest() {
        deadline = .max
    }

    mutating func tick() throws {
        for due in wheel.tick() where due.tick == timer {
            timer = .max
            if deadline <= wheel.now { throw Failure("A send took too long.") }
            if deadline < timer { set() }
        }
    }

    private mutating func set() {
        timer = deadline
        wheel.set(TimerWheel.Timer(place: 0, owner: 0, tick: deadline))
    }
}
