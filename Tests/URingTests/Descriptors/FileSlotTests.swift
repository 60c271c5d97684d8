// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

// The operations that make a file, with a slot of the ring's table as its place.

/// What `FILE_INDEX_ALLOC` is for the reference functions, which count slots from zero.
private let anySlot = CURING_FILE_INDEX_ALLOC

@Suite struct FileSlotTests {
    private let file = UnownedDescriptor(FileDescriptor(rawValue: 5))

    @Test(arguments: [nil, 0, 6])
    func encodesLikeLiburing(chosen: Int?) throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 8, allocating: 4..<6)
        let identity = ring.identity
        let number = chosen.map { UInt32($0) } ?? anySlot
        let slot = { chosen.flatMap { table.slot($0) } ?? table.anySlot }
        unsafe expectEncoding(of: OpenAt("path", in: file, .readWrite, into: slot(), flags: .append), ringIdentity: identity) {
            entry, operation, _ in
            unsafe reference_prep_openat_direct(entry, 5, operation.pointee.path.characters, O_RDWR | O_APPEND, 0, number)
        }
        unsafe expectEncoding(of: OpenAt2("path", in: file, into: slot(), resolve: .beneath), ringIdentity: identity) {
            entry, operation, how in
            unsafe reference_prep_openat2_direct(entry, 5, operation.pointee.path.characters, how, number)
            #expect(unsafe how.pointee.how.flags == 0)
        }
        unsafe expectEncoding(of: Socket(.ipv4, .datagram, into: slot(), flags: [.nonBlocking, .inheritable]), ringIdentity: identity) {
            entry, _, _ in
            unsafe reference_prep_socket_direct(
                entry, AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue), 0, number, 0)
        }
        unsafe expectEncoding(of: Accept(file, into: slot(), flags: .nonBlocking), ringIdentity: identity) { entry, _, kernelData in
            let address = UnsafeMutableRawPointer(kernelData)
            unsafe reference_prep_accept_direct(
                entry, 5, address, (address + 128).assumingMemoryBound(to: UInt32.self), Int32(SOCK_NONBLOCK.rawValue), number)
        }
        let second = chosen.flatMap { table.slot($0 + 1) } ?? table.anySlot
        unsafe expectEncoding(of: Pipe(into: slot(), second, flags: [.nonBlocking, .packets, .inheritable]), ringIdentity: identity) {
            entry, _, numbers in
            unsafe reference_prep_pipe_direct(
                entry, UnsafeMutableRawPointer(numbers).assumingMemoryBound(to: Int32.self), O_NONBLOCK | Int32(CURING_O_DIRECT), number)
        }
    }

    @Test func aMultishotAcceptAndACloseEncodeLikeLiburing() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        let identity = ring.identity
        unsafe expectEncoding(of: AcceptMultishot(file, into: table, flags: .nonBlocking), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_multishot_accept_direct(entry, 5, nil, nil, Int32(SOCK_NONBLOCK.rawValue))
        }
        unsafe expectEncoding(of: Close(DirectDescriptor(received: 3, in: table.state)), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_close_direct(entry, 3)
        }
    }

    // MARK: Round trips

    @Test(arguments: [false, true])
    func opensAFile(isChosen: Bool) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("a", containing: [1, 2, 3])
        let base = try Descriptor(opening: directory.path, options: .directory)
        var maker = try FileMaker()
        let first = try maker.ring.run(OpenAt(path, into: maker.slot(isChosen))).result.get()
        let second = try maker.ring.run(OpenAt2("a", in: base, into: maker.slot(isChosen), resolve: .beneath)).result.get()
        maker.expectSlots(first.slot, second.slot, areChosen: isChosen)
        for file in [first.hold().number, second.hold().number] { #expect(file >= 0) }
        let read = try maker.ring.run(Read(first, into: Buffer(byteCapacity: 9)))
        #expect(read.operation.memory.copyBytes() == [1, 2, 3])
        let again = try maker.ring.run(Read(second, into: Buffer(byteCapacity: 9)))
        #expect(again.operation.memory.copyBytes() == [1, 2, 3])
    }

    @Test(arguments: [false, true])
    func makesAPipe(isChosen: Bool) throws {
        var maker = try FileMaker()
        let pipe = try maker.ring.run(Pipe(into: maker.slot(isChosen), maker.slot(isChosen))).result.get()
        maker.expectSlots(pipe.first.slot, pipe.second.slot, areChosen: isChosen)
        #expect(try maker.ring.run(Write(pipe.second, from: Buffer(copying: [1, 2]))).result.get() == 2)
        let read = try maker.ring.run(Read(pipe.first, into: Buffer(byteCapacity: 9)))
        #expect(read.operation.memory.copyBytes() == [1, 2])
        drop(read)
        // Each end is closed by itself.
        drop(pipe.second)
        #expect(maker.table.usedCount == 1)
        #expect(try maker.ring.run(Read(pipe.first, into: Buffer(byteCapacity: 9))).result.get() == 0)
    }

    @Test(arguments: [false, true])
    func acceptsAConnectionWithItsPeer(isChosen: Bool) throws {
        let listener = try Listener()
        var maker = try FileMaker()
        let client = try listener.connect()
        let accepted = try maker.ring.run(Accept(listener.descriptor, into: maker.slot(isChosen), flags: .nonBlocking)).result.get()
        #expect(accepted.peer == (try client.localAddress()))
        let installed = try maker.ring.run(InstallDescriptor(accepted.descriptor)).result.get()
        let isNonBlocking = installed.isNonBlocking
        #expect(isNonBlocking)
        drop(installed)
        drop(accepted)
        #expect(client.receiveBounded() == [])
        #expect(maker.table.usedCount == 0)
    }

    @Test(arguments: [false, true])
    func makesASocket(isChosen: Bool) throws {
        let listener = try Listener()
        var maker = try FileMaker()
        let client = try maker.ring.run(Socket(.ipv4, .stream, into: maker.slot(isChosen))).result.get()
        try maker.ring.run(Connect(client, to: listener.address)).result.get()
        let server = try maker.ring.run(Accept(listener.descriptor)).result.get().descriptor
        drop(client)
        #expect(server.receiveBounded() == [])
    }

    // MARK: Errors

    @Test func anOperationThatFailedKeepsItsSlotForTheNextTry() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path.appending("late")
        var maker = try FileMaker()
        let failed = try maker.ring.run(OpenAt(path, into: maker.slot(true)))
        #expect(failed.entry.errno == .noSuchFileOrDirectory)
        #expect(maker.table.usedCount == 1)
        _ = try directory.file("late", containing: [7])
        let file = try maker.ring.run(failed.operation).result.get()
        let read = try maker.ring.run(Read(file, into: Buffer(byteCapacity: 9)))
        #expect(read.operation.memory.copyBytes() == [7])
    }

    /// Fills the table, and expects each operation that the kernel is to choose a slot for to say so.
    @Test func aFullTableIsAReasonOfItsOwn() throws {
        let listener = try Listener()
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1)
        let kept = try ring.run(Socket(.unix, .stream, into: table.anySlot)).result.get()
        #expect(try ring.run(Socket(.unix, .stream, into: table.anySlot)).entry.errno == .fileTableFull)
        #expect(try ring.run(OpenAt("/", into: table.anySlot)).entry.errno == .fileTableFull)
        #expect(try ring.run(OpenAt2("/", into: table.anySlot, resolve: [])).entry.errno == .fileTableFull)
        #expect(try ring.run(Pipe(into: table.anySlot, table.anySlot)).entry.errno == .fileTableFull)
        let lost = try listener.connect()
        #expect(try ring.run(Accept(listener.descriptor, into: table.anySlot)).entry.errno == .fileTableFull)
        // The connection was accepted all the same, and its client is told.
        #expect(lost.receiveBounded() == [])
        #expect(table.usedCount == 1)
        drop(kept)
    }

    @Test func aPipeForWhichThereIsOneSlotLeavesItFree() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 1)
        #expect(try ring.run(Pipe(into: table.anySlot, table.anySlot)).entry.errno == .fileTableFull)
        let socket = try ring.run(Socket(.unix, .stream, into: table.anySlot)).result.get()
        let slot = socket.slot
        #expect(slot == 0)
    }

    @Test func aPipeIntoSlotsThatAreNotSideBySideTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 3, allocating: 0..<0)
            guard let first = table.slot(0), let second = table.slot(2) else { return }
            try ring.prepare(Pipe(into: first, second), tag: 1)
        }
        expectSentence("A pipe goes to two slots that the kernel chooses", of: result)
    }

    // MARK: Results nobody takes

    @Test(arguments: [false, true])
    func filesThatNobodyTakesLeaveTheirSlots(isChosen: Bool) throws {
        let listener = try Listener()
        var maker = try FileMaker()
        let client = try listener.connect()
        // Each completion is dropped without being taken.
        try maker.ring.prepare(Accept(listener.descriptor, into: maker.slot(isChosen)), tag: 1)
        try maker.ring.prepare(OpenAt("/", into: maker.slot(isChosen)), tag: 2)
        try maker.ring.prepare(OpenAt2("/", into: maker.slot(isChosen), resolve: []), tag: 3)
        try maker.ring.prepare(Socket(.unix, .stream, into: maker.slot(isChosen)), tag: 4)
        try maker.ring.prepare(Pipe(into: maker.slot(isChosen), maker.slot(isChosen)), tag: 5)
        for _ in 1...5 { drop(try maker.ring.nextCompletionWaiting()) }
        #expect(client.receiveBounded() == [])
        #expect(maker.table.usedCount == 0)
        // The kernel's slots are empty as well.
        for _ in 0..<2 {
            let files = try maker.fill(areChosen: isChosen)
            drop(files)
        }
    }

    @Test(arguments: [false, true])
    func filesThatARingHadWhenItEndedAreClosed(isChosen: Bool) throws {
        let listener = try Listener()
        let client = try listener.connect()
        var maker = try FileMaker()
        try maker.ring.prepare(Accept(listener.descriptor, into: maker.slot(isChosen)), tag: 1)
        try maker.ring.submit(waitingFor: 1, timeout: .seconds(10))
        #expect(maker.ring.readyCount == 1)
        drop(maker)
        #expect(client.receiveBounded() == [])
    }

    @Test(arguments: [false, true])
    func anAcceptThatWaitsEndsWithItsRing(isChosen: Bool) throws {
        let listener = try Listener()
        var maker = try FileMaker()
        try maker.ring.prepare(Accept(listener.descriptor, into: maker.slot(isChosen)), tag: 1)
        try maker.ring.submit()
        expectHeld(listener.descriptor)
        drop(maker)
        expectHeld(listener.descriptor, false)
    }
}

/// A ring with a file table, half of which is for slots that are chosen.
private struct FileMaker: ~Copyable {
    static let half = 6
    var ring: Ring<Int>
    let table: FileTable
    private var nextSlot = FileMaker.half

    init() throws {
        var ring = try Ring<Int>(entries: 8)
        table = try ring.makeFileTable(count: 2 * FileMaker.half, allocating: 0..<FileMaker.half)
        self.ring = ring
    }

    /// A place for a new file: any, or one number after the other.
    mutating func slot(_ isChosen: Bool) -> FileSlot {
        guard isChosen, let slot = table.slot(nextSlot) else { return table.anySlot }
        nextSlot += 1
        return slot
    }

    func expectSlots(_ first: Int, _ second: Int, areChosen: Bool) {
        #expect(areChosen ? first == FileMaker.half && second == first + 1 : first < FileMaker.half && second < FileMaker.half)
    }

    /// Makes as many files as there are slots of a kind.
    mutating func fill(areChosen: Bool) throws -> [FileBox] {
        nextSlot = FileMaker.half
        return try (0..<FileMaker.half).map { _ in FileBox(try ring.run(Socket(.unix, .stream, into: slot(areChosen))).result.get()) }
    }
}

private final class FileBox {
    let file: DirectDescriptor

    init(_ file: consuming DirectDescriptor) { self.file = file }
}
