// SPDX-License-Identifier: Apache-2.0

import CURing
import Testing

@testable import URing

/// A ring with a file table, and a listener whose connections go there.
struct DirectServer: ~Copyable {
    static let acceptTag = 1

    var ring: Ring<Int>
    let table: FileTable
    let listener: Listener

    init(slotCount: Int = 4) throws {
        let listener = try Listener()
        var ring = try Ring<Int>(entries: 8)
        let table = try ring.makeFileTable(count: slotCount)
        try ring.prepare(AcceptMultishot(listener.descriptor, into: table), tag: DirectServer.acceptTag)
        self.listener = listener
        self.table = table
        self.ring = ring
    }

    /// The next connection, when nothing else is to complete.
    mutating func accept() throws -> DirectDescriptor {
        try ring.nextCompletionWaiting().event(AcceptMultishot<DirectDescriptor>.self).expectMore()
    }

    /// Closes a connection through the ring.
    mutating func closeNow(_ connection: consuming DirectDescriptor) throws -> CloseOutcome {
        try ring.run(Close(connection), tag: 0).result.get()
    }
}

extension Ring where Tag: BitwiseCopyable {
    /// What entries that are encoded for this ring carry.
    var identity: UInt32 { core.table.identity }
}

/// A slot that was to be chosen has an owner.
struct SlotIsTaken: Error {}

extension FileTable {
    /// A slot by its number, which nobody has.
    borrowing func freeSlot(_ index: Int) throws -> FileSlot {
        guard let slot = slot(index) else { throw SlotIsTaken() }
        return slot
    }

    /// Whether somebody has a slot.
    borrowing func isTaken(_ index: Int) -> Bool {
        switch slot(index) {
        case .some: false
        case .none: true
        }
    }
}
