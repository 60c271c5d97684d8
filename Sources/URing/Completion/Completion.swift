// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// Something an operation said: its end, or one event of several.
///
/// Switch over ``tag``, then take the operation back: ``take(_:)-(Op.Type)`` for one that completes once, ``event(_:)`` for a multishot
/// or a zero-copy send.
/// A completion that is dropped releases what is in it: the operation with its buffers, and a result such as an accepted socket.
@frozen
public struct Completion<Tag: BitwiseCopyable>: ~Copyable {
    /// The value the operation was prepared with.
    public let tag: Tag
    @usableFromInline var core: CompletionCore

    @inlinable @inline(__always)
    init(_ completion: SettledCompletion, of table: InFlightTable) {
        // SAFETY: `insert` stored a tag of this type there, and the slot stays in use while a completion of it exists.
        tag = unsafe (completion.slot.base + SlotLayout.tagOffset(Tag.self)).assumingMemoryBound(to: Tag.self).pointee
        core = CompletionCore(slot: completion.slot, table: table, entry: completion.entry)
    }

    /// What the kernel said.
    @inlinable
    public var entry: CompletionEntry {
        @inline(__always) get { core.entry }
    }

    /// Whether the operation goes on after this.
    @inlinable
    public var hasMore: Bool { core.entry.flags.contains(.more) }

    /// Whether the completion is of an operation of this type.
    @inlinable
    public func `is`<Op: Operation & ~Copyable>(_: Op.Type) -> Bool {
        core.slot.isType(Op.self)
    }

    /// Takes the operation back, with its result.
    ///
    /// - Precondition: The operation is of this type. With one tag for several types, ask ``is(_:)`` first.
    @inlinable @inline(__always)
    public consuming func take<Op: SingleShotOperation & ~Copyable>(_: Op.Type) -> Completed<Op> {
        core.finish(Op.self, payloadOffset: SlotLayout.payloadOffset(Tag.self))
    }

    /// Takes back the operation that a token names, with its result.
    ///
    /// - Precondition: The token is that operation's.
    @inlinable @inline(__always)
    public consuming func take<Op: SingleShotOperation & ~Copyable>(_ token: Token<Op>) -> Completed<Op> {
        core.expect(token.any)
        // This compares the type, too: the generations of a slot begin anew after 2^33 operations, and the token of one of long ago names another
        // then.
        return core.finish(Op.self, payloadOffset: SlotLayout.payloadOffset(Tag.self))
    }

    /// Takes what a multishot operation yielded or a zero-copy send has sent, or the operation itself when it has ended.
    ///
    /// - Precondition: The operation is of this type, and its earlier completions were taken or dropped before the last one is taken.
    @inlinable @inline(__always)
    public consuming func event<Op: RepeatingOperation & ~Copyable>(_: Op.Type) -> Event<Op> {
        if hasMore {
            core.expect(Op.self)
            return .more(core.continue(Op.self, payloadOffset: SlotLayout.payloadOffset(Tag.self)))
        }
        return .finished(core.finish(Op.self, payloadOffset: SlotLayout.payloadOffset(Tag.self)))
    }
}

/// The part of a completion that owns something: the slot's contents, or one event of it.
@safe @usableFromInline @frozen
struct CompletionCore: ~Copyable {
    @usableFromInline let slot: Slot
    @usableFromInline let table: InFlightTable
    @usableFromInline let entry: CompletionEntry

    @inlinable @inline(__always)
    init(slot: Slot, table: InFlightTable, entry: CompletionEntry) {
        self.slot = slot
        self.table = table
        self.entry = entry
    }

    @inlinable
    deinit {
        table.dispose(of: slot, entry: entry)
    }

    @inlinable @inline(__always)
    func expect<Op: Operation & ~Copyable>(_: Op.Type) {
        if !slot.isType(Op.self) { wrongType(Op.self) }
    }

    @usableFromInline @inline(never)
    func wrongType<Op: Operation & ~Copyable>(_: Op.Type) -> Never {
        fatalError("This completion is of a \(slot.type), not of a \(Op.self); switch over its tag, or ask is(_:) first.")
    }

    @inlinable @inline(__always)
    func expect(_ token: AnyToken) {
        require(
            unsafe slot.header.pointee.userData == UserData.sameSlot(as: token.userData, kind: .operation)
                && table.identity == token.ringIdentity,
            "This completion is of another operation than the token's.")
    }

    /// Sees to it that this is the last completion of an operation of this type, and the others were dealt with: one that more follow is
    /// itself outstanding.
    @inlinable @inline(__always)
    func expectEnd<Op: Operation & ~Copyable>(of _: Op.Type) {
        if !slot.isTypeWithNoneOutstanding(Op.self) { noEnd(of: Op.self) }
    }

    @usableFromInline @inline(never)
    func noEnd<Op: Operation & ~Copyable>(of _: Op.Type) -> Never {
        expect(Op.self)
        expectLast()
        trap("Take or drop the earlier completions of a multishot operation before its last one.")
    }

    /// The last completion is the one without `F_MORE`, whatever its result; before it the kernel still has the operation's memory.
    @inlinable @inline(__always)
    func expectLast() {
        require(
            !entry.flags.contains(.more), "More completions of this operation are to come; it has to be a multishot operation.")
    }

    /// Whether the completion is of a ring with this table.
    @inlinable @inline(__always)
    func isOf(_ other: InFlightTable) -> Bool {
        unsafe table.state == other.state
    }

    /// Has the caller look at the operation in its place, which it keeps under a new generation.
    @inlinable @inline(__always)
    consuming func again<Op: Operation & ~Copyable>(
        _: Op.Type, payloadOffset: Int, _ body: (inout Op, consuming Result<Op.Success, Errno>) throws -> Void
    ) throws -> Slot {
        expectEnd(of: Op.self)
        let (slot, table, entry) = (slot, table, entry)
        discard self
        do {
            try table.again(Op.self, slot: slot, payloadOffset: payloadOffset, entry: entry, body)
        } catch {
            table.discard(slot)
            throw error
        }
        return slot
    }

    /// Ends the operation: moves it out and frees its slot.
    @inlinable @inline(__always)
    consuming func finish<Op: Operation & ~Copyable>(_: Op.Type, payloadOffset: Int) -> Completed<Op> {
        expectEnd(of: Op.self)
        let (slot, table, entry) = (slot, table, entry)
        discard self
        return table.finish(Op.self, slot: slot, payloadOffset: payloadOffset, entry: entry)
    }

    /// Takes one event of an operation that goes on.
    @inlinable @inline(__always)
    consuming func `continue`<Op: Operation & ~Copyable>(_: Op.Type, payloadOffset: Int) -> Result<Op.Success, Errno> {
        let (slot, table, entry) = (slot, table, entry)
        discard self
        return table.continue(Op.self, slot: slot, payloadOffset: payloadOffset, entry: entry)
    }
}
