// SPDX-License-Identifier: Apache-2.0

import CProcess
import Support
import SystemPackage
import URing

/// Sends records over several connections on one ring, each from one of a pool of buffers.
///
/// A connection has one send in flight, so that its records stay in order.
struct Sender: ~Copyable {
    /// What one run took.
    struct Run {
        var recordCount = 0
        var elapsed = Duration.zero
        var processorTime = Duration.zero
        var switchCount = 0
        /// How many sends the kernel has copied the bytes of, whatever it was asked for.
        var copiedCount = 0
        /// The most sends whose memory was the kernel's at a time.
        var mostOutstanding = 0
    }

    private final class Connection {
        let socket: Descriptor
        /// How many sends were prepared.
        var recordCount = 0

        init(_ socket: consuming Descriptor) {
            self.socket = socket
        }
    }

    private let way: Way
    private let record: Record
    /// The tags are the connections' places in the array.
    private var ring: Ring<Int>
    private let connections: [Connection]
    /// Connections without a send in flight.
    private var idle: [Int]
    /// Buffers that are not the kernel's.
    private var spare: BufferVector
    private let bufferCount: Int
    private var run = Run()

    /// Connects.
    init(to receiver: SocketAddress, way: Way, record: Record, connectionCount: Int, bufferCount: Int) throws {
        var ring = try Ring<Int>(entries: max(connectionCount, 2))
        var connections: [Connection] = []
        for index in 0..<connectionCount {
            // TCP may put small records together: without Nagle's algorithm each is a packet, whose cost hides that of waiting.
            let socket = try attempt("Cannot make a socket") { () throws(Errno) in try Descriptor.socket(receiver.domain, .stream) }
            try ring.run(Connect(socket, to: receiver), tag: index).result.get(whenDoing: "Cannot connect to \(receiver)")
            connections.append(Connection(socket))
        }
        var spare = BufferVector(minimumCapacity: bufferCount)
        for _ in 0..<bufferCount { spare.append(record.makeBuffer()) }
        self.way = way
        self.record = record
        self.ring = ring
        self.connections = connections
        idle = Array(connections.indices)
        self.spare = spare
        self.bufferCount = bufferCount
    }

    /// Sends so many records, and waits until all memory is back.
    mutating func run(recordCount: Int) throws -> Run {
        run = Run()
        let start = ContinuousClock.now
        let (timeBefore, switchesBefore) = (process_used_time(), process_voluntary_switches())
        while run.recordCount < recordCount {
            try prepareSends(upTo: recordCount - run.recordCount)
            switch way {
            case .lazy, .copying: try goOn()
            case .waiting: try waitForAll()
            }
        }
        try waitForAll()
        let time = process_used_time()
        run.elapsed = .now - start
        run.processorTime = .microseconds(time.user + time.system - timeBefore.user - timeBefore.system)
        run.switchCount = Int(process_voluntary_switches() - switchesBefore)
        return run
    }

    /// Prepares a send on each connection that has none, as far as there are records to send and buffers to send from.
    private mutating func prepareSends(upTo limit: Int) throws {
        for _ in 0..<min(idle.count, limit) {
            guard var buffer = spare.popLast(), let index = idle.popLast() else { return }
            let connection = connections[index]
            record.number(UInt64(connection.recordCount), in: &buffer)
            connection.recordCount += 1
            run.recordCount += 1
            // Else a send could be short, when there is not enough room in the socket.
            if way == .copying {
                try ring.prepare(Send(connection.socket, from: buffer, flags: .waitAll), tag: index)
            } else {
                try ring.prepare(SendZeroCopy(connection.socket, from: buffer, flags: .waitAll, reportsUsage: true), tag: index)
            }
        }
    }

    /// Submits what is prepared, and waits only when nothing else can be.
    private mutating func goOn() throws {
        // The kernel tries each send during the call, so most results are there when it returns.
        try ring.submit()
        try takeReady()
        if idle.isEmpty {
            // All sockets are full.
            try ring.submit(waitingFor: (connections.count + 1) / 2)
            try takeReady()
        }
        if spare.count < connections.count {
            // Notifications that have come are fetched without waiting.
            try ring.processPending()
            try takeReady()
            if spare.count == 0 {
                try ring.submit(waitingFor: (ring.outstandingNotifications + 1) / 2)
                try takeReady()
            }
        }
    }

    /// Waits until no send is in flight and all memory is back.
    private mutating func waitForAll() throws {
        while ring.inFlightCount > 0 {
            try ring.submit(waitingFor: ring.inFlightCount)
            try takeReady()
        }
    }

    /// Takes the completions that are there, without a system call.
    private mutating func takeReady() throws {
        while let completion = ring.nextReadyCompletion() {
            let index = completion.tag
            if way == .copying {
                let completed = completion.take(Send<Buffer>.self)
                try expectWhole(completed.result)
                idle.append(index)
                run.copiedCount += 1
                spare.append(completed.operation.memory)
            } else {
                switch completion.event(SendZeroCopy<Buffer>.self) {
                case .more(let result):
                    try expectWhole(result)
                    idle.append(index)
                case .finished(let completed):
                    if completed.operation.usage == .copied { run.copiedCount += 1 }
                    spare.append(completed.operation.memory)
                }
            }
        }
        run.mostOutstanding = max(run.mostOutstanding, bufferCount - spare.count)
    }

    private func expectWhole(_ result: Result<Int, Errno>) throws {
        if case .failure(.noMemory) = result {
            throw Failure("Sending failed: there is not so much memory, or the limit on locked memory (ulimit -l) is too low.")
        }
        guard try result.get(whenDoing: "Sending failed") == record.byteCount else { throw Failure("A record was sent in part.") }
    }

    /// Ends the connections; the receiver must have got as many records as were sent.
    mutating func end() throws {
        for index in connections.indices {
            let connection = connections[index]
            try ring.run(Shutdown(connection.socket, .sending), tag: index).result.get(whenDoing: "Ending a connection failed")
            var expected = Buffer(copying: [UInt8](repeating: 0, count: Record.headerByteCount))
            record.number(UInt64(connection.recordCount), in: &expected)
            let receive = Receive(connection.socket, into: Buffer(byteCapacity: Record.headerByteCount), flags: .waitAll)
            let answer = try ring.run(receive, tag: index)
            guard answer.operation.memory.copyBytes() == expected.copyBytes() else {
                throw Failure("The receiver did not verify the \(connection.recordCount) records of connection \(index).")
            }
        }
    }
}
