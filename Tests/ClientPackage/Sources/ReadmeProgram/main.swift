// SPDX-License-Identifier: Apache-2.0

import URing

/// What each operation is for; every completion comes back with the tag its operation was given.
enum Tag {
    case question
    case echoReceive
    case echoSend
    case answer
}

var ring = try Ring<Tag>(entries: 8)
let pair = try DescriptorPair.sockets()

// Operations own what the kernel touches: the buffers move in here, and come back with the completions.
try ring.prepare(Send(pair.first, from: Buffer(copying: "Hello, ring!".utf8)), tag: .question)
try ring.prepare(Receive(pair.first, into: Buffer(byteCapacity: 64)), tag: .answer)
try ring.prepare(Receive(pair.second, into: Buffer(byteCapacity: 64)), tag: .echoReceive)

while ring.inFlightCount > 0 {
    // One system call submits everything that was prepared, and waits.
    try ring.submit(waitingFor: 1)
    while let completion = ring.nextCompletion() {
        switch completion.tag {
        case .question, .echoSend:
            let send = completion.take(Send<Buffer>.self)
            print("sent \(try send.result.get()) bytes")
        case .echoReceive:
            let receive = completion.take(Receive<Buffer>.self)
            try ring.prepare(Send(pair.second, from: receive.operation.memory), tag: .echoSend)
        case .answer:
            let receive = completion.take(Receive<Buffer>.self)
            print("answer: \(String(decoding: receive.operation.memory.copyBytes(), as: UTF8.self))")
        }
    }
}
