// SPDX-License-Identifier: Apache-2.0

import URing

enum Tag {
    case message
    case receive
}

var ring = try Ring<Tag>(entries: 256)
let handle = try ring.makeHandle(messageTag: .message)

// On another thread:
Task.detached {
    try handle.send(42)
    let pair = try DescriptorPair.sockets()
    try handle.send(pair.second.transfer(), value: 7)
}

var isDone = false
while !isDone {
    try ring.submit(waitingFor: 1)
    while let completion = ring.nextCompletion() {
        switch completion.tag {
        case .message:
            switch completion.takeMessage() {
            case .value(let value, let label):
                print("got \(value), labelled \(label)")
            case .descriptor(let socket, let value):
                print("got a socket and \(value)")
                try ring.prepare(Receive(socket, into: Buffer(byteCapacity: 4096)), tag: .receive)
            case .directDescriptor:
                break
            }
        case .receive:
            // The other end has been closed.
            print("received \(try completion.take(Receive<Buffer>.self).result.get()) bytes")
            isDone = true
        }
    }
}
