// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import Foundation
import SystemPackage
import Testing

@testable import URing

/// What pools cost: each test in a process of its own, whose memory nobody else changes.
@Suite(.serialized) struct BufferRingMemoryTests {
    @Test func aPoolsMemoryGoesWithTheLastLease() async {
        await #expect(processExitsWith: .success) {
            let before = try Memory.now().mapped
            for way in 0..<100 {
                // Sixty-four mebibytes each, of which only what is received is touched.
                var ring = try Ring<Int>(entries: 8)
                let pool = try ring.makeBufferRing(count: 1024, byteCount: 65536, isKernelMapped: way % 2 == 0)
                let pair = try DescriptorPair.sockets()
                #expect(pair.second.sendNow([UInt8(way)]) == 1)
                let lease = try ring.run(ReceiveProvided(pair.first, into: pool)).result.get()
                switch way % 5 {
                case 0: drop(lease)
                case 1:
                    drop(pool)
                    drop(ring)
                    #expect(lease.copyBytes() == [UInt8(way)])
                case 2:
                    let handed = Handed<TransferableBufferLease?>(lease.transfer())
                    drop(pool)
                    drop(ring)
                    TestThread { handed.value = nil }.join()
                case 3:
                    let handed = Handed<TransferableBufferLease?>(lease.transfer())
                    TestThread { handed.value = nil }.join()
                    drop(pool)
                default:
                    // In flight when the ring ends.
                    try ring.prepare(ReceiveMultishot(pair.first, into: pool), tag: 1)
                    try ring.submit()
                    drop(pool)
                    drop(ring)
                    drop(lease)
                }
            }
            let growth = try Memory.now().mapped - before
            // All of them would be 6.4 GB; threads reserve address space.
            #expect(growth < 2 << 30, "\(growth) bytes")
        }
    }

    /// Ten thousand connections take two descriptors each, one of them in the ring's own table.
    @Test(.enabled(if: Memory.descriptorLimit >= 10_200, "the limit of open files is too low, and cannot be raised"))
    func tenThousandIdleConnectionsShareOnePool() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try IdleConnections.run(10_000)
        }
        print(String(decoding: result?.standardOutputContent ?? [], as: UTF8.self))
    }
}

/// Connections with nothing to say, each of which is received from.
private enum IdleConnections {
    private enum Tag: BitwiseCopyable { case accept, connect, receive }

    private final class Connection {
        let server: DirectDescriptor

        init(_ server: consuming DirectDescriptor) { self.server = server }
    }

    static func run(_ count: Int) throws {
        _ = test_limit_descriptors(UInt64(Memory.descriptorLimit))
        var ring = try Ring<Tag>(entries: 256)
        let table = try ring.makeFileTable(count: count)
        let listener = try Listener(backlog: 512)
        let before = try Memory.now().resident
        let pool = try ring.makeBufferRing(count: 256, byteCount: 4096)
        try ring.prepare(AcceptMultishot(listener.descriptor, into: table), tag: .accept)
        var connections: [Connection] = []
        var clients: [Handed<Descriptor>] = []
        var connectedCount = 0
        while connections.count < count {
            for _ in 0..<min(128, count - clients.count) {
                let client = try Descriptor.socket(.ipv4, .stream)
                try ring.prepare(Connect(client, to: listener.address), tag: .connect)
                clients.append(Handed(client))
            }
            while connections.count < clients.count || connectedCount < clients.count {
                let completion = try ring.nextCompletionWaiting()
                switch completion.tag {
                case .accept:
                    let connection = try completion.event(AcceptMultishot<DirectDescriptor>.self).expectMore()
                    try ring.prepare(ReceiveMultishot(connection, into: pool), tag: .receive)
                    connections.append(Connection(connection))
                case .connect:
                    try completion.take(Connect.self).result.get()
                    connectedCount += 1
                case .receive: throw NoCompletion()
                }
            }
        }
        try ring.submit()
        let idle = try Memory.now().resident - before
        // They do receive, through the few buffers.
        var (bytes, answers) = (0, 0)
        for client in clients.shuffled().prefix(1000) { #expect(client.value.sendNow(pattern(100)) == 100) }
        while bytes < 100_000 {
            switch try ring.nextCompletionWaiting().event(ReceiveMultishot.self) {
            case .more(let result):
                let lease = try result.get()
                bytes += lease.count
                answers += 1
            case .finished(let completed):
                // Its data is still there, and the buffers are back already.
                #expect(completed.ending == .outOfBuffers && pool.canRearm)
                try ring.prepare(completed.operation, tag: .receive)
            }
        }
        let busy = try Memory.now().resident - before
        let buffers = count * 4096
        print(
            "\(count) connections: \(idle / 1024) KiB when idle, \(busy / 1024) KiB after \(answers) messages;",
            "a buffer each would be \(buffers / 1024) KiB")
        // A sanitizer, under which nothing is counted, keeps memory of its own for each allocation.
        let limit = test_allocated_byte_count() > 0 ? buffers / 4 : buffers
        #expect(idle < limit && busy < limit)
        #expect(bytes == 100_000 && pool.leaseCount == 0)
    }
}
