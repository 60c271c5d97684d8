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
try ring.prepare(Write(pair.first, from: Buffer(copying: "Hello, ring!".utf8)), tag: .question)
try ring.prepare(Read(pair.first, into: Buffer(byteCapacity: 64)), tag: .answer)
try ring.prepare(Read(pair.second, into: Buffer(byteCapacity: 64)), tag: .echoReceive)

while ring.inFlightCount > 0 {
    // One system call submits everything that was prepared, and waits.
    try ring.submit(waitingFor: 1)
    while let completion = ring.nextCompletion() {
        switch completion.tag {
        case .question, .echoSend:
            let write = completion.take(Write<Buffer>.self)
            print("wrote \(try write.result.get()) bytes")
        case .echoReceive:
            let read = completion.take(Read<Buffer>.self)
            try ring.prepare(Write(pair.second, from: read.operation.memory), tag: .echoSend)
        case .answer:
            let read = completion.take(Read<Buffer>.self)
            print("answer: \(String(decoding: read.operation.memory.copyBytes(), as: UTF8.self))")
        }
    }
}
