// SPDX-License-Identifier: Apache-2.0

import URing

/// Gives back whatever comes over a connection, until that ends.
struct Echo: ~Copyable {
    private enum Tag {
        case receive
        case send
    }

    private let connection: Descriptor
    private let pool: BufferRing
    private var ring: Ring<Tag>
    private var waiting: ReceiveMultishot?
    private var byteCount = 0

    init(_ connection: consuming Descriptor) throws {
        // All that can fail comes first, in variables of its own; once the properties are given their values, nothing throws.
        var ring = try Ring<Tag>(entries: 16)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 2048)
        waiting = ReceiveMultishot(connection, into: pool)
        self.connection = connection
        self.pool = pool
        self.ring = ring
    }

    /// Serves the connection; how many bytes came.
    consuming func run() throws -> Int {
        var hasEnded = false
        while !hasEnded || ring.inFlightCount > 0 {
            if pool.canRearm, let receive = waiting.take() { try ring.prepare(receive, tag: .receive) }
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextCompletion() {
                switch completion.tag {
                case .receive:
                    switch completion.event(ReceiveMultishot.self) {
                    case .more(let result):
                        let lease = try result.get()
                        byteCount += lease.count
                        try ring.prepare(Send(connection, from: lease, flags: .waitAll), tag: .send)
                    case .finished(let completed):
                        switch completed.ending {
                        case .outOfBuffers, .rearm, .completionQueueFull: waiting = consume completed.operation
                        case .endOfStream: hasEnded = true
                        case let ending: fatalError("the receive ended with \(ending)")
                        }
                    }
                case .send: _ = try completion.take(Send<BufferLease>.self).result.get()
                }
            }
        }
        return byteCount
    }
}

func talk() throws {
    let pair = try DescriptorPair.sockets()
    var ring = try Ring<Int>(entries: 4)
    try ring.link { chain in
        try chain.prepare(Send(pair.first, from: Buffer(copying: "Hello, ring!".utf8)), tag: 0)
        try chain.prepare(Shutdown(pair.first, .sending), tag: 1)
    }
    try ring.submit(waitingFor: 2)
    while ring.nextCompletion() != nil {}
    print("gave back \(try Echo(pair.second).run()) bytes")
}

try talk()
