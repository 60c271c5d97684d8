// SPDX-License-Identifier: Apache-2.0

import CURing

// Operations whose completions the ring looks at before the caller does: zero-copy sends, and what ends their groups.
//
// Their user data in the queues has a kind of its own, so that they are not found where all others are, and cost those nothing.

/// What the table knows of a tracked operation, behind it and its kernel data.
///
/// It is nobody's but the slot's: what it refers to is let go of by `finish` or `withdraw`, of which one is called, once.
@safe @usableFromInline
struct Tracking: BitwiseCopyable {
    /// The group that its last completion goes to.
    @usableFromInline var group: NotificationGroupState?
    /// The bytes between the slot's header and its payload as they are to be for the last completion, if its tag is another.
    @usableFromInline var notificationTag: UnsafeMutableRawPointer?

    @inlinable @inline(__always)
    init() {
        group = nil
        unsafe notificationTag = nil
    }

    @usableFromInline
    init(group: NotificationGroupState) {
        self.group = group
        unsafe notificationTag = nil
    }

    /// Tracking for an operation whose last completion has another tag than the first.
    @usableFromInline
    init<Tag: BitwiseCopyable>(notificationTag tag: Tag, in table: InFlightTable) {
        group = nil
        let box = unsafe table.allocateBox(byteCount: table.tagAreaByteCount, alignment: Tracking.tagAlignment)
        // SAFETY: the box is as large as the area between header and payload, and the tag lies in it as it does there.
        unsafe box.initializeMemory(as: UInt8.self, repeating: 0, count: table.tagAreaByteCount)
        unsafe box.storeBytes(of: tag, toByteOffset: SlotLayout.tagOffset(Tag.self) - SlotLayout.tagAreaOffset, as: Tag.self)
        unsafe notificationTag = box
    }

    private static var tagAlignment: Int { 16 }

    /// The last completion has come: gives the slot its tag, and says in which group the operation was.
    ///
    /// It is the group's from here on, and nothing is left to withdraw.
    mutating func finish(_ completion: SettledCompletion, of table: InFlightTable) -> NotificationGroupState? {
        if let box = unsafe notificationTag {
            // SAFETY: the box has the tag of the slot's next completion, of the same type as the one there.
            unsafe (completion.slot.base + SlotLayout.tagAreaOffset).copyMemory(from: box, byteCount: table.tagAreaByteCount)
            freeTag(of: table)
        }
        defer { group = nil }
        return group
    }

    /// The operation ends without a last completion: it was withdrawn before the kernel saw it.
    mutating func withdraw(_ slot: Slot, from table: InFlightTable) {
        group?.withdraw(slot)
        freeTag(of: table)
    }

    private mutating func freeTag(of table: InFlightTable) {
        guard let box = unsafe notificationTag else { return }
        unsafe table.freeBox(box, byteCount: table.tagAreaByteCount, alignment: Tracking.tagAlignment)
        unsafe notificationTag = nil
    }
}

extension InFlightTable {
    /// How many bytes lie between a slot's header and its payload.
    var tagAreaByteCount: Int { unsafe state.pointee.payloadOffset - SlotLayout.tagAreaOffset }

    /// Looks at a completion of an operation that may be tracked, and says what the caller gets now, if anything.
    func track(_ completion: SettledCompletion) -> SettledCompletion? {
        // SAFETY: the header's type is what `insert` put into the payload.
        let type = completion.slot.type
        if !type.routing.isTracked { return completion }
        if completion.entry.flags.contains(.more) {
            unsafe state.pointee.outstandingNotifications += 1
            if type.routing == .tracked { return completion }
            dispose(of: completion.slot, entry: completion.entry)
            return nil
        }
        if completion.entry.flags.contains(.notification) { unsafe state.pointee.outstandingNotifications -= 1 }
        let payloadOffset = unsafe state.pointee.payloadOffset
        let group = unsafe type.tracking(in: completion.slot, of: self, payloadOffset: payloadOffset).pointee.finish(completion, of: self)
        // Only now, because a group that is nobody's any more ends the operation, and with it the tracking.
        guard let group else { return completion }
        return group.keep(completion)
    }
}

extension Operation where Self: ~Copyable {
    /// Where the tracking of a tracked operation lies.
    @unsafe static func tracking(in slot: Slot, of table: InFlightTable, payloadOffset: Int) -> UnsafeMutablePointer<Tracking> {
        // SAFETY: called through the metatype in the slot's header, which `write` has initialised the tracking for.
        let payload = unsafe table.payload(
            Self.self, of: slot, offset: payloadOffset, capacity: SlotLayout.capacity(payloadOffset: payloadOffset))
        return unsafe (payload + PayloadLayout.trackingOffset(Self.self)).assumingMemoryBound(to: Tracking.self)
    }
}
