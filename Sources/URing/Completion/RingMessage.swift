// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

/// What another thread, or another ring, sent to a ring.
///
/// It comes out of a completion with the tag that the receiver gave its handle: ``Completion/takeMessage()``.
@frozen
public enum RingMessage: ~Copyable {
    /// Plain bits, and a label that says what they are about; 0 if the sender gave none.
    case value(UInt64, label: UInt16)
    /// A descriptor that is the receiver's from now on, and what came with it.
    case descriptor(Descriptor, value: UInt32)
    /// A file in the receiving ring's table, and what came with it.
    case directDescriptor(DirectDescriptor, value: UInt32)
}

/// A message that has arrived and was not taken yet, in the place of an operation.
///
/// Nothing of it was submitted. It lies in a slot, so that a completion of it is like any other: taking it empties the slot, and dropping it
/// releases what came with it.
@usableFromInline
struct MessageArrival: SingleShotOperation, ~Copyable {
    let userData: UInt64
    /// Where direct descriptors go, and a share in it.
    let table: FileTableState?
    let tableHold: FileSlot?

    @usableFromInline
    init(_ userData: UInt64, table: FileTableState?) {
        self.userData = userData
        self.table = table
        tableHold = table.map { FileSlot(anyIn: $0) }
    }

    @usableFromInline static var opcode: Opcode { .msgRing }

    @usableFromInline static var minimumKernel: KernelVersion { KernelVersion(5, 18) }

    /// Does nothing, because nobody can prepare it.
    @usableFromInline
    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .nop
    }

    @usableFromInline
    @unsafe mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<RingMessage, Errno> {
        .success(message(completion))
    }

    /// What arrived, once.
    @usableFromInline
    func message(_ completion: CompletionEntry) -> RingMessage {
        let value = UInt32(truncatingIfNeeded: userData >> 32)
        switch UserData.kind(of: userData) {
        case .descriptorMessage:
            return .descriptor(Descriptor(received: completion.result), value: value)
        case .directDescriptorMessage:
            if let table { return .directDescriptor(DirectDescriptor(received: completion.result, in: table), value: value) }
        default: break
        }
        return .value(
            UInt64(value) << 32 | UInt64(UInt32(bitPattern: completion.result)),
            label: UInt16(truncatingIfNeeded: completion.flags.rawValue >> 16))
    }
}

extension Completion {
    /// Whether the completion is a message of another thread or ring.
    @inlinable
    public var isMessage: Bool { core.slot.isType(MessageArrival.self) }

    /// Takes what another thread or ring sent.
    ///
    /// - Precondition: The completion is a message. With one tag for messages and operations, ask ``isMessage`` first.
    @inlinable
    public consuming func takeMessage() -> RingMessage {
        require(isMessage, "This completion is of an operation, not a message; switch over its tag, or ask isMessage first.")
        return core.takeMessage(payloadOffset: SlotLayout.payloadOffset(Tag.self))
    }
}

extension CompletionCore {
    @usableFromInline
    consuming func takeMessage(payloadOffset: Int) -> RingMessage {
        let (slot, table, entry) = (slot, table, entry)
        discard self
        // SAFETY: the caller has looked at the type, which fits every slot.
        let payload = unsafe table.payload(
            MessageArrival.self, of: slot, offset: payloadOffset, capacity: SlotLayout.capacity(payloadOffset: payloadOffset))
        let arrival = unsafe payload.assumingMemoryBound(to: MessageArrival.self).move()
        table.free(slot)
        return arrival.message(entry)
    }
}

extension Ring {
    /// Makes a handle by which other threads can wake this ring, and send it messages and descriptors.
    ///
    /// A ring can have any number of handles, each with a tag of its own. The kernel then keeps a second descriptor open for the ring, from
    /// the first handle on until the ring has ended and the last handle is gone.
    ///
    /// - Parameter messageTag: The tag that messages arrive with.
    /// - Returns: The handle.
    /// - Throws: `EMFILE` or `ENFILE` if too many files are open.
    public mutating func makeHandle(messageTag: Tag) throws(Errno) -> RingHandle {
        try RingHandle(state: core.sharedHandleState(), inbox: addInbox(messageTag), acceptsDirectDescriptors: false)
    }

    /// Makes a handle by which other rings can send files into this ring's table, too.
    ///
    /// - Parameters:
    ///   - messageTag: The tag that messages arrive with.
    ///   - table: This ring's file table. It stays until the ring ends.
    /// - Returns: The handle.
    /// - Throws: `EMFILE` or `ENFILE` if too many files are open.
    /// - Precondition: The table is this ring's.
    public mutating func makeHandle(messageTag: Tag, receivingInto table: borrowing FileTable) throws(Errno) -> RingHandle {
        core.receive(into: table.state)
        return try RingHandle(state: core.sharedHandleState(), inbox: addInbox(messageTag), acceptsDirectDescriptors: true)
    }

    private mutating func addInbox(_ tag: Tag) -> UInt32 {
        require(core.inboxCount < UserData.maximumInboxCount, "A ring has at most 268435456 handles; copy the ones it has.")
        messageTags.append(tag)
        core.inboxCount += 1
        return UInt32(core.inboxCount - 1)
    }

    /// Deals with a completion that names no plain operation in flight: a message is put into a slot, and the core knows the others.
    @inlinable @inline(never)
    mutating func settle(_ completion: QueuedCompletion) -> SettledCompletion? {
        guard let inbox = UserData.inbox(of: completion.userData), inbox < core.inboxCount else { return core.settle(completion) }
        // No entry of this ring's stands for it.
        core.completions.extraCount &+= 1
        do throws(Errno) {
            let slot = try core.table.insert(MessageArrival(completion.userData, table: core.messageTable), tag: messageTags[inbox])
            return SettledCompletion(slot: slot, entry: completion.entry)
        } catch {
            // It is read from the queue, and what it brings would be lost.
            fatalError("There is no memory for a message that has come.")
        }
    }
}

extension RingCore {
    /// What the ring's handles share, made with the first of them.
    fileprivate mutating func sharedHandleState() throws(Errno) -> RingHandleState {
        if let handleState = unsafe handleState { return unsafe handleState.takeUnretainedValue() }
        let state = try RingHandleState(ring: descriptor)
        unsafe handleState = Unmanaged.passRetained(state)
        return state
    }

    /// Has files from other rings go into the ring's table.
    fileprivate mutating func receive(into table: FileTableState) {
        require(table.ringIdentity == self.table.identity, "A ring receives files into its own table; this table is another ring's.")
        if messageTable != nil { return }
        table.retain()
        messageTable = table
    }
}
