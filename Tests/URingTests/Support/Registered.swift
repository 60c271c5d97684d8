// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import URing

/// There was no free buffer.
struct NoBuffer: Error {}

extension RegisteredBuffers {
    /// A buffer that nobody has, or the one of a slot; the test expects one to be there.
    func expectBuffer(slot: Int? = nil) throws -> RegisteredSlice {
        if let slot {
            if let slice = take(slot: slot) { return slice }
        } else if let slice = take() {
            return slice
        }
        throw NoBuffer()
    }

    /// Expects all buffers to be out, or that of a slot, unless it is empty.
    func expectNoBuffer(slot: Int? = nil, sourceLocation: SourceLocation = #_sourceLocation) {
        if (try? expectBuffer(slot: slot)) != nil { Issue.record("there is a buffer", sourceLocation: sourceLocation) }
    }
}

/// Bytes that the kernel has pinned for this process, of all rings.
func pinnedByteCount() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmPin:") })
    let count = try #require(line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) })
    return count * 1024
}
