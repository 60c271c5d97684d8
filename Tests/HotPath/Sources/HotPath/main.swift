// SPDX-License-Identifier: Apache-2.0
// The measured loops: batches of 32, one system call each.
// Usage: hot-path control|nop|nop-again|sleep|limited|echo|bundle|message|queue|send-zero-copy|send-in-group <count>
//        hot-path read|read-again|read-fixed|read-pool <count> <file of at least 128 KiB>

import SystemPackage
import URing

let batch = 32
let block = 4096

/// What the control loop allocates, retains and releases once per operation.
final class Object {
    var value: Int
    init(_ value: Int) { self.value = value }
}

/// Allocates, retains and releases an object per operation: proves that the measurement sees what it is to count.
func control(count: Int) -> Int {
    var kept = [Object(0), Object(1)]
    var sum = 0
    for index in 0..<count {
        let object = Object(index)
        kept[index & 1] = object
        sum &+= kept[(index >> 1) & 1].value &+ object.value
    }
    return sum
}

func nop(count: Int) throws -> Int {
    var ring = try Ring<UInt64>(entries: batch)
    var sum = 0
    for _ in 0..<(count / batch) {
        for slot in 0..<batch {
            try ring.prepare(Nop(), tag: UInt64(slot))
        }
        try ring.submit(waitingFor: batch)
        while let completion = ring.nextCompletion() {
            _ = try completion.take(Nop.self).result.get()
            sum &+= 1
        }
    }
    return sum
}

/// Prepares the operations of a batch again and again where they lie, and sums their results.
@inline(__always)
func goOn<Op: SingleShotOperation & ~Copyable>(
    _: Op.Type, count: Int, prepareBatch: (inout Ring<UInt64>) throws -> Void
) throws -> Int where Op.Success == Int {
    var ring = try Ring<UInt64>(entries: batch)
    try prepareBatch(&ring)
    var sum = 0
    for _ in 1..<(count / batch) {
        try ring.submit(waitingFor: batch)
        while let completion = ring.nextCompletion() {
            try ring.prepareAgain(completion, as: Op.self) { _, result in sum &+= try result.get() }
        }
    }
    try ring.submit(waitingFor: batch)
    while let completion = ring.nextCompletion() {
        sum &+= try completion.take(Op.self).result.get()
    }
    return sum
}

/// The same, prepared again where they lie.
func nopAgain(count: Int) throws -> Int {
    try goOn(Nop.self, count: count) { ring in
        for slot in 0..<batch {
            try ring.prepare(Nop(), tag: UInt64(slot))
        }
    }
}

/// Sleeps for no time: what a program does that waits with a timeout.
func sleep(count: Int) throws -> Int {
    var ring = try Ring<UInt64>(entries: batch)
    var sum = 0
    for _ in 0..<(count / batch) {
        for slot in 0..<batch {
            try ring.prepare(Timeout(after: .zero), tag: UInt64(slot))
        }
        try ring.submit(waitingFor: batch)
        while let completion = ring.nextCompletion() {
            if case .success(.expired) = completion.take(Timeout.self).result { sum &+= 1 }
        }
    }
    return sum
}

/// Operations that may take a minute, each with an entry and a completion of its timeout besides its own.
func limited(count: Int) throws -> Int {
    var ring = try Ring<UInt64>(entries: 2 * batch)
    var sum = 0
    for _ in 0..<(count / batch) {
        for slot in 0..<batch {
            try ring.prepare(Nop(), tag: UInt64(slot), timeout: .after(.seconds(60)))
        }
        try ring.submit(waitingFor: 2 * batch)
        while let completion = ring.nextCompletion() {
            sum &+= completion.take(Nop.self).timedOut ? 0 : 1
        }
    }
    return sum
}

/// Reads the first 32 blocks of a file again and again; every operation that comes back is prepared once more as it is.
func read(count: Int, path: FilePath) throws -> Int {
    var ring = try Ring<UInt64>(entries: batch)
    let file = try Descriptor(opening: path)
    for slot in 0..<batch {
        try ring.prepare(Read(file, into: Buffer(byteCapacity: block), at: .offset(slot * block)), tag: UInt64(slot))
    }
    var sum = 0
    var remaining = count - batch
    while true {
        try ring.submit(waitingFor: batch)
        let isLast = remaining <= 0
        while let completion = ring.nextCompletion() {
            let slot = completion.tag
            let completed = completion.take(Read<Buffer>.self)
            sum &+= try completed.result.get()
            if !isLast {
                try ring.prepare(completed.operation, tag: slot)
            }
        }
        if isLast { return sum }
        remaining -= batch
    }
}

/// The same reads, prepared again where they lie.
func readAgain(count: Int, path: FilePath) throws -> Int {
    let file = try Descriptor(opening: path)
    return try goOn(Read<Buffer>.self, count: count) { ring in
        for slot in 0..<batch {
            try ring.prepare(Read(file, into: Buffer(byteCapacity: block), at: .offset(slot * block)), tag: UInt64(slot))
        }
    }
}

/// The same reads into registered buffers, prepared again where they lie.
func readFixed(count: Int, path: FilePath) throws -> Int {
    let file = try Descriptor(opening: path)
    return try goOn(Read<RegisteredSlice>.self, count: count) { ring in
        let buffers = try ring.makeRegisteredBuffers(count: batch, byteCount: block)
        for slot in 0..<batch {
            guard let slice = buffers.take() else { return }
            try ring.prepare(Read(file, into: slice, at: .offset(slot * block)), tag: UInt64(slot))
        }
    }
}

/// The same reads into registered buffers, each time one that is taken from the table, in two parts, and goes back to it.
func readPool(count: Int, path: FilePath) throws -> Int {
    var ring = try Ring<UInt64>(entries: batch)
    let buffers = try ring.makeRegisteredBuffers(count: batch / 2, byteCount: 2 * block)
    let file = try Descriptor(opening: path)
    var sum = 0
    for _ in 0..<(count / batch) {
        for slot in 0..<(batch / 2) {
            guard var slice = buffers.take() else { return 0 }
            let second = slice.split(at: block)
            try ring.prepare(Read(file, into: slice, at: .offset(slot * block)), tag: UInt64(slot))
            try ring.prepare(Read(file, into: second, at: .offset(slot * block)), tag: UInt64(slot))
        }
        try ring.submit(waitingFor: batch)
        while let completion = ring.nextCompletion() {
            sum &+= try completion.take(Read<RegisteredSlice>.self).result.get()
        }
    }
    return sum
}

/// Sends blocks to an echo: a receive that goes on and on, and sends of what it leases.
func echo(count: Int) throws -> Int {
    enum Tag: BitwiseCopyable { case question, receive, send, answer }
    var ring = try Ring<Tag>(entries: batch)
    let pool = try ring.makeBufferRing(count: batch, byteCount: block)
    let sockets = try DescriptorPair.sockets()
    try ring.prepare(ReceiveMultishot(sockets.first, into: pool), tag: .receive)
    var question: Send<Buffer>? = Send(sockets.second, from: Buffer(copying: repeatElement(7, count: block)), flags: .waitAll)
    var answer: Receive<Buffer>? = Receive(sockets.second, into: Buffer(byteCapacity: block), flags: .waitAll)
    var sum = 0
    while sum < count {
        if answer != nil, let next = question.take() {
            try ring.prepare(next, tag: .question)
            if let next = answer.take() { try ring.prepare(next, tag: .answer) }
        }
        try ring.submit(waitingFor: 1)
        while let completion = ring.nextCompletion() {
            switch completion.tag {
            case .question: question = completion.take(Send<Buffer>.self).operation
            case .receive:
                switch completion.event(ReceiveMultishot.self) {
                case .more(let result): try ring.prepare(Send(sockets.first, from: try result.get(), flags: .waitAll), tag: .send)
                case .finished(let completed): try ring.prepare(completed.operation, tag: .receive)
                }
            case .send: _ = try completion.take(Send<BufferLease>.self).result.get()
            case .answer:
                answer = completion.take(Receive<Buffer>.self).operation
                sum &+= 1
            }
        }
    }
    return sum
}

/// Sends the buffers of a queue all at once, and puts them into it again.
func queue(count: Int) throws -> Int {
    enum Tag: BitwiseCopyable { case send, receive }
    var ring = try Ring<Tag>(entries: batch)
    let sockets = try DescriptorPair.sockets()
    var queue = try ring.makeSendQueue(of: Buffer.self, count: Int(batch), keepsSent: true)
    for _ in 0..<batch { queue.append(Buffer(copying: repeatElement(7, count: 64))) }
    var send: SendBundle<Buffer>? = SendBundle(sockets.first, from: queue)
    var receive: Receive<Buffer>? = Receive(sockets.second, into: Buffer(byteCapacity: 64 * Int(batch)), flags: .waitAll)
    var sum = 0
    while sum < count {
        if receive != nil, let next = send.take() {
            try ring.prepare(next, tag: .send)
            if let next = receive.take() { try ring.prepare(next, tag: .receive) }
        }
        try ring.submit(waitingFor: 1)
        while let completion = ring.nextCompletion() {
            switch completion.tag {
            case .send:
                switch completion.event(SendBundle<Buffer>.self) {
                case .more(let result): _ = try result.get()
                case .finished(let completed):
                    var operation = completed.operation
                    while let buffer = operation.queue.takeSent() {
                        operation.queue.append(buffer)
                        sum &+= 1
                    }
                    send = consume operation
                }
            case .receive: receive = completion.take(Receive<Buffer>.self).operation
            }
        }
    }
    return sum
}

/// Sends blocks through a socket, which the kernel puts into several buffers of a pool at a time.
func bundle(count: Int) throws -> Int {
    enum Tag: BitwiseCopyable { case send, receive }
    var ring = try Ring<Tag>(entries: batch)
    let pool = try ring.makeBufferRing(count: 2 * batch, byteCount: block / 8)
    let sockets = try DescriptorPair.sockets()
    try ring.prepare(ReceiveBundleMultishot(sockets.first, into: pool), tag: .receive)
    try ring.prepare(Send(sockets.second, from: Buffer(copying: repeatElement(7, count: block)), flags: .waitAll), tag: .send)
    var sum = 0
    while sum < count {
        try ring.submit(waitingFor: 1)
        while let completion = ring.nextCompletion() {
            switch completion.tag {
            case .send: try ring.prepare(completion.take(Send<Buffer>.self).operation, tag: .send)
            case .receive:
                switch completion.event(ReceiveBundleMultishot.self) {
                case .more(let result):
                    var leases = try result.get()
                    while let lease = leases.next() { sum &+= lease.isEmpty ? 0 : 1 }
                case .finished(let completed): try ring.prepare(completed.operation, tag: .receive)
                }
            }
        }
    }
    return sum
}

/// Sends datagrams that come with their sender's address.
func message(count: Int) throws -> Int {
    enum Tag: BitwiseCopyable { case send, receive }
    var ring = try Ring<Tag>(entries: batch)
    let pool = try ring.makeBufferRing(count: 2 * batch, byteCount: block)
    let receiver = try Descriptor.socket(.ipv4, .datagram)
    try receiver.bind(to: .ipv4Loopback(port: 0))
    let address = try receiver.localAddress()
    let sender = try Descriptor.socket(.ipv4, .datagram)
    try ring.prepare(ReceiveMessageMultishot(receiver, into: pool), tag: .receive)
    try ring.prepare(SendTo(sender, from: Buffer(copying: repeatElement(7, count: 100)), to: address), tag: .send)
    var sum = 0
    while sum < count {
        try ring.submit(waitingFor: 1)
        while let completion = ring.nextCompletion() {
            switch completion.tag {
            case .send: try ring.prepare(completion.take(SendTo<Buffer>.self).operation, tag: .send)
            case .receive:
                switch completion.event(ReceiveMessageMultishot.self) {
                case .more(let result):
                    let message = try result.get()
                    sum &+= message.header.address == nil ? 0 : 1
                case .finished(let completed): try ring.prepare(completed.operation, tag: .receive)
                }
            }
        }
    }
    return sum
}

/// A socket that sends datagrams to itself, and drops those that it has no room for.
func socketToItself() throws -> Descriptor {
    var ring = try Ring<UInt64>(entries: 1)
    let socket = try Descriptor.socket(.ipv4, .datagram)
    try socket.bind(to: .ipv4Loopback(port: 0))
    try ring.prepare(Connect(socket, to: socket.localAddress()), tag: 0)
    try ring.submit(waitingFor: 1)
    try ring.nextCompletion()?.take(Connect.self).result.get()
    return socket
}

/// Sends without copying, and prepares every send once more when its memory is back.
func sendZeroCopy(count: Int) throws -> Int {
    var ring = try Ring<UInt64>(entries: batch)
    let socket = try socketToItself()
    for slot in 0..<batch { try ring.prepare(SendZeroCopy(socket, from: Buffer(copying: [1, 2, 3, 4])), tag: UInt64(slot)) }
    var sum = 0
    var remaining = count - batch
    while ring.inFlightCount > 0 {
        try ring.submit(waitingFor: 1)
        while let completion = ring.nextCompletion() {
            let slot = completion.tag
            switch completion.event(SendZeroCopy<Buffer>.self) {
            // The datagram before it may have been refused, as there is nobody who receives.
            case .more(let result): if case .success(let sent) = result { sum &+= sent }
            case .finished(let completed):
                guard remaining > 0 else { break }
                remaining -= 1
                try ring.prepare(completed.operation, tag: slot)
            }
        }
    }
    return sum
}

/// Sends without copying in a group, and prepares all of its sends once more when their memory is back.
func sendInGroup(count: Int) throws -> Int {
    var ring = try Ring<UInt64>(entries: batch + 1)
    let socket = try socketToItself()
    var group = ring.makeNotificationGroup(minimumCapacity: batch)
    for slot in 1...batch {
        try ring.prepare(SendZeroCopy(socket, from: Buffer(copying: [1, 2, 3, 4])), tag: UInt64(slot), in: group)
    }
    var sum = 0
    var remaining = count - batch
    while true {
        try ring.flush(group, tag: 0)
        let isLast = remaining <= 0
        var isFlushed = false
        var flushed: NotificationGroup<UInt64>?
        while !isFlushed {
            try ring.submit(waitingFor: 1)
            while let completion = ring.nextCompletion() {
                if completion.tag == 0 {
                    flushed = completion.take(FlushNotifications<UInt64>.self).operation.group
                    isFlushed = true
                } else if case .more(.success(let sent)) = completion.event(SendZeroCopy<Buffer>.self) {
                    sum &+= sent
                }
            }
        }
        guard let next = flushed.take() else { return sum }
        group = next
        if isLast { return sum }
        remaining -= batch
        for _ in 0..<batch {
            guard let completion = group.nextCompletion() else { break }
            let slot = completion.tag
            if case .finished(let completed) = completion.event(SendZeroCopy<Buffer>.self) {
                try ring.prepare(completed.operation, tag: slot, in: group)
            }
        }
    }
}

let arguments = Array(CommandLine.arguments.dropFirst())
switch (arguments.first, arguments.dropFirst().first.flatMap { Int($0) }) {
case ("control", let count?): print(control(count: count))
case ("nop", let count?): print(try nop(count: count))
case ("nop-again", let count?): print(try nopAgain(count: count))
case ("sleep", let count?): print(try sleep(count: count))
case ("limited", let count?): print(try limited(count: count))
case ("echo", let count?): print(try echo(count: count))
case ("bundle", let count?): print(try bundle(count: count))
case ("message", let count?): print(try message(count: count))
case ("queue", let count?): print(try queue(count: count))
case ("send-zero-copy", let count?): print(try sendZeroCopy(count: count))
case ("send-in-group", let count?): print(try sendInGroup(count: count))
case ("read", let count?) where arguments.count == 3: print(try read(count: count, path: FilePath(arguments[2])))
case ("read-again", let count?) where arguments.count == 3: print(try readAgain(count: count, path: FilePath(arguments[2])))
case ("read-fixed", let count?) where arguments.count == 3: print(try readFixed(count: count, path: FilePath(arguments[2])))
case ("read-pool", let count?) where arguments.count == 3: print(try readPool(count: count, path: FilePath(arguments[2])))
default:
    fatalError(
        "usage: hot-path control|nop|nop-again|sleep|limited|echo|bundle|message|queue|send-zero-copy|send-in-group <count>"
            + ", or read|read-again|read-fixed|read-pool <count> <file>")
}
