// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct DirectDescriptorTests {
    /// Every operation on a file, as it encodes a file that is given to it.
    private static let encoders: [(name: String, encode: @Sendable (borrowing FileHold, UInt32) -> curing_sqe)] = [
        ("Read", { encodedEntry(of: Read($0, into: Buffer(byteCapacity: 8)), ringIdentity: $1) }),
        ("Write", { encodedEntry(of: Write($0, from: Buffer(copying: [1])), ringIdentity: $1) }),
        ("ReadVectored", { encodedEntry(of: ReadVectored($0, into: BufferVector(count: 1, byteCapacity: 8)), ringIdentity: $1) }),
        ("WriteVectored", { encodedEntry(of: WriteVectored($0, from: BufferVector(count: 1, byteCapacity: 8)), ringIdentity: $1) }),
        ("Fsync", { encodedEntry(of: Fsync($0), ringIdentity: $1) }),
        ("FTruncate", { encodedEntry(of: FTruncate($0, to: 1), ringIdentity: $1) }),
        ("Fallocate", { encodedEntry(of: Fallocate($0, at: 0, byteCount: 1), ringIdentity: $1) }),
        ("SyncFileRange", { encodedEntry(of: SyncFileRange($0, flags: .write), ringIdentity: $1) }),
        ("Fadvise", { encodedEntry(of: Fadvise($0, .normal), ringIdentity: $1) }),
        ("Splice", { encodedEntry(of: Splice(from: UnownedDescriptor.standardInput, to: $0, byteCount: 1), ringIdentity: $1) }),
        ("Tee", { encodedEntry(of: Tee(from: UnownedDescriptor.standardInput, to: $0, byteCount: 1), ringIdentity: $1) }),
        ("Bind", { encodedEntry(of: Bind($0, to: .ipv4Loopback(port: 1)), ringIdentity: $1) }),
        ("Listen", { encodedEntry(of: Listen($0), ringIdentity: $1) }),
        ("Connect", { encodedEntry(of: Connect($0, to: .ipv4Loopback(port: 1)), ringIdentity: $1) }),
        ("Shutdown", { encodedEntry(of: Shutdown($0, .both), ringIdentity: $1) }),
        ("Accept", { encodedEntry(of: Accept($0), ringIdentity: $1) }),
        ("AcceptMultishot", { encodedEntry(of: AcceptMultishot($0), ringIdentity: $1) }),
        ("Send", { encodedEntry(of: Send($0, from: Buffer(copying: [1])), ringIdentity: $1) }),
        ("SendTo", { encodedEntry(of: SendTo($0, from: Buffer(copying: [1]), to: .ipv4Loopback(port: 1)), ringIdentity: $1) }),
        ("Receive", { encodedEntry(of: Receive($0, into: Buffer(byteCapacity: 8)), ringIdentity: $1) }),
        ("SendMessage", { encodedEntry(of: SendMessage($0, Message(Buffer(copying: [1]))), ringIdentity: $1) }),
        ("ReceiveMessage", { encodedEntry(of: ReceiveMessage($0, into: Message(Buffer(byteCapacity: 8))), ringIdentity: $1) }),
        ("Poll", { encodedEntry(of: Poll($0, for: .input), ringIdentity: $1) }),
        ("PollMultishot", { encodedEntry(of: PollMultishot($0, for: .input), ringIdentity: $1) }),
    ]

    @Test(arguments: encoders.indices)
    func everyOperationEncodesASlot(index: Int) throws {
        let (name, encode) = DirectDescriptorTests.encoders[index]
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 8)
        let direct = encode(DirectDescriptor(received: 7, in: table.state).hold(), ring.identity)
        let normal = encode(UnownedDescriptor(FileDescriptor(rawValue: 7)).hold(), ring.identity)
        #expect(direct.fd == 7 && normal.fd == 7, "\(name)")
        #expect(normal.flags & CURING_SQE_FIXED_FILE == 0, "\(name)")
        #expect(direct.flags == normal.flags | CURING_SQE_FIXED_FILE, "\(name)")
        #expect(direct.opcode == normal.opcode && direct.ioprio == normal.ioprio && direct.op_flags == normal.op_flags, "\(name)")
    }

    @Test func aFileInASlotDoesWhatFilesDo() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path.appending("file")
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 4)
        let open = OpenAt(path, .readWrite, into: table.anySlot, flags: .create, permissions: .ownerReadWrite)
        let file = try ring.run(open).result.get()
        #expect(try ring.run(Write(file, from: Buffer(copying: [1, 2, 3, 4]), at: .offset(0))).result.get() == 4)
        var vector = BufferVector()
        vector.append(Buffer(copying: [5]))
        vector.append(Buffer(copying: [6]))
        #expect(try ring.run(WriteVectored(file, from: vector, at: .offset(4))).result.get() == 2)
        try ring.run(Fsync(file)).result.get()
        try ring.run(FTruncate(file, to: 5)).result.get()
        try ring.run(Fallocate(file, at: 0, byteCount: 8)).result.get()
        #expect(try contents(of: path) == [1, 2, 3, 4, 5, 0, 0, 0])
        let read = try ring.run(Read(file, into: Buffer(byteCapacity: 4), at: .offset(2)))
        #expect(read.operation.memory.copyBytes() == [3, 4, 5, 0])
        let vectored = try ring.run(ReadVectored(file, into: BufferVector(count: 2, byteCapacity: 2), at: .offset(0)))
        #expect(try vectored.result.get() == 4)
    }

    @Test func socketsInSlotsDoWhatSocketsDo() throws {
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: 8)
        let listener = try ring.run(Socket(.ipv4, .stream, into: table.anySlot)).result.get()
        try ring.run(Bind(listener, to: .ipv4Loopback(port: 0))).result.get()
        try ring.run(Listen(listener)).result.get()
        let address = try ring.run(InstallDescriptor(listener)).result.get().localAddress()
        let client = try ring.run(Socket(.ipv4, .stream, into: table.anySlot)).result.get()
        try ring.run(Connect(client, to: address)).result.get()
        let events = try ring.run(Poll(listener, for: .input)).result.get()
        #expect(events.contains(.input))
        let accepted = try ring.run(Accept(listener, into: table.anySlot)).result.get()
        #expect(try ring.run(Send(client, from: Buffer(copying: [1, 2]))).result.get() == 2)
        let received = try ring.run(Receive(accepted.descriptor, into: Buffer(byteCapacity: 8)))
        #expect(received.operation.memory.copyBytes() == [1, 2])
        #expect(try ring.run(SendMessage(accepted.descriptor, Message(Buffer(copying: [3])))).result.get() == 1)
        let message = try ring.run(ReceiveMessage(client, into: Message(Buffer(byteCapacity: 8))))
        #expect(try message.result.get() == 1)
        try ring.run(Shutdown(client, .sending)).result.get()
        #expect(try ring.run(Receive(accepted.descriptor, into: Buffer(byteCapacity: 8))).result.get() == 0)
    }

    @Test func aSlotIsInstalledAsANormalDescriptor() throws {
        var server = try DirectServer()
        let client = try server.listener.connect()
        let connection = try server.accept()
        let identity = server.ring.identity
        unsafe expectEncoding(of: InstallDescriptor(connection, isInherited: true), ringIdentity: identity) { entry, _, _ in
            unsafe reference_prep_fixed_fd_install(entry, 0, 1)
        }
        let installed = try server.ring.run(InstallDescriptor(connection), tag: 2).result.get()
        let isCloseOnExec = installed.isCloseOnExec
        #expect(isCloseOnExec)
        drop(connection)
        #expect(installed.sendNow([7]) == 1)
        #expect(client.receiveBounded() == [7])
    }

    // MARK: Misuse

    @Test func anotherRingsDescriptorTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            var other = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 1)
            let socket = try ring.run(Socket(.unix, .stream, into: table.anySlot)).result.get()
            // The other ring may have any file in this slot.
            try other.prepare(Listen(socket), tag: 1)
        }
        expectSentence("This direct descriptor is another ring's", of: result)
    }

    @Test func aPathThatIsToBeginAtASlotTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var ring = try Ring<Int>(entries: 8)
            let table = try ring.makeFileTable(count: 1)
            let directory = try ring.run(OpenAt("/", into: table.anySlot, flags: .directory)).result.get()
            // The number of the slot would be the number of some other file.
            var rename = RenameAt("a", to: "b")
            rename.newDirectory = directory.hold()
            try ring.prepare(rename, tag: 1)
        }
        expectSentence("A direct descriptor has no number in the process", of: result)
    }
}
