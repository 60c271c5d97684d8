// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// Operations that are carried out one after the other, in the order in which they were queued, while others go on beside them.
///
/// Programs of one ring can share a group; for another ring it means nothing. Unlike a chain it is never complete: an operation that is
/// queued later waits for those before it as well. It waits in the process, because the kernel has no such groups.
public struct SyncGroup: Sendable, Hashable {
    let number: UInt32
}

/// The groups of a ring, and what waits in them.
struct SyncGroups {
    private struct Group {
        /// Whether an operation of the group is with the kernel.
        var isBusy = false
        var waiting: [QueuedOperation] = []
        /// How many at the beginning of those have had their turn.
        var takenCount = 0
    }

    private var groups: [Group] = []

    mutating func makeGroup() -> SyncGroup {
        groups.append(Group())
        // Zero means no group.
        return SyncGroup(number: UInt32(groups.count))
    }

    /// Takes the group for an operation; false if one before it is not done.
    mutating func enter(_ group: SyncGroup) -> Bool {
        let index = Int(group.number) - 1
        defer { groups[index].isBusy = true }
        return !groups[index].isBusy
    }

    mutating func append(_ operation: QueuedOperation, to group: SyncGroup) {
        groups[Int(group.number) - 1].waiting.append(operation)
    }

    /// The next operation of a group of which one is done; without one the group is free.
    mutating func next(in group: SyncGroup) -> QueuedOperation? {
        let index = Int(group.number) - 1
        guard groups[index].takenCount < groups[index].waiting.count else {
            groups[index] = Group()
            return nil
        }
        let operation = groups[index].waiting[groups[index].takenCount]
        groups[index].takenCount += 1
        // Those that had their turn go when they are most of the list, so that a group that never rests does not grow.
        if groups[index].takenCount >= 32, groups[index].takenCount * 2 >= groups[index].waiting.count {
            groups[index].waiting.removeFirst(groups[index].takenCount)
            groups[index].takenCount = 0
        }
        return operation
    }
}

/// An operation that waits for its turn, whatever its type.
class QueuedOperation {
    let tag: ProgramTag

    fileprivate init(tag: ProgramTag) {
        self.tag = tag
    }

    /// Prepares the operation; to be called once.
    func prepare(on ring: inout Ring<ProgramTag>) throws(Errno) {}
}

final class Queued<Op: SingleShotOperation & ~Copyable>: QueuedOperation {
    private var operation: Op?

    init(_ operation: consuming Op, tag: ProgramTag) {
        self.operation = consume operation
        super.init(tag: tag)
    }

    override func prepare(on ring: inout Ring<ProgramTag>) throws(Errno) {
        guard let operation = operation.take() else { return }
        try ring.prepare(operation, tag: tag)
    }
}
