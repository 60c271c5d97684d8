// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// A server that sends back what it receives.
    ///
    /// The client is another process, on the other processor; each connection has one request under way. The processor time is the server's
    /// alone.
    static let echoes = [1, 16, 256].map { count in
        Case(
            name: "echo-\(count)",
            summary: "Requests of 1 KiB answered over TCP, of so many connections at a time: \(count)",
            operations: count == 1 ? 10_000 : 32_768,
            // The server's alone: instructions and allocations of the client are those of another process.
            countedOperations: count == 1 ? 1_280...3_840 : 10_240...30_720,
            engines: [
                Engine(name: "uring") { try uring(connectionCount: count, operations: $0) },
                Engine(name: "c") { operations in
                    let ring = try BaselineRing(entries: 2 * count)
                    return try unsafe measure(connectionCount: count, operations: operations) { sockets, requests in
                        // SAFETY: ring and sockets are there until the function has returned, which has unregistered its memory by then.
                        try check(unsafe ring.with { unsafe baseline_echo_uring($0, sockets, UInt32(count), requests) }, "echo")
                    }
                },
                Engine(name: "epoll") { operations in
                    try unsafe measure(connectionCount: count, operations: operations) { sockets, requests in
                        // SAFETY: the sockets are there until the function has returned.
                        try check(unsafe baseline_echo_epoll(sockets, UInt32(count), requests), "echo")
                    }
                },
            ])
    }

    private enum EchoTag: BitwiseCopyable {
        case receive(Int)
        case send(byteCount: Int)
    }

    private static let byteCount = baseline_request

    private static func uring(connectionCount: Int, operations: Int) throws -> Sample {
        var ring = try Ring<EchoTag>(entries: 2 * connectionCount, options: ringOptions)
        let pool = try ring.makeBufferRing(count: 2 * connectionCount, byteCount: byteCount)
        return try unsafe measure(connectionCount: connectionCount, operations: operations) { numbers, requests in
            // SAFETY: so many numbers are there.
            let sockets = (0..<connectionCount).map { unsafe UnownedDescriptor(FileDescriptor(rawValue: numbers[$0])) }
            for connection in 0..<connectionCount {
                try ring.prepare(ReceiveMultishot(sockets[connection], into: pool), tag: .receive(connection))
            }
            var received = 0
            var sent = 0
            while sent < requests {
                try ring.submit(waitingFor: 1)
                while let completion = ring.nextReadyCompletion() {
                    switch completion.tag {
                    case .receive(let connection):
                        switch completion.event(ReceiveMultishot.self) {
                        case .more(let result):
                            let lease = try result.get()
                            let count = lease.count
                            received += 1
                            try ring.prepare(Send(sockets[connection], from: lease, flags: .waitAll), tag: .send(byteCount: count))
                        case .finished(let completed):
                            let lease = try completed.result.get()
                            if lease.isEmpty {
                                // The client goes when it has all answers, or at the first one that is wrong.
                                if received < requests { throw Failure("The client has gone.") }
                                break
                            }
                            let count = lease.count
                            received += 1
                            try ring.prepare(Send(sockets[connection], from: lease, flags: .waitAll), tag: .send(byteCount: count))
                            try ring.prepare(completed.operation, tag: .receive(connection))
                        }
                    case .send(let byteCount):
                        let completed = completion.take(Send<BufferLease>.self)
                        if try completed.result.get() != byteCount { throw Failure("An answer is incomplete.") }
                        sent += 1
                    }
                }
            }
        }
    }

    /// Measures a function that answers so many requests, of which each of the connections makes the same number, or one more than others.
    private static func measure(
        connectionCount: Int, operations: Int, _ body: (_ sockets: UnsafePointer<Int32>, _ requests: Int) throws -> Void
    ) throws -> Sample {
        let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
        guard let port = try listener.localAddress().port else { throw Failure("The listener has no port.") }
        let client = baseline_echo_start_client(port, UInt32(connectionCount), operations)
        try check(client, "fork")
        var sockets = [Int32](repeating: -1, count: connectionCount)
        defer { for socket in sockets where socket >= 0 { try? FileDescriptor(rawValue: socket).close() } }
        // SAFETY: the array has so many elements.
        try check(unsafe baseline_accept_all(listener.unowned.fileDescriptor.rawValue, &sockets, UInt32(connectionCount)), "accept")
        try check(baseline_pin(0), "sched_setaffinity")
        defer { _ = baseline_unpin() }
        let stopwatch = Stopwatch()
        // SAFETY: the array is there for the call.
        try unsafe body(&sockets, operations)
        let sample = stopwatch.sample(operations: operations)
        try check(baseline_echo_end_client(client), "client")
        return sample
    }
}
