// SPDX-License-Identifier: Apache-2.0

import Framing
import Sharding
import Support
import SystemPackage
import URing

/// How each shard serves.
struct ShardSettings: Sendable {
    var connectionLimit: Int
    /// The largest payload, and the largest answer.
    var byteLimit: Int
    /// How many completions a turn waits for, and how long for those behind the first.
    var batchCount: Int
    var batchTime: Duration
    /// The pool that is received into.
    var bufferCount: Int
    var bufferByteCount: Int
    /// How long a request may take to arrive, and a client to take something of an answer.
    var requestTime: Duration
    /// How long there may be no request, if there is a limit.
    var idleTime: Duration?
    /// How long answers have to leave at the end.
    var drainTime: Duration
    /// After how many requests a connection moves on to another shard, if ever.
    var moveAfter: Int?

    /// The time from tick to tick: what has a time takes at most a sixteenth more.
    var tickTime: Duration { min(max(requestTime / 16, .milliseconds(1)), .milliseconds(100)) }

    /// How many ticks are surely as long.
    func ticks(_ time: Duration) -> Int { Int((time / tickTime).rounded(.up)) + 1 }
}

/// The server of one thread.
///
/// Connections come from other rings, as slots of this ring's file table. Each has one operation that receives again and again, into buffers
/// of a pool that all share. What came is looked at and given back at once: of a request nothing is kept but what its answer will be, so
/// nobody can hold buffers that others need. Answers are written into buffers that only connections have that send.
struct RequestShard: Shard, ~Copyable {
    /// How a turn waits for more completions than one.
    ///
    /// That there is a limit besides is what has the kernel go on until there is one.
    private let batchWait: WaitOptions
    private var resources: ShardResources
    private let files: FileTable
    /// As many as slots were ever used.
    private var connections: [Connection] = []
    private var lastNumber: UInt64 = 0

    init(number: Int, _ settings: ShardSettings, _ moves: Moves) throws {
        var ring = try Ring<ShardResources.Tag>(entries: 1024)
        let files = try attempt("Cannot have \(settings.connectionLimit) connections") { () throws(FileTableError) in
            try ring.makeFileTable(count: settings.connectionLimit)
        }
        // Small requests lie one behind the other in a buffer, rather than each in one of its own: that spares the processor's caches.
        let buffers = try ring.makeBufferRing(
            count: settings.bufferCount, byteCount: settings.bufferByteCount, mode: .incremental())
        try ring.registerDescriptor()
        self.files = files
        batchWait = WaitOptions(until: .timeout(.seconds(3600)), minimumTime: settings.batchTime)
        resources = ShardResources(number: number, settings, moves, ring, buffers)
    }

    mutating func makeHandle() throws(Errno) -> RingHandle {
        try resources.ring.makeHandle(messageTag: .message, receivingInto: files)
    }

    consuming func run() throws -> ShardReport {
        while !resources.isStopping || resources.openCount > 0 || resources.leavingCount > 0
            || !resources.moves.mayEnd(shard: resources.number)
        {
            try submitAndWait()
            while let completion = resources.ring.nextReadyCompletion() {
                switch completion.tag {
                case .receive(let slot): try connections[slot].received(completion.event(ReceiveMultishot.self), in: &resources)
                case .send(let slot): try connections[slot].sent(completion.take(Send<Buffer>.self), in: &resources)
                case .tick: try ticked(completion.take(Timeout.self))
                case .message: try obey(completion.takeMessage())
                case .move(let number): try moved(number, completion.take(SendRingDescriptor.self))
                // A receive that was cancelled says so itself, and so does one whose client has ended.
                case .cancel, .shutdown, .close: break
                }
            }
        }
        let report = resources.report
        // Waits for what is in flight; descriptors and buffers are gone then.
        let leftovers = resources.ring.close()
        if !leftovers.isEmpty { complain("\(leftovers.leakedOperations) operations did not end in time.\n") }
        return report
    }

    /// Waits for a batch of completions, but not long: turns with much to do cost less for each request.
    ///
    /// If it were as many as the connections can bring, few clients and their server would wait for each other in turns. With a quarter, the
    /// others have something to do meanwhile.
    private mutating func submitAndWait() throws {
        let count = min(resources.openCount / 4, resources.settings.batchCount)
        if count > 1 {
            try resources.ring.submit(waitingFor: count, options: batchWait)
        } else {
            try resources.ring.submit(waitingFor: 1)
        }
    }

    private mutating func obey(_ message: consuming RingMessage) throws {
        switch consume message {
        case .directDescriptor(let socket, let number): try begin(socket, resources.moves.take(number))
        case .value(_, label: ShardMessage.stop): try stop()
        default: break
        }
    }

    private mutating func begin(_ descriptor: consuming DirectDescriptor, _ parser: RequestParser?) throws {
        let slot = descriptor.slot
        while connections.count <= slot { connections.append(Connection()) }
        lastNumber += 1
        connections[slot] = Connection(
            descriptor, number: lastNumber, parser: parser ?? RequestParser(byteLimit: resources.settings.byteLimit),
            moveAfter: resources.settings.moveAfter)
        resources.openCount += 1
        resources.report.connections += 1
        try connections[slot].begin(in: &resources)
    }

    /// Has the answers leave that are due, and then the connections end.
    private mutating func stop() throws {
        resources.isStopping = true
        for slot in connections.indices where connections[slot].isOpen { try connections[slot].drain(in: &resources) }
    }

    /// Takes a connection back if the other shard has no room for it or has ended.
    private mutating func moved(_ number: Int, _ completed: consuming Completed<SendRingDescriptor>) throws {
        resources.leavingCount -= 1
        guard case .failure = completed.result else { return }
        resources.report.moved -= 1
        resources.report.connections -= 1
        try begin(completed.operation.descriptor, resources.moves.takeBack(UInt32(number)))
    }

    private mutating func ticked(_ completed: consuming Completed<Timeout>) throws {
        for timer in resources.tick() { try connections[timer.place].came(timer, in: &resources) }
        try resources.goOnTicking(completed.operation)
    }
}
