// SPDX-License-Identifier: Apache-2.0
// The measured loops: batches of 32, one system call each.
// Usage: hot-path control|nop <count> | hot-path read|read-again|read-fixed|read-pool <count> <file of at least 128 KiB>

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
            sum &+= 1
            _ = completion.take(Nop.self)
        }
    }
    return sum
}

/// Reads the first 32 blocks of a file again and again; every operation that comes back is prepared once more as it is.
func read(count: Int, path: FilePath) throws -> Int {
    var ring = try Ring<UInt64>(entries: batch)
    let file = try Descriptor(opening: path)
    for slot in 0..<batch {
        try ring.prepare(Read(file, into: Buffer(byteCapacity: block), at: .offset(UInt64(slot * block))), tag: UInt64(slot))
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
    var ring = try Ring<UInt64>(entries: batch)
    let file = try Descriptor(opening: path)
    for slot in 0..<batch {
        try ring.prepare(Read(file, into: Buffer(byteCapacity: block), at: .offset(UInt64(slot * block))), tag: UInt64(slot))
    }
    var sum = 0
    var remaining = count - batch
    while true {
        try ring.submit(waitingFor: batch)
        let isLast = remaining <= 0
        while let completion = ring.nextCompletion() {
            if isLast {
                sum &+= try completion.take(Read<Buffer>.self).result.get()
            } else {
                try ring.prepareAgain(completion, as: Read<Buffer>.self) { _, result in sum &+= try result.get() }
            }
        }
        if isLast { return sum }
        remaining -= batch
    }
}

/// The same reads into registered buffers, prepared again where they lie.
func readFixed(count: Int, path: FilePath) throws -> Int {
    var ring = try Ring<UInt64>(entries: batch)
    let buffers = try ring.makeRegisteredBuffers(count: batch, byteCount: block)
    let file = try Descriptor(opening: path)
    for slot in 0..<batch {
        guard let slice = buffers.take() else { return 0 }
        try ring.prepare(Read(file, into: slice, at: .offset(UInt64(slot * block))), tag: UInt64(slot))
    }
    var sum = 0
    var remaining = count - batch
    while true {
        try ring.submit(waitingFor: batch)
        let isLast = remaining <= 0
        while let completion = ring.nextCompletion() {
            if isLast {
                sum &+= try completion.take(Read<RegisteredSlice>.self).result.get()
            } else {
                try ring.prepareAgain(completion, as: Read<RegisteredSlice>.self) { _, result in sum &+= try result.get() }
            }
        }
        if isLast { return sum }
        remaining -= batch
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
            try ring.prepare(Read(file, into: slice, at: .offset(UInt64(slot * block))), tag: UInt64(slot))
            try ring.prepare(Read(file, into: second, at: .offset(UInt64(slot * block))), tag: UInt64(slot))
        }
        try ring.submit(waitingFor: batch)
        while let completion = ring.nextCompletion() {
            sum &+= try completion.take(Read<RegisteredSlice>.self).result.get()
        }
    }
    return sum
}

let arguments = Array(CommandLine.arguments.dropFirst())
switch (arguments.first, arguments.dropFirst().first.flatMap { Int($0) }) {
case ("control", let count?): print(control(count: count))
case ("nop", let count?): print(try nop(count: count))
case ("read", let count?) where arguments.count == 3: print(try read(count: count, path: FilePath(arguments[2])))
case ("read-again", let count?) where arguments.count == 3: print(try readAgain(count: count, path: FilePath(arguments[2])))
case ("read-fixed", let count?) where arguments.count == 3: print(try readFixed(count: count, path: FilePath(arguments[2])))
case ("read-pool", let count?) where arguments.count == 3: print(try readPool(count: count, path: FilePath(arguments[2])))
default: fatalError("usage: hot-path control|nop <count> | hot-path read|read-again|read-fixed|read-pool <count> <file>")
}
