// SPDX-License-Identifier: Apache-2.0

import URing

enum Tag {
    case accept
    case connect
    case cancel
}

var ring = try Ring<Tag>(entries: 16)
let listener = try Descriptor.listening(at: .ipv4Loopback(port: 0))
let address = try listener.localAddress()

// One operation for all connections.
var accepting = try ring.prepare(AcceptMultishot(listener), tag: .accept)
for _ in 0..<3 {
    try ring.prepare(Connect(Descriptor.socket(.ipv4, .stream), to: address), tag: .connect)
}

var count = 0
while ring.inFlightCount > 0 {
    try ring.submit(waitingFor: 1)
    while let completion = ring.nextCompletion() {
        switch completion.tag {
        case .accept:
            switch completion.event(AcceptMultishot<Descriptor>.self) {
            case .more(let result):
                let connection = try result.get()
                count += 1
                print("accepted connection \(count) from \(try connection.peerAddress())")
                // It would go on for ever.
                if count == 3 { try ring.prepare(Cancel(accepting), tag: .cancel) }
            case .finished(let completed):
                switch completed.ending {
                case .rearm, .completionQueueFull:
                    // The last completion has a connection like all others.
                    _ = try completed.result.get()
                    count += 1
                    accepting = try ring.prepare(completed.operation, tag: .accept)
                case let ending:
                    print("accepting has ended: \(ending)")
                }
            }
        case .connect:
            try completion.take(Connect.self).result.get()
        case .cancel:
            print("the accept was \(try completion.take(Cancel.self).result.get())")
        }
    }
}
