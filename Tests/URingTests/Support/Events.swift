// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing
import URing

/// Writes one byte with a system call.
func write(_ byte: UInt8, to file: borrowing Descriptor) throws {
    let written = try file.unowned.fileDescriptor.writeAll([byte])
    #expect(written == 1)
}

/// Reads one byte with a system call; nil at the end of the file.
func readByte(from file: borrowing Descriptor) throws -> UInt8? {
    var byte: UInt8 = 0
    let count = try unsafe withUnsafeMutableBytes(of: &byte) { room in
        try unsafe file.unowned.fileDescriptor.read(into: room)
    }
    return count == 0 ? nil : byte
}

/// Expects that operations hold a descriptor, or that none does any more.
func expectHeld(_ file: borrowing Descriptor, _ expected: Bool = true, sourceLocation: SourceLocation = #_sourceLocation) {
    let isHeld = file.isHeld
    #expect(isHeld == expected, sourceLocation: sourceLocation)
}

extension Ring where Tag: BitwiseCopyable {
    /// Expects that nothing has completed although the kernel had every chance.
    mutating func expectNoCompletion(sourceLocation: SourceLocation = #_sourceLocation) throws {
        try processPending()
        if nextCompletion() != nil { Issue.record("something completed already", sourceLocation: sourceLocation) }
    }
}
