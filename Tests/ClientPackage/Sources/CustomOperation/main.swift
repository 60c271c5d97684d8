// SPDX-License-Identifier: Apache-2.0
// Operations defined by a user of URing, which has others that do the same. Exits with status 1 when one of them does not do what it should.

import SystemPackage
import URing

struct Unexpected: Error {
    let what: String
}

/// Runs one operation to its end.
func run<Op: SingleShotOperation & ~Copyable>(_ operation: consuming Op, on ring: inout Ring<UInt8>) throws -> Completed<Op> {
    let token = try ring.prepare(operation, tag: 0)
    try ring.submit(waitingFor: 1)
    guard let completion = ring.nextCompletion() else { throw Unexpected(what: "no completion") }
    return completion.take(token)
}

func adviseOnFile(_ ring: inout Ring<UInt8>) throws {
    let file = try Descriptor(opening: "/etc/passwd")
    let advised = try run(FileAdvice(file, .willNeed), on: &ring)
    try advised.result.get()
    let pair = try DescriptorPair.pipe()
    let rejected = try run(FileAdvice(pair.first, .willNeed), on: &ring)
    guard case .failure(.illegalSeek) = rejected.result else { throw Unexpected(what: "advice on a pipe did not fail with ESPIPE") }
    print("advised the kernel on a file; a pipe was rejected")
}

func makePipe(_ ring: inout Ring<UInt8>) throws {
    guard try ring.probe().supports(MakePipe.self) else {
        print("this kernel makes no pipes; it is older than Linux \(MakePipe.minimumKernel)")
        return
    }
    let made = try run(MakePipe(), on: &ring)
    let ends = try made.result.get()
    let written = try run(Write(ends.writing, from: Buffer(copying: "through my own pipe".utf8)), on: &ring)
    let read = try run(Read(ends.reading, into: Buffer(byteCapacity: 64)), on: &ring)
    guard try written.result.get() == 19, read.operation.memory.copyBytes() == Array("through my own pipe".utf8) else {
        throw Unexpected(what: "the pipe did not carry the bytes")
    }

    // The kernel hands out the lowest free numbers, so the next pipe gets them again if everything before it was closed.
    let before = try numbers(of: run(MakePipe(), on: &ring).result.get())
    try ring.prepare(MakePipe(), tag: 0)
    try ring.submit(waitingFor: 1)
    guard let dropped = ring.nextCompletion() else { throw Unexpected(what: "no completion") }
    _ = consume dropped
    let after = try numbers(of: run(MakePipe(), on: &ring).result.get())
    guard before == after else { throw Unexpected(what: "the ends of a pipe that nobody took are still open") }
    print("made pipes: one carried bytes, and one that nobody took is closed")
}

func numbers(of ends: consuming PipeEnds) -> [FileDescriptor] {
    [ends.reading.unowned.fileDescriptor, ends.writing.unowned.fileDescriptor]
}

var ring = try Ring<UInt8>(entries: 8)
try adviseOnFile(&ring)
try makePipe(&ring)
