// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing
import URing

@Test func nopGoesRound() throws {
    var ring = try Ring<UInt64>(entries: 8)
    for index in 0..<100 {
        let token = try ring.prepare(Nop(), tag: UInt64(index))
        let result = try ring.submit(waitingFor: 1)
        #expect(result.submitted == 1)
        guard let completion = ring.nextCompletion() else { Issue.record("no completion"); return }
        #expect(completion.tag == UInt64(index))
        let completed = completion.take(token)
        #expect(try completed.result.get() == 0)
    }
    let pair = try DescriptorPair.pipe()
    try ring.prepare(Read(pair.first, into: Buffer(byteCapacity: 16)), tag: 1)
    try ring.prepare(Write(pair.second, from: Buffer(copying: "hello".utf8)), tag: 2)
    try ring.submit(waitingFor: 2)
    while let completion = ring.nextCompletion() {
        if completion.tag == 1 {
            let completed = completion.take(Read<Buffer>.self)
            #expect(try completed.result.get() == 5)
            #expect(completed.operation.memory.copyBytes() == Array("hello".utf8))
        } else {
            #expect(try completion.take(Write<Buffer>.self).result.get() == 5)
        }
    }
}
