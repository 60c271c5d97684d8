// SPDX-License-Identifier: Apache-2.0

import URing

enum Tag {
    case question
    case echoReceive
    case echoSend
    case answer
}

var ring = try Ring<Tag>(entries: 16)
let pair = try DescriptorPair.sockets()

// Two buffers, however many sockets are received from.
let pool = try ring.makeBufferRing(count: 2, byteCount: 64)
try ring.prepare(ReceiveMultishot(pair.second, into: pool), tag: .echoReceive)
/// The receive that has ended for want of a buffer, until there is one again.
var waiting: ReceiveMultishot?

try ring.prepare(Send(pair.first, from: Buffer(copying: [UInt8](repeating: 46, count: 1000))), tag: .question)
try ring.prepare(Receive(pair.first, into: Buffer(byteCapacity: 1000), flags: .waitAll), tag: .answer)

var isAnswered = false
while !isAnswered {
    try ring.submit(waitingFor: 1)
    while let completion = ring.nextCompletion() {
        switch completion.tag {
        case .question:
            print("sent \(try completion.take(Send<Buffer>.self).result.get()) bytes")
        case .echoReceive:
            switch completion.event(ReceiveMultishot.self) {
            case .more(let result):
                // The lease is the memory of the send, and gives the buffer back when that is done.
                try ring.prepare(Send(pair.second, from: try result.get(), flags: .waitAll), tag: .echoSend)
            case .finished(let completed):
                guard completed.ending == .outOfBuffers else { fatalError("the receive ended with \(completed.ending)") }
                waiting = consume completed.operation
            }
        case .echoSend:
            _ = try completion.take(Send<BufferLease>.self).result.get()
        case .answer:
            let count = try completion.take(Receive<Buffer>.self).result.get()
            print("received \(count) bytes, without a buffer \(pool.exhaustionCount) times")
            isAnswered = true
        }
    }
    // Only a buffer that has come back makes it worth while, and nothing is lost meanwhile.
    if pool.canRearm, let operation = waiting.take() {
        try ring.prepare(operation, tag: .echoReceive)
    }
}
