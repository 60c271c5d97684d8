// SPDX-License-Identifier: Apache-2.0

import CompletionPrograms
import SystemPackage
import URing

/// A file of records: each begins with its kind and the size of what follows, four bytes each, the lowest first.
public enum Records {
    /// A record whose bytes are numbers to be added up.
    public static let numbers: UInt32 = 1
    /// A record that the program does not know.
    public static let unknown: UInt32 = 2
    /// How large the head of a record is.
    public static let headByteCount = 8

    /// The bytes of a file with so many records, of which each so-and-so-many'th is of an unknown kind; 0 for none.
    public static func contents(count: Int, unknownEvery interval: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in 1...max(count, 1) where number <= count {
            let kind = interval > 0 && number % interval == 0 ? unknown : numbers
            let size = number % 61
            for word in [kind, UInt32(size)] { bytes += (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
            bytes += (0..<size).map { UInt8(truncatingIfNeeded: $0 + number) }
        }
        return bytes
    }

    /// What the bytes of the records add up to that are numbers, modulo 2^32.
    public static func sum(count: Int, unknownEvery interval: Int) -> UInt32 {
        var sum: UInt32 = 0
        for number in 1...max(count, 1) where number <= count && !(interval > 0 && number % interval == 0) {
            for index in 0..<number % 61 { sum &+= UInt32(UInt8(truncatingIfNeeded: index + number)) }
        }
        return sum
    }
}

/// Works through a file of records: reads the head of one, computes where its bytes are, reads those, and goes on to the next.
///
/// Of all that the main loop hears nothing but of records that the program does not know; it waits for what the main loop says of each.
public final class RecordsProgram: CompletionProgram {
    /// What it posts of a record that it does not know: the record's kind.
    public static let escalated: UInt16 = 1
    /// What it posts at the end: what the numbers add up to.
    public static let summed: UInt16 = 2
    /// The answer to go on behind the record.
    public static let skip: UInt16 = 3
    /// The answer to end here.
    public static let stop: UInt16 = 4

    private enum Label {
        static let head: UInt64 = 1
        static let bytes: UInt64 = 2
    }

    private let file: Descriptor
    private var offset: UInt64 = 0
    private var byteCount = 0
    private var sum: UInt32 = 0

    /// Makes a program that works through a file.
    public init(file: consuming Descriptor) {
        self.file = file
    }

    public func start(in context: inout ProgramContext) throws {
        try readHead(in: &context)
    }

    public func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        let label = completion.tag.label
        let read = completion.take(Read<Buffer>.self)
        let count = try read.result.get()
        let bytes = read.operation.memory.span
        if label == Label.bytes {
            // A regular file gives all that it has.
            guard count == byteCount else { throw RecordsError() }
            for index in bytes.indices { sum &+= UInt32(bytes[index]) }
            offset += UInt64(byteCount)
            return try readHead(in: &context)
        }
        guard count > 0 else { return try end(in: &context) }
        guard count == Records.headByteCount else { throw RecordsError() }
        let kind = word(bytes, at: 0)
        byteCount = Int(word(bytes, at: 4))
        offset += UInt64(Records.headByteCount)
        if kind == Records.numbers {
            try readBytes(in: &context)
        } else {
            // Nothing is in flight now: the program waits for an answer.
            try context.post(ProgramMessage(kind: RecordsProgram.escalated, value: kind))
        }
    }

    public func received(_ message: ProgramMessage, in context: inout ProgramContext) throws {
        if message.kind == RecordsProgram.stop { return try end(in: &context) }
        offset += UInt64(byteCount)
        try readHead(in: &context)
    }

    private func readHead(in context: inout ProgramContext) throws {
        try context.prepare(
            Read(file, into: Buffer(byteCapacity: Records.headByteCount), at: .offset(offset)), label: Label.head)
    }

    private func readBytes(in context: inout ProgramContext) throws {
        guard byteCount > 0 else { return try readHead(in: &context) }
        try context.prepare(Read(file, into: Buffer(byteCapacity: byteCount), at: .offset(offset)), label: Label.bytes)
    }

    private func end(in context: inout ProgramContext) throws {
        try context.post(ProgramMessage(kind: RecordsProgram.summed, value: sum))
        context.finish()
    }

    private func word(_ bytes: Span<UInt8>, at offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
    }
}

/// A file of records that ends in the middle of one.
public struct RecordsError: Error, CustomStringConvertible {
    /// The error in words.
    public var description: String { "the file ends in the middle of a record" }
}
