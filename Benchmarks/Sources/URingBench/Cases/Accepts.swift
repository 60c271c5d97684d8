// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

extension Case {
    /// Connections that are made sixteen at a time, accepted and closed.
    ///
    /// Making them is part of the work, the same for every engine.
    static let accept = Case(
        name: "accept",
        summary: "TCP connections made, accepted and closed, 16 at a time",
        operations: 8_000,
        countedOperations: 320...960,
        engines: [
            Engine(name: "uring") { try uring(operations: $0) },
            Engine(name: "c") { operations in
                let ring = try BaselineRing(entries: connectionCount)
                return try unsafe measure(operations: operations) { listener, connections in
                    // SAFETY: ring and connections are there until the function has returned; accepting uses no memory.
                    try check(unsafe ring.with { unsafe baseline_accept_uring($0, listener, &connections, operations) }, "accept")
                }
            },
            Engine(name: "epoll") { operations in
                try unsafe measure(operations: operations) { listener, connections in
                    // SAFETY: the connections are there until the function has returned.
                    try check(unsafe baseline_accept_epoll(listener, &connections, operations), "accept")
                }
            },
        ])

    /// How many connections are made at once.
    private static let connectionCount = 16

    private static func uring(operations: Int) throws -> Sample {
        var ring = try Ring<UInt8>(entries: connectionCount, options: ringOptions)
        return try unsafe measure(operations: operations) { listener, connections in
            let listener = UnownedDescriptor(FileDescriptor(rawValue: listener))
            try ring.prepare(AcceptMultishot<Descriptor>(listener), tag: 0)
            var done = 0
            while done < operations {
                let wanted = min(connectionCount, operations - done)
                unsafe connections.count = UInt32(wanted)
                try check(unsafe baseline_connect(&connections), "connect")
                var accepted = 0
                while accepted < wanted {
                    try ring.submit(waitingFor: wanted - accepted)
                    while let completion = ring.nextReadyCompletion() {
                        switch completion.event(AcceptMultishot<Descriptor>.self) {
                        case .more(let result):
                            try result.get().close()
                        case .finished(let completed):
                            // The last connection comes with the end.
                            try completed.result.get().close()
                            try ring.prepare(AcceptMultishot<Descriptor>(listener), tag: 0)
                        }
                        accepted += 1
                    }
                }
                unsafe baseline_disconnect(&connections)
                done += wanted
            }
        }
    }

    /// Measures a function that accepts so many connections of a listener.
    private static func measure(
        operations: Int, _ body: (_ listener: Int32, _ connections: inout baseline_connections) throws -> Void
    ) throws -> Sample {
        let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
        guard let port = try listener.localAddress().port else { throw Failure("The listener has no port.") }
        var sockets = [Int32](repeating: -1, count: connectionCount)
        let sample = try unsafe sockets.withUnsafeMutableBufferPointer { sockets in
            // SAFETY: the array is there until the function has returned.
            var connections = unsafe baseline_connections(port: port, count: UInt32(connectionCount), sockets: sockets.baseAddress)
            let stopwatch = Stopwatch()
            try unsafe body(listener.unowned.fileDescriptor.rawValue, &connections)
            return stopwatch.sample(operations: operations)
        }
        try listener.close()
        return sample
    }
}
