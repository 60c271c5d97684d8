// SPDX-License-Identifier: Apache-2.0

/// Memory in a row, which the kernel sends in its order, for ``SendBundle`` and ``SendProvided``.
///
/// It is a queue of buffers, or of leases of a ``BufferRing``, which are sent on without a copy.
///
/// An operation takes the queue, so that nobody changes it while the kernel sends, and gives it back with what has not been sent: also when a
/// send was cancelled in the middle of an element, the next one goes on with the very next byte. What was sent is dropped when the completion
/// that says so is taken, and a lease's buffer goes back to its pool; or it stays to be taken and used again, with ``keepsSent``.
@safe
public struct SendQueue<Memory: ByteSource & ~Copyable>: ~Copyable {
    @usableFromInline let state: SendQueueState
    // SAFETY: the places of the elements that the state counts hold values. They are this value's alone, and stay where they are until
    // they are taken out.
    @usableFromInline let places: UnsafeMutablePointer<Memory>
    /// Whether what was sent stays until it is taken or its place is needed.
    public let keepsSent: Bool

    init(state: SendQueueState, keepsSent: Bool) {
        self.state = state
        unsafe places = .allocate(capacity: state.capacity)
        self.keepsSent = keepsSent
    }

    deinit {
        state.endRegistration()
        while let place = state.removeFirst() { unsafe (places + place).deinitialize(count: 1) }
        unsafe places.deallocate()
        state.deallocate()
    }

    /// How many elements there can be.
    public var capacity: Int { state.capacity }

    /// How many elements are to be sent.
    public var unsentCount: Int { state.unsentCount }

    /// How many bytes are to be sent.
    public var unsentByteCount: Int { state.unsentByteCount }

    /// How many elements were sent and can be taken.
    public var sentCount: Int { state.sentCount }

    /// Puts memory at the end; its initialised bytes are sent.
    ///
    /// When there is no place left, the first element that was sent is dropped.
    ///
    /// - Precondition: There are fewer than ``capacity`` to be sent, and the memory has from 1 to 0x7ffff000 bytes.
    @inlinable
    public mutating func append(_ memory: consuming Memory) {
        require(unsentCount < capacity, "The queue is full of what is to be sent; make it for more.")
        if state.emptyPlace == nil { drop(takeSent()) }
        guard let index = state.emptyPlace else { return }
        let place = unsafe places + index
        unsafe place.initialize(to: memory)
        // SAFETY: the element stays in its place, unchanged, until the state has forgotten it.
        unsafe state.append(place.pointee.kernelBytes)
    }

    /// Takes out the first element that was sent, or gives nil when there is none.
    @inlinable
    public mutating func takeSent() -> Memory? {
        guard let place = state.removeSent() else { return nil }
        return unsafe (places + place).move()
    }

    /// Takes over what the kernel has sent.
    @inlinable
    mutating func end(_ completion: CompletionEntry) {
        state.end(completion)
        if keepsSent { return }
        while sentCount > 0 { drop(takeSent()) }
    }

    @inlinable
    func drop(_: consuming Memory?) {}
}

extension Ring {
    /// Makes a queue of memory to be sent.
    ///
    /// - Parameters:
    ///   - memory: What is sent: ``Buffer``, ``BufferLease``, or another type that owns bytes.
    ///   - count: How many elements it can have: a power of two, at most 32768.
    ///   - group: The number by which the kernel knows it, one for each ring of buffers.
    ///   - keepsSent: Whether what was sent stays, to be taken with ``SendQueue/takeSent()``, until its place is needed.
    /// - Returns: The queue.
    /// - Throws: An error that names the likely cause.
    ///
    /// The liburing function is `io_uring_setup_buf_ring`; see `io_uring_register_buf_ring(3)`. Linux 6.10.
    public mutating func makeSendQueue<Memory: ByteSource & ~Copyable>(
        of memory: Memory.Type, count: Int, group: UInt16 = 0, keepsSent: Bool = false
    ) throws(BufferRingError) -> SendQueue<Memory> {
        SendQueue(
            state: try SendQueueState(anchor: core.anchor, ringIdentity: core.table.identity, group: group, count: count),
            keepsSent: keepsSent)
    }
}
