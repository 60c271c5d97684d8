// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// A kind of file that connections can be accepted as.
private protocol Acceptable: OwnedFile, ~Copyable {
    static func accept(on listener: borrowing Descriptor, into table: borrowing FileTable) -> AcceptMultishot<Self>
}

extension Descriptor: Acceptable {
    fileprivate static func accept(on listener: borrowing Descriptor, into table: borrowing FileTable) -> AcceptMultishot<Descriptor> {
        AcceptMultishot(listener)
    }
}

extension DirectDescriptor: Acceptable {
    fileprivate static func accept(
        on listener: borrowing Descriptor, into table: borrowing FileTable
    ) -> AcceptMultishot<DirectDescriptor> {
        AcceptMultishot(listener, into: table)
    }
}

/// A ring that accepts all connections of a listener.
private struct Acceptor<File: Acceptable & ~Copyable>: ~Copyable {
    var ring: Ring<Int>
    let table: FileTable
    let listener: Listener
    let token: Token<AcceptMultishot<File>>

    init(_: File.Type, slotCount: Int = 16) throws {
        let listener = try Listener()
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: slotCount)
        let token = try ring.prepare(File.accept(on: listener.descriptor, into: table), tag: 1)
        try ring.submit()
        self.token = token
        self.listener = listener
        self.table = table
        self.ring = ring
    }

    /// A client whose connection has been accepted, while nobody has looked at the completion.
    mutating func clientWithUnreapedConnection() throws -> Descriptor {
        let ready = ring.readyCount
        let client = try listener.connect()
        try ring.submit(waitingFor: ready + 1, timeout: .seconds(10))
        #expect(ring.readyCount == ready + 1)
        return client
    }

    mutating func nextEvent() throws -> Event<AcceptMultishot<File>> {
        try ring.nextCompletionWaiting().event(AcceptMultishot<File>.self)
    }
}

/// A connection that was accepted always has an owner: whatever ends before somebody takes it, its client is told.
@Suite struct AcceptedConnectionTests {
    // MARK: Dropped

    @Test func aDroppedConnectionIsClosed() throws { try dropConnection(Descriptor.self) }
    @Test func aDroppedDirectConnectionIsClosed() throws { try dropConnection(DirectDescriptor.self) }

    private func dropConnection<File: Acceptable & ~Copyable>(_: File.Type) throws {
        var acceptor = try Acceptor(File.self)
        let first = try acceptor.clientWithUnreapedConnection()
        drop(try acceptor.ring.nextCompletionWaiting())
        #expect(first.receiveBounded() == [])
        let second = try acceptor.clientWithUnreapedConnection()
        drop(try acceptor.nextEvent())
        #expect(second.receiveBounded() == [])
        #expect(acceptor.table.usedCount == 0)
        // The accept itself goes on.
        let third = try acceptor.clientWithUnreapedConnection()
        drop(try acceptor.nextEvent().expectMore())
        #expect(third.receiveBounded() == [])
    }

    // MARK: Cancelled

    @Test func connectionsOfACancelledAcceptAreClosed() throws { try cancelAccept(Descriptor.self) }
    @Test func connectionsOfACancelledDirectAcceptAreClosed() throws { try cancelAccept(DirectDescriptor.self) }

    private func cancelAccept<File: Acceptable & ~Copyable>(_: File.Type) throws {
        var acceptor = try Acceptor(File.self)
        let accepted = try acceptor.clientWithUnreapedConnection()
        try acceptor.ring.prepare(Cancel(acceptor.token), tag: 2)
        let connection = try acceptor.nextEvent().expectMore()
        // The cancellation and the accept's end come in any order.
        var endings: [MultishotEnding] = []
        for _ in 0..<2 {
            let completion = try acceptor.ring.nextCompletionWaiting()
            if completion.tag == 1 {
                let ended = try completion.event(AcceptMultishot<File>.self).expectFinished()
                endings.append(ended.ending)
            }
        }
        #expect(endings == [.cancelled])
        #expect(acceptor.ring.inFlightCount == 0)
        drop(connection)
        #expect(accepted.receiveBounded() == [])
        // Nobody accepts any more: who connects now is refused when the listener goes.
        let late = try acceptor.listener.connect()
        drop(acceptor)
        #expect(late.receiveBounded() == [])
    }

    @Test func noConnectionIsLostBetweenAnAcceptAndItsCancellation() throws { try cancelAmongClients(Descriptor.self) }
    @Test func noConnectionIsLostBetweenADirectAcceptAndItsCancellation() throws { try cancelAmongClients(DirectDescriptor.self) }

    private func cancelAmongClients<File: Acceptable & ~Copyable>(_: File.Type) throws {
        for count in 0..<8 {
            var acceptor = try Acceptor(File.self)
            var clients: [Client] = []
            for index in 0..<8 {
                clients.append(Client(try acceptor.listener.connect()))
                if index == count {
                    try acceptor.ring.prepare(Cancel(acceptor.token), tag: 2)
                    try acceptor.ring.submit()
                }
            }
            try acceptor.ring.processPending()
            // Some connections are accepted, some wait; none is looked at.
            drop(acceptor)
            for client in clients { #expect(client.socket.receiveBounded() == []) }
        }
    }

    // MARK: No room

    @Test func aFullTableEndsADirectAcceptAndTellsTheClient() throws {
        var acceptor = try Acceptor(DirectDescriptor.self, slotCount: 1)
        let first = try acceptor.listener.connect()
        let kept = try acceptor.nextEvent().expectMore()
        let lost = try acceptor.listener.connect()
        let ended = try acceptor.nextEvent().expectFinished()
        let ending = ended.ending
        #expect(ending == .tableFull)
        #expect(lost.receiveBounded() == [])
        #expect(acceptor.table.usedCount == 1)
        // The slot is free again, and so is the way for the next one, which has been waiting.
        let next = try acceptor.listener.connect()
        drop(kept)
        #expect(first.receiveBounded() == [])
        try acceptor.ring.prepare(ended.operation, tag: 1)
        let connection = try acceptor.nextEvent().expectMore()
        drop(connection)
        #expect(next.receiveBounded() == [])
    }

    @Test func aLackOfNumbersEndsAnAcceptAndKeepsTheClientWaiting() async {
        // In a process of its own, because the limit is the process's.
        await #expect(processExitsWith: .success) {
            // An accept has the limit of the moment that it is submitted.
            let limit = 256
            var acceptor = try withDescriptorLimit(UInt64(limit)) { try Acceptor(Descriptor.self) }
            var connecting = try Ring<Int>(entries: 8)
            var clients: [Client] = []
            for _ in 0..<2 { clients.append(Client(try Descriptor.socket(.ipv4, .stream))) }
            try connecting.run(Connect(clients[0].socket, to: acceptor.listener.address)).result.get()
            let taken = try acceptor.nextEvent().expectMore()

            // Every number below the limit is in use.
            var fillers: [Client] = []
            repeat { fillers.append(Client(try Descriptor(opening: "/dev/null"))) } while fillers[fillers.count - 1].number < limit
            try connecting.run(Connect(clients[1].socket, to: acceptor.listener.address)).result.get()
            let ended = try acceptor.nextEvent().expectFinished()
            try #require(ended.ending == .failed(.tooManyOpenFiles))

            // The second client has not been accepted; it is when there is a number.
            drop(taken)
            try #require(clients[0].socket.receiveBounded() == [])
            try acceptor.ring.prepare(ended.operation, tag: 1)
            drop(try acceptor.nextEvent().expectMore())
            try #require(clients[1].socket.receiveBounded() == [])
        }
    }

    // MARK: The ring's end

    @Test func aRingsEndClosesConnectionsThatNobodyTook() throws { try dropRing(Descriptor.self) }
    @Test func aRingsEndClosesDirectConnectionsThatNobodyTook() throws { try dropRing(DirectDescriptor.self) }

    private func dropRing<File: Acceptable & ~Copyable>(_: File.Type) throws {
        var acceptor = try Acceptor(File.self)
        let held = try acceptor.clientWithUnreapedConnection()
        let completion = try acceptor.ring.nextCompletionWaiting()
        let unreaped = try acceptor.clientWithUnreapedConnection()
        // This one is perhaps accepted while the ring ends, and perhaps not at all.
        let late = try acceptor.listener.connect()
        drop(acceptor)
        #expect(unreaped.receiveBounded() == [])
        drop(completion)
        #expect(held.receiveBounded() == [])
        #expect(late.receiveBounded() == [])
    }
}

/// A socket in an array.
private final class Client {
    let socket: Descriptor
    var number: Int32 { socket.unowned.fileDescriptor.rawValue }

    init(_ socket: consuming Descriptor) { self.socket = socket }
}
