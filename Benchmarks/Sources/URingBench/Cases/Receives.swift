// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// One operation that receives again and again, each message into a buffer of a pool.
    ///
    /// Sending the messages is part of the work, the same for every engine.
    static let receiveRing = Case(
        name: "receive-ring",
        summary: "Messages of 1 KiB received by one operation out of a pool, 32 at a time",
        operations: 200_000,
        countedOperations: 6_400...19_200,
        engines: [
            Engine(name: "uring") { try uring(operations: $0) },
            Engine(name: "c") { operations in
                let ring = try BaselineRing(entries: burst)
                return try measure(operations: operations) { sender, receiver in
                    // SAFETY: the ring is there until the function has returned, which has unregistered its memory by then.
                    try check(unsafe ring.with { unsafe baseline_receive_uring($0, sender, receiver, operations) }, "receive")
                }
            },
            Engine(name: "epoll") { operations in
                try measure(operations: operations) { try check(baseline_receive_epoll($0, $1, operations), "receive") }
            },
        ])

    private static let burst = baseline_burst
    private static let byteCount = baseline_message

    private static func uring(operations: Int) throws -> Sample {
        var ring = try Ring<UInt8>(entries: burst, options: ringOptions)
        let pool = try ring.makeBufferRing(count: 2 * burst, byteCount: byteCount)
        return try measure(operations: operations) { sender, receiver in
            try ring.prepare(ReceiveMultishot(UnownedDescriptor(FileDescriptor(rawValue: receiver)), into: pool), tag: 0)
            var done = 0
            while done < operations {
                let wanted = min(burst, operations - done)
                try check(baseline_send(sender, done, UInt32(wanted)), "send")
                let end = done + wanted
                while done < end {
                    try ring.submit(waitingFor: end - done)
                    while let completion = ring.nextReadyCompletion() {
                        switch completion.event(ReceiveMultishot.self) {
                        case .more(let result):
                            try expect(result.get(), number: done)
                        case .finished(let completed):
                            // The last message comes with the end.
                            try expect(completed.result.get(), number: done)
                            try ring.prepare(completed.operation, tag: 0)
                        }
                        done += 1
                    }
                }
            }
        }
    }

    private static func expect(_ message: consuming BufferLease, number: Int) throws {
        if !hasContents(message.bytes, of: UInt(number), byteCount: byteCount) { throw Failure("A message has the wrong bytes.") }
    }

    /// Measures a function that sends so many messages and receives them.
    private static func measure(
        operations: Int, _ body: (_ sender: Int32, _ receiver: Int32) throws -> Void
    ) throws -> Sample {
        let sockets = try DescriptorPair.sockets()
        let sender = sockets.first
        let receiver = sockets.second
        let stopwatch = Stopwatch()
        try body(sender.unowned.fileDescriptor.rawValue, receiver.unowned.fileDescriptor.rawValue)
        let sample = stopwatch.sample(operations: operations)
        try sender.close()
        try receiver.close()
        return sample
    }
}
