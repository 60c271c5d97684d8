// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct AcceptTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 5))

    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: Accept(file)) { entry, _, kernelData in
            let address = UnsafeMutableRawPointer(kernelData)
            unsafe reference_prep_accept(
                entry, 5, address, (address + 128).assumingMemoryBound(to: UInt32.self), Int32(SOCK_CLOEXEC.rawValue))
        }
    }

    @Test func encodesMultishotsLikeLiburing() {
        unsafe expectEncoding(of: AcceptMultishot(file, flags: [.nonBlocking, .inheritable])) { entry, _, _ in
            unsafe reference_prep_multishot_accept(entry, 5, nil, nil, Int32(SOCK_NONBLOCK.rawValue))
        }
    }

    @Test func encodesItsMode() {
        unsafe expectEncoding(of: Accept(file, mode: [.doNotWait, .pollFirst])) { entry, _, kernelData in
            let address = UnsafeMutableRawPointer(kernelData)
            unsafe reference_prep_accept(
                entry, 5, address, (address + 128).assumingMemoryBound(to: UInt32.self), Int32(SOCK_CLOEXEC.rawValue))
            unsafe entry.storeBytes(of: 2 | 4, toByteOffset: 2, as: UInt16.self)
        }
        unsafe expectEncoding(of: AcceptMultishot(file, mode: .pollFirst)) { entry, _, _ in
            unsafe reference_prep_multishot_accept(entry, 5, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
            unsafe entry.storeBytes(of: 1 | 4, toByteOffset: 2, as: UInt16.self)
        }
        #expect(AcceptMode.doNotWait.kernelBits == 2 && AcceptMode.pollFirst.kernelBits == 4)
        // An accept that completes once must never become one that goes on.
        #expect(AcceptMode(rawValue: 7).kernelBits == 6)
    }

    @Test func acceptsAConnectionWithItsPeer() throws {
        var ring = try Ring<Int>(entries: 8)
        let listener = try Listener()
        try ring.prepare(Accept(listener.descriptor, flags: .nonBlocking, mode: .pollFirst), tag: 1)
        try ring.submit()
        let client = try listener.connect()
        let accepted = try ring.nextCompletionWaiting().take(Accept<Descriptor>.self).result.get()
        #expect(accepted.peer == (try client.localAddress()))
        #expect(accepted.descriptor.isCloseOnExec && accepted.descriptor.isNonBlocking)
        #expect(accepted.descriptor.sendNow([1, 2, 3]) == 3)
        #expect(client.receiveBounded() == [1, 2, 3])
        let plain = try listener.connect()
        let second = try ring.run(Accept(listener.descriptor, flags: .inheritable)).result.get()
        #expect(!second.descriptor.isCloseOnExec && !second.descriptor.isNonBlocking)
        #expect(second.peer == (try plain.localAddress()))
    }

    @Test func acceptsUnixConnectionsWithoutAName() throws {
        var ring = try Ring<Int>(entries: 8)
        let directory = try TemporaryDirectory()
        let address = try SocketAddress(unixPath: directory.path.appending("s"))
        let listener = try Descriptor.listening(at: address)
        let client = try Descriptor.socket(.unix, .stream)
        try client.connectBlocking(to: address)
        let accepted = try ring.run(Accept(listener)).result.get()
        #expect(accepted.peer == .unixUnnamed)
        #expect(try client.peerAddress() == address)
    }

    @Test func reportsTheKernelsErrors() throws {
        var ring = try Ring<Int>(entries: 8)
        let listener = try Listener()
        let empty = try ring.run(Accept(listener.descriptor, mode: .doNotWait)).entry.errno
        #expect(empty == .resourceTemporarilyUnavailable)
        let deaf = try ring.run(Accept(Descriptor.socket(.ipv4, .stream))).entry.errno
        #expect(deaf == .invalidArgument)
        let closed = try ring.run(Accept(UnownedDescriptor(FileDescriptor(rawValue: -1)))).entry.errno
        #expect(closed == .badFileDescriptor)
        try ring.prepare(AcceptMultishot(Descriptor.socket(.ipv4, .stream)), tag: 0)
        guard case .finished(let ended) = try ring.nextCompletionWaiting().event(AcceptMultishot<Descriptor>.self) else {
            Issue.record("The accept should have ended.")
            return
        }
        #expect(ended.ending == .failed(.invalidArgument))
    }

    @Test func acceptsManyByOneOperation() throws {
        var ring = try Ring<Int>(entries: 8)
        let listener = try Listener()
        try ring.prepare(AcceptMultishot(listener.descriptor), tag: 7)
        try ring.submit()
        for round in 0..<20 {
            let client = try listener.connect()
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == 7 && completion.hasMore)
            guard case .more(let result) = completion.event(AcceptMultishot<Descriptor>.self) else {
                Issue.record("The accept should go on.")
                return
            }
            let server = try result.get()
            #expect(server.isCloseOnExec == true)
            #expect(try server.peerAddress() == client.localAddress())
            #expect(server.sendNow([UInt8(round)]) == 1)
            #expect(client.receiveBounded() == [UInt8(round)])
        }
        #expect(ring.inFlightCount == 1)
    }

    @Test func aFullCompletionQueueIsAnEndThatLosesNoConnection() throws {
        var options = RingOptions.recommended
        options.completionQueueEntries = 2
        var ring = try Ring<Int>(entries: 2, options: options)
        let listener = try Listener()
        try ring.prepare(AcceptMultishot(listener.descriptor), tag: 7)
        try ring.submit()
        let clients = try (0..<6).map { _ in Handed(try listener.connect()) }
        try ring.processPending()
        var (count, endings): (Int, [MultishotEnding]) = (0, [])
        while count < clients.count {
            switch try ring.nextCompletionWaiting().event(AcceptMultishot<Descriptor>.self) {
            case .more(let result):
                let server = try result.get()
                #expect(server.sendNow([1]) == 1)
            case .finished(let completed):
                endings.append(completed.ending)
                try ring.prepare(completed.operation, tag: 7)
                let server = try completed.result.get()
                #expect(server.sendNow([1]) == 1)
            }
            count += 1
        }
        #expect(!endings.isEmpty && endings.allSatisfy { $0 == .completionQueueFull })
        for client in clients { #expect(client.value.receiveBounded() == [1]) }
    }

    @Test func showsThatMoreConnectionsWait() throws {
        var ring = try Ring<Int>(entries: 8)
        let listener = try Listener()
        let first = try listener.connect()
        let second = try listener.connect()
        let completed = try ring.run(Accept(listener.descriptor))
        #expect(completed.entry.flags.contains(.socketNotEmpty))
        let last = try ring.run(Accept(listener.descriptor))
        #expect(!last.entry.flags.contains(.socketNotEmpty))
        _ = first.isHeld || second.isHeld
    }

    // MARK: Results nobody takes

    @Test func closesAConnectionWhoseCompletionIsDropped() throws {
        var ring = try Ring<Int>(entries: 8)
        let listener = try Listener()
        let client = try listener.connect()
        try ring.prepare(Accept(listener.descriptor), tag: 0)
        let completion = try ring.nextCompletionWaiting()
        #expect(completion.entry.result >= 0)
        drop(completion)
        #expect(client.receiveBounded() == [])
    }

    @Test func closesAConnectionWhoseResultIsDropped() throws {
        var ring = try Ring<Int>(entries: 8)
        let listener = try Listener()
        let client = try listener.connect()
        let completed = try ring.run(Accept(listener.descriptor))
        drop(completed)
        #expect(client.receiveBounded() == [])
    }

    @Test func closesAConnectionThatARingHadWhenItEnded() throws {
        let listener = try Listener()
        let client = try listener.connect()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Accept(listener.descriptor), tag: 0)
        try ring.submit(waitingFor: 1)
        #expect(ring.readyCount == 1)
        drop(ring)
        #expect(client.receiveBounded() == [])
        #expect(listener.descriptor.isHeld == false)
    }

    @Test func closesTheConnectionsOfAMultishotNobodyTakes() throws {
        let listener = try Listener()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(AcceptMultishot(listener.descriptor), tag: 0)
        try ring.submit()
        let dropped = try listener.connect()
        drop(try ring.nextCompletionWaiting())
        #expect(dropped.receiveBounded() == [])
        let held = try listener.connect()
        let completion = try ring.nextCompletionWaiting()
        let unreaped = try listener.connect()
        try ring.submit(waitingFor: 1)
        drop(ring)
        #expect(unreaped.receiveBounded() == [])
        #expect(!listener.descriptor.isHeld || completion.hasMore)
        drop(completion)
        #expect(held.receiveBounded() == [])
        #expect(listener.descriptor.isHeld == false)
    }

    @Test func letsTheListenerGoWhenTheRingIsDroppedBeforeAnybodyConnects() throws {
        let listener = try Listener()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(Accept(listener.descriptor), tag: 0)
        try ring.prepare(AcceptMultishot(listener.descriptor), tag: 1)
        try ring.submit()
        #expect(listener.descriptor.isHeld && ring.inFlightCount == 2)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(listener.descriptor.isHeld == false)
        // Nobody accepts any more: a client stays in the backlog.
        let client = try listener.connect()
        var waiting = pollfd(fd: client.unowned.fileDescriptor.rawValue, events: Int16(POLLIN), revents: 0)
        #expect(unsafe poll(&waiting, 1, 0) == 0)
    }
}
