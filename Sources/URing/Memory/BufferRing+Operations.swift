// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

// What the operations that take provided buffers have in common. All of them are routed as `pooled`, without which a ring would not look
// for their pool.

extension SubmissionEntry {
    /// Lets the kernel pick a buffer from a pool.
    ///
    /// The length stays zero, which means all of the buffer. With any other, a read of a file that cannot be polled would take so much of an
    /// incremental buffer, whatever it has read, and no completion would say so.
    @inlinable @inline(__always)
    func selectBuffer(from buffers: borrowing BufferRingHold) {
        require(
            buffers.state.ringIdentity == ringIdentity,
            "This pool belongs to another ring; prepare an operation on it with the ring that made it.")
        buffers.state.takeReturned()
        flags |= CURING_SQE_BUFFER_SELECT
        bufferIndex = buffers.state.group
        // SAFETY: the entry is the ring's, and its user data not written yet: in its place the ring finds the pool, see `write`.
        unsafe pointer.pointee.user_data = buffers.state.incrementalNumber
    }
}

extension BufferRingHold {
    /// The bytes that a completion brings, or its error.
    @inlinable @inline(__always)
    borrowing func lease(_ completion: CompletionEntry) -> Result<BufferLease, Errno> {
        // A buffer that is named goes to a lease in any case, so that it comes back.
        let lease = state.lease(completion)
        guard let errno = failure(of: completion) else { return .success(lease) }
        return .failure(errno)
    }

    /// The bytes that a completion of a bundle brings, or its error.
    @inlinable @inline(__always)
    borrowing func bundle(_ completion: CompletionEntry) -> Result<BufferBundle, Errno> {
        let bundle = state.bundle(completion)
        guard let errno = failure(of: completion) else { return .success(bundle) }
        return .failure(errno)
    }

    /// The error of a completion; that there was no buffer is counted.
    @inlinable @inline(__always)
    borrowing func failure(of completion: CompletionEntry) -> Errno? {
        if completion.errno == .noBufferSpace { state.noteExhaustion() }
        return completion.errno
    }

    /// Why an operation that receives bundles ended.
    @inlinable
    borrowing func bundleEnding(_ completion: CompletionEntry) -> MultishotEnding {
        let ending = completion.bufferSelectingEnding
        // The kernel ends it as well when a bundle could have used the last buffer, and does not say which of the two it was.
        guard ending == .completionQueueFull else { return ending }
        return state.availableCount == 0 ? .outOfBuffers : .rearm
    }
}

extension CompletionEntry {
    /// Why an operation that takes provided buffers ended, if the kernel ends it with a success only when the completion queue is full.
    @inlinable
    var bufferSelectingEnding: MultishotEnding {
        switch errno {
        case nil: result == 0 ? .endOfStream : .completionQueueFull
        case .noBufferSpace?: .outOfBuffers
        case .canceled?: .cancelled
        case let errno?: .failed(errno)
        }
    }
}
