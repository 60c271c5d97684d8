// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Keeps the notifications of several zero-copy sends, on any sockets, until all of them are there.
///
/// Make one with ``Ring/makeNotificationGroup(minimumCapacity:)``, and prepare sends in it with ``Ring/prepare(_:tag:in:)``. Their results
/// come as ever; the last completions, which give the memory back, stay in the group. ``Ring/flush(_:tag:)`` draws the line: its one
/// completion comes when all sends of the group are over, and gives the group back with what it has kept.
///
/// ```swift
/// var group = ring.makeNotificationGroup()
/// try ring.prepare(SendZeroCopy(first, from: header), tag: .sent, in: group)
/// try ring.prepare(SendZeroCopy(second, from: body), tag: .sent, in: group)
/// try ring.flush(group, tag: .released)
/// …
/// case .released:
///     group = completion.take(FlushNotifications<Tag>.self).operation.group
///     while let released = group.nextCompletion() {
///         // .finished(completed), with the memory
///     }
/// ```
///
/// A group that is used again allocates nothing as long as no more sends are in it than there were before. One that is dropped releases what
/// it has kept, and its sends' memory as the kernel lets go of it.
public struct NotificationGroup<Tag: BitwiseCopyable>: ~Copyable {
    @usableFromInline let state: NotificationGroupState

    init(state: NotificationGroupState) {
        self.state = state
    }

    deinit {
        state.releaseOwner()
    }

    /// How many sends are not over: their last completion has not been read from the queue.
    public var outstandingCount: Int { state.memberCount }

    /// How many last completions the group has kept.
    public var keptCount: Int { state.keptCount }

    /// Takes the next last completion that was kept, or gives nil when there is none (left).
    ///
    /// They come in the order in which the kernel let go of the memory, which need not be that of the sends.
    // Inlinable for more than speed: see "Defects of the compiler" in Docs/DECISIONS.md.
    @inlinable @inline(__always)
    public mutating func nextCompletion() -> Completion<Tag>? {
        guard let kept = state.next() else { return nil }
        return Completion(kept, of: state.table)
    }
}

extension Ring where Tag: BitwiseCopyable {
    /// Makes a notification group.
    ///
    /// - Parameter count: How many sends to make room for beforehand.
    /// - Returns: The group, for this ring's sends.
    /// - Precondition: The count is not negative.
    public mutating func makeNotificationGroup(minimumCapacity count: Int = 0) -> NotificationGroup<Tag> {
        require(count >= 0, "A notification group cannot make room for a negative number of sends.")
        return NotificationGroup(state: NotificationGroupState(table: core.table, minimumCapacity: count))
    }

    /// Prepares a zero-copy send whose last completion a group keeps.
    ///
    /// Its result comes as an event of its own. When the kernel refuses the send beforehand, the last completion is the only one.
    ///
    /// - Parameters:
    ///   - operation: The send.
    ///   - tag: The tag of its completions.
    ///   - group: A group of this ring.
    /// - Returns: The operation's name, for cancelling it.
    /// - Throws: What ``prepare(_:tag:)`` does.
    /// - Precondition: The group is of this ring.
    @inlinable @inline(__always) @discardableResult
    public mutating func prepare<Op: ZeroCopyOperation & ~Copyable>(
        _ operation: consuming Op, tag: Tag, in group: borrowing NotificationGroup<Tag>
    ) throws(Errno) -> Token<Op> {
        group.state.expectRing(core.table.identity)
        try core.makeRoom(for: Op.self)
        let slot = try core.table.insert(operation, tag: tag)
        group.state.addMember()
        return core.enqueue(
            Op.self, in: slot, payloadOffset: SlotLayout.payloadOffset(Tag.self), tracking: Tracking(group: group.state))
    }

    /// Prepares the end of a group: one completion, which comes when all sends of the group are over.
    ///
    /// It is an operation of type ``FlushNotifications``, which has the group and gives it back. For the kernel it is a `NOP`.
    ///
    /// - Parameters:
    ///   - group: A group of this ring.
    ///   - tag: The tag of the completion.
    /// - Returns: The operation's name.
    /// - Throws: What ``prepare(_:tag:)`` does; the group is then dropped.
    /// - Precondition: The group is of this ring.
    @inlinable @discardableResult
    public mutating func flush(
        _ group: consuming NotificationGroup<Tag>, tag: Tag
    ) throws(Errno) -> Token<FlushNotifications<Tag>> {
        let state = group.state
        state.expectRing(core.table.identity)
        if !core.submissions.hasRoom() { try core.makeRoom() }
        let slot = try core.table.insert(FlushNotifications(group), tag: tag)
        state.beginFlush(in: slot)
        return core.enqueue(
            FlushNotifications<Tag>.self, in: slot, payloadOffset: SlotLayout.payloadOffset(Tag.self), tracking: Tracking(group: state))
    }

    /// Prepares a zero-copy send whose notification has a tag of its own.
    ///
    /// The result comes with the first tag; the last completion, which gives the memory back, with the second, also when the kernel refuses
    /// the send beforehand and it is the only one. The ring does this itself, on every kernel. What ``prepareAgain(_:as:changing:)`` prepares
    /// again has the second tag for both.
    ///
    /// - Parameters:
    ///   - operation: The send.
    ///   - tag: The tag of its result.
    ///   - notificationTag: The tag of its last completion.
    /// - Returns: The operation's name, for cancelling it.
    /// - Throws: What ``prepare(_:tag:)`` does.
    @inlinable @discardableResult
    public mutating func prepare<Op: ZeroCopyOperation & ~Copyable>(
        _ operation: consuming Op, tag: Tag, notificationTag: Tag
    ) throws(Errno) -> Token<Op> {
        try core.makeRoom(for: Op.self)
        let slot = try core.table.insert(operation, tag: tag)
        let tracking = Tracking(notificationTag: notificationTag, in: core.table)
        return core.enqueue(
            Op.self, in: slot, payloadOffset: SlotLayout.payloadOffset(Tag.self), tracking: tracking)
    }

    /// How many zero-copy sends have had their result read and their notification not: so much memory is on its way, and still the kernel's.
    ///
    /// A sender with memory to spare waits for its results only. Notifications then come with whatever else is waited for, and
    /// ``processPending()`` fetches them when memory runs low.
    public var outstandingNotifications: Int { core.table.outstandingNotifications }
}
