// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing
import URing

/// What a server's author has to know of sockets on a ring; the rows are those of the table in Docs/Examples/server.md.
@Suite struct NetworkTests {
    /// Two ends of a connection, and a ring that they are used on.
    private struct Pair: ~Copyable {
        var ring: Ring<UInt8>
        let first: Descriptor
        let second: Descriptor

        init() throws {
            var ring = try Ring<UInt8>(entries: 8)
            let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
            let first = try Descriptor.socket(.ipv4, .stream)
            try ring.run(Connect(first, to: listener.localAddress())).result.get()
            second = try ring.run(Accept(listener)).result.get().descriptor
            self.first = first
            self.ring = ring
        }
    }

    @Test("S3-3: a completion says whether more is in the socket, and polling first waits for it without trying")
    func completionsSayWhetherMoreIsThere() throws {
        var pair = try Pair()
        #expect(try pair.ring.run(Send(pair.first, from: Buffer(copying: Array(0..<100)))).result.get() == 100)
        let half = try pair.ring.run(Receive(pair.second, into: Buffer(byteCapacity: 50)))
        let halfCount = try half.result.get()
        let halfFlags = half.entry.flags
        #expect(halfCount == 50 && halfFlags.contains(.socketNotEmpty))
        let rest = try pair.ring.run(Receive(pair.second, into: Buffer(byteCapacity: 100), pollFirst: true))
        let restCount = try rest.result.get()
        let restFlags = rest.entry.flags
        #expect(restCount == 50 && !restFlags.contains(.socketNotEmpty))
        #expect(pair.ring.features.contains(.fastPoll))
    }

    @Test("S3-4: one receive waits for all bytes, and one send for all the room it takes")
    func waitsForAllBytes() throws {
        var pair = try Pair()
        try pair.ring.prepare(Receive(pair.second, into: Buffer(byteCapacity: 300), flags: .waitAll), tag: 1)
        for part in 0..<3 {
            // The receive has tried each time before the next part is sent, and is still waiting.
            try pair.ring.prepare(Send(pair.first, from: Buffer(copying: Array(repeating: UInt8(part), count: 100))), tag: 2)
            try pair.ring.submit(waitingFor: 1)
            let completion = takeNext(&pair.ring)
            #expect(completion == 2)
        }
        try pair.ring.submit(waitingFor: 1)
        let received = try takeCount(&pair.ring)
        #expect(received == 300)

        // Far more than a socket takes with nobody receiving.
        let byteCount = 32 << 20
        try pair.ring.prepare(
            Send(pair.first, from: Buffer(copying: [UInt8](repeating: 7, count: byteCount)), flags: .waitAll), tag: 3)
        var receivedCount = 0
        var sentCount: Int?
        try pair.ring.prepare(Receive(pair.second, into: Buffer(byteCapacity: 1 << 20)), tag: 4)
        while receivedCount < byteCount || sentCount == nil {
            try pair.ring.submit(waitingFor: 1)
            while let completion = pair.ring.nextCompletion() {
                if completion.tag == 3 {
                    sentCount = try completion.take(Send<Buffer>.self).result.get()
                } else {
                    let completed = completion.take(Receive<Buffer>.self)
                    receivedCount += try completed.result.get()
                    if receivedCount < byteCount { try pair.ring.prepare(completed.operation, tag: 4) }
                }
            }
        }
        #expect(sentCount == byteCount)
    }

    private func takeNext(_ ring: inout Ring<UInt8>) -> UInt8? {
        guard let completion = ring.nextCompletion() else { return nil }
        return completion.tag
    }

    private func takeCount(_ ring: inout Ring<UInt8>) throws -> Int? { try ring.nextCompletion()?.take(Receive<Buffer>.self).result.get() }

    @Test("S3-6: accepting ends when the table is full, and goes on when a slot is free")
    func acceptingEndsWithAFullTable() throws {
        var ring = try Ring<UInt8>(entries: 8)
        var other = try Ring<UInt8>(entries: 8)
        let table = try ring.makeFileTable(count: 2)
        let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
        let address = try listener.localAddress()
        try ring.prepare(AcceptMultishot(listener, into: table), tag: 0)
        var clients: [ClientSocket] = []
        for _ in 0..<3 {
            let socket = try Descriptor.socket(.ipv4, .stream)
            try other.run(Connect(socket, to: address)).result.get()
            clients.append(ClientSocket(socket))
        }
        var ending: MultishotEnding?
        var accepted: [AcceptedSocket] = []
        while ending == nil {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextCompletion() {
                switch completion.event(AcceptMultishot<DirectDescriptor>.self) {
                case .more(let result):
                    accepted.append(AcceptedSocket(try result.get()))
                case .finished(let completed): ending = completed.ending
                }
            }
        }
        #expect(accepted.map { $0.socket.slot } == [0, 1] && ending == .tableFull)
        accepted.removeFirst()
        let socket = try Descriptor.socket(.ipv4, .stream)
        try other.run(Connect(socket, to: address)).result.get()
        try ring.prepare(AcceptMultishot(listener, into: table), tag: 0)
        try ring.submit(waitingFor: 1)
        let slot = try nextSlot(&ring)
        #expect(slot == 0)
        #expect(clients.count == 3 && accepted.count == 1)
    }

    private func nextSlot(_ ring: inout Ring<UInt8>) throws -> Int? {
        guard let completion = ring.nextCompletion() else { return nil }
        switch completion.event(AcceptMultishot<DirectDescriptor>.self) {
        case .more(let result): return try result.get().slot
        case .finished: return nil
        }
    }

    private final class ClientSocket {
        let socket: Descriptor
        init(_ socket: consuming Descriptor) { self.socket = socket }
    }

    private final class AcceptedSocket {
        let socket: DirectDescriptor
        init(_ socket: consuming DirectDescriptor) { self.socket = socket }
    }
}
