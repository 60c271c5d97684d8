// SPDX-License-Identifier: Apache-2.0
// expect: compiles
// A handle goes to other threads, and so does a descriptor in its message, while the ring stays.

import SystemPackage
import URing

func control() async throws {
    var ring = try Ring<Int>(entries: 8)
    let handle = try ring.makeHandle(messageTag: 1)
    let word = FutexWord()
    let sending = Task.detached {
        let pipe = try DescriptorPair.pipe()
        try handle.send(pipe.second.transfer())
        try handle.send(1)
        try handle.wake()
        word.value = 1
        word.wake()
    }
    try ring.submit(waitingFor: 1)
    while let completion = ring.nextCompletion() {
        switch completion.takeMessage() {
        case .value(let value, let label): _ = (value, label)
        case .descriptor(let descriptor, _): try ring.prepare(Close(descriptor), tag: 2)
        case .directDescriptor(let descriptor, _): try ring.prepare(Close(descriptor), tag: 3)
        }
    }
    _ = await sending.result
}
