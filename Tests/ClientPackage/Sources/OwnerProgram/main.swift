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
    private var byteCount = 0

    init(_ connection: consuming Descriptor) throws {
        // All that can fail comes first, in variables of its own; once the properties are given their values, nothing throws.
        var ring = try Ring<Tag>(entries: 16)
        let pool = try ring.makeBufferRing(count: 4, byteCount: 2048)
        try ring.prepare(ReceiveProvided(connection, into: pool), tag: .receive)
        self.connection = connection
        self.pool = pool
        self.ring = ring
    }

    /// Serves the connection; how many bytes came.
    consuming func run() throws -> Int {
        while true {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextCompletion() {
                switch completion.tag {
                case .receive:
                    let lease = try completion.take(ReceiveProvided.self).result.get()
                    if lease.isEmpty { return byteCount }
                    byteCount += lease.count
                    try ring.prepare(Send(connection, from: lease, flags: .waitAll), tag: .send)
                case .send:
                    _ = try completion.take(Send<BufferLease>.self).result.get()
                    try ring.prepare(ReceiveProvided(connection, into: pool), tag: .receive)
                }
            }
        }
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
