// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Support
import SystemPackage
import URing

/// The command that receives.
struct ReceiveRecords: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receive",
        abstract: "Receive records and verify every byte, until Ctrl-C.",
        discussion:
            "At the end of a connection, its number of records is sent back. A wrong or missing byte ends the program with exit status 1.")

    @Option(help: ArgumentHelp("The IPv4 or IPv6 address to listen at.", valueName: "ip"))
    var address = "127.0.0.1"

    @Option(help: ArgumentHelp("The port to listen at; with 0 the system chooses one, which is printed.", valueName: "number"))
    var port: UInt16 = 0

    @Option(name: .customLong("size"), help: ArgumentHelp("How large a record is.", valueName: "bytes"))
    var byteCount = 1400

    @Option(name: .customLong("buffer"), help: ArgumentHelp("How much is received at a time.", valueName: "bytes"))
    var bufferByteCount = 256 * 1024

    func validate() throws {
        try ValidationError.check(byteCount, in: Record.headerByteCount...(1 << 30), "--size")
        try ValidationError.check(bufferByteCount, in: 1...(1 << 30), "--buffer")
    }

    func run() throws {
        raiseFileLimit()
        let stop = try stopDescriptor()
        let wanted = try Support.address(ip: address, port: port, "--address")
        let listener = try attempt("Cannot listen at \(wanted)") { () throws(Errno) in try Descriptor.listening(at: wanted) }
        let actual = try attempt("Cannot ask for the address") { () throws(Errno) in try listener.localAddress() }
        let receiver = try Receiver(
            listener: listener, stop: stop, record: Record(byteCount: byteCount), bufferByteCount: bufferByteCount)
        say("Listening at \(actual) for records of \(byteCount) bytes; Ctrl-C ends.\n")
        let count = try receiver.run()
        say("Verified: all \(count * byteCount) bytes of \(count) records.\n")
    }
}

/// Receives from all connections on one ring, and compares every byte.
struct Receiver: ~Copyable {
    /// What an operation does, and for which connection.
    private enum Tag {
        case stop
        case accept
        case receive(Int)
        case answer
    }

    private var ring: Ring<Tag>
    private let record: Record
    private let bufferByteCount: Int
    /// How many bytes each connection has brought.
    private var positions: [Int] = []
    private var recordCount = 0
    private var openCount = 0
    /// The accept, while there is no room for another connection.
    private var pausedAccept: AcceptMultishot<Descriptor>?

    init(listener: borrowing Descriptor, stop: UnownedDescriptor, record: Record, bufferByteCount: Int) throws {
        var ring = try Ring<Tag>(entries: 256)
        try ring.prepare(Read(stop, into: Buffer(byteCapacity: 128)), tag: .stop)
        try ring.prepare(AcceptMultishot(listener), tag: .accept)
        self.ring = ring
        self.record = record
        self.bufferByteCount = bufferByteCount
    }

    /// Receives until the stop descriptor can be read, and says how many records came.
    consuming func run() throws -> Int {
        while true {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextReadyCompletion() {
                switch completion.tag {
                case .stop: return recordCount
                case .accept: try accept(completion.event(AcceptMultishot<Descriptor>.self))
                case .receive(let connection): try received(connection, completion.take(Receive<Buffer>.self))
                // A sender that does not wait for the number does not want it.
                case .answer:
                    drop(completion)
                    try connectionIsGone()
                }
            }
        }
    }

    private mutating func accept(_ event: consuming Event<AcceptMultishot<Descriptor>>) throws {
        switch consume event {
        case .more(let result):
            try begin(result)
        case .finished(let completed):
            let ending = completed.ending
            try begin(completed.result)
            switch ending {
            case .failed(.connectionAbort), .rearm, .completionQueueFull: try ring.prepare(completed.operation, tag: .accept)
            // There is room again when one ends.
            case .failed(.tooManyOpenFiles) where openCount > 0, .failed(.tooManyOpenFilesInSystem) where openCount > 0,
                .failed(.noBufferSpace) where openCount > 0, .failed(.noMemory) where openCount > 0:
                pausedAccept = consume completed.operation
            case .failed(let errno): throw Failure("Cannot accept connections: \(errno)")
            // The other reasons are not those of an accept that nobody cancels.
            default: break
            }
        }
    }

    private mutating func begin(_ accepted: consuming Result<Descriptor, Errno>) throws {
        // The ending says why there is none.
        guard case .success(let socket) = consume accepted else { return }
        positions.append(0)
        openCount += 1
        try ring.prepare(Receive(socket, into: Buffer(byteCapacity: bufferByteCount)), tag: .receive(positions.count - 1))
    }

    private mutating func received(_ connection: Int, _ completed: consuming Completed<Receive<Buffer>>) throws {
        // Nothing is missing of who has sent nothing.
        if positions[connection] == 0, case .failure(.connectionReset) = completed.result { return try connectionIsGone() }
        let count = try completed.result.get(whenDoing: "Receiving on connection \(connection) failed")
        if count == 0 { return try end(connection, completed.operation.file) }
        if let position = record.mismatch(in: completed.operation.memory.span, at: positions[connection]) {
            throw Failure("Byte \(position) of connection \(connection) is not as it was sent.")
        }
        positions[connection] += count
        try ring.prepare(completed.operation, tag: .receive(connection))
    }

    private mutating func connectionIsGone() throws {
        openCount -= 1
        if let accept = pausedAccept.take() { try ring.prepare(accept, tag: .accept) }
    }

    /// Tells the sender how many records came.
    private mutating func end(_ connection: Int, _ socket: borrowing FileHold) throws {
        guard positions[connection].isMultiple(of: record.byteCount) else {
            throw Failure("Connection \(connection) ended within a record.")
        }
        let count = positions[connection] / record.byteCount
        recordCount += count
        var answer = Buffer(copying: [UInt8](repeating: 0, count: Record.headerByteCount))
        record.number(UInt64(count), in: &answer)
        try ring.prepare(Send(socket, from: answer), tag: .answer)
    }
}

private func drop<Value: ~Copyable>(_: consuming Value) {}
