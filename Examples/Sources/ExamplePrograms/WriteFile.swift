// SPDX-License-Identifier: Apache-2.0

import CompletionPrograms
import SystemPackage
import URing

/// Writes a file whose contents tell where they are, with so many writes in flight until the end.
public final class WriteFileProgram: CompletionProgram {
    /// What it posts: how many blocks there are.
    public static let written: UInt16 = 1

    private let file: Descriptor
    private let byteCount: UInt64
    private let depth: Int
    private let blockByteCount: Int
    private var next: UInt64 = 0
    private var inFlight = 0
    private var blockCount: UInt32 = 0

    /// Makes a program that writes so many bytes, a multiple of eight, at so many places at once.
    public init(file: consuming Descriptor, byteCount: UInt64, depth: Int, blockByteCount: Int) {
        self.file = file
        self.byteCount = byteCount
        self.depth = depth
        self.blockByteCount = blockByteCount
    }

    public func start(in context: inout ProgramContext) throws {
        for _ in 0..<depth { try writeNext(Buffer(byteCapacity: blockByteCount), in: &context) }
        try endIfDone(in: &context)
    }

    public func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws {
        let block = completion.tag.label
        var completed = completion.take(Write<Buffer>.self)
        completed.operation.start += try completed.result.get()
        inFlight -= 1
        if completed.operation.start < completed.operation.memory.count {
            // A short write: the rest.
            completed.operation.position = .offset(block + UInt64(completed.operation.start))
            try context.prepare(completed.operation, label: block)
            inFlight += 1
        } else {
            try writeNext(completed.operation.memory, in: &context)
        }
        try endIfDone(in: &context)
    }

    private func writeNext(_ buffer: consuming Buffer, in context: inout ProgramContext) throws {
        guard next < byteCount else { return }
        let block = next
        next = min(byteCount, block + UInt64(blockByteCount))
        buffer.truncate(to: 0)
        buffer.append(repeating: UInt8(ascii: "\n"), count: Int(next - block))
        WriteFileProgram.write(linesAt: block, into: buffer.mutableSpan)
        try context.prepare(Write(file, from: buffer, at: .offset(block)), label: block)
        inFlight += 1
        blockCount += 1
    }

    private func endIfDone(in context: inout ProgramContext) throws {
        guard inFlight == 0 else { return }
        try context.post(ProgramMessage(kind: WriteFileProgram.written, value: blockCount))
        context.finish()
    }

    /// Writes what a file has from an offset on: lines of eight bytes, each the last seven hexadecimal digits of its own offset.
    public static func write(linesAt start: UInt64, into bytes: consuming MutableSpan<UInt8>) {
        for index in bytes.indices where index % 8 != 7 {
            let offset = start + UInt64(index / 8 * 8)
            let digit = UInt8(offset >> UInt64(24 - 4 * (index % 8)) & 0xf)
            bytes[index] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
        }
    }
}
