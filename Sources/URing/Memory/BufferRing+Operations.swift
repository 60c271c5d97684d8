// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage

// What the operations that take provided buffers have in common. Those that can take buffers of an incremental pool are routed as `pooled`,
// without which a ring would not look for their pool.

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

extension SubmissionEntry {
    /// Lets the kernel pick one buffer from a pool, for an operation that completes once.
    ///
    /// Such an operation may get to a worker thread at any time, as when others were faster 128 times to take what it waits for. From
    /// an incremental buffer a worker takes as much as the last attempt in vain has found in another one, and no completion says so (measured on
    /// 6.18). A multishot never gets to one, but for a read that begins there.
    @inlinable @inline(__always)
    func selectOneBuffer(from buffers: borrowing BufferRingHold) {
        require(
            buffers.state.incrementalNumber == 0,
            "The kernel may not say where in an incremental buffer it writes once; use a multishot, or a pool of whole buffers.")
        selectBuffer(from: buffers)
    }

    /// Lets the kernel pick as many buffers from a pool as it likes, which have to follow each other as a completion counts them.
    @inlinable @inline(__always)
    func selectBundle(from buffers: borrowing BufferRingHold) {
        // A bundle is put together of two receives at times (measured on 6.18). What the first has received may vanish without a word, and with
        // it how far an incremental buffer is filled.
        require(
            buffers.state.incrementalNumber == 0,
            "The kernel does not always say what it has put into incremental buffers in bundles; receive bundles into a pool of whole buffers."
        )
        buffers.state.noteBundles()
        selectBuffer(from: buffers)
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
        if completion.hasLostBundle { return .failure(.ioError) }
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
        if completion.hasLostBundle { return .failed(.ioError) }
        let ending = completion.bufferSelectingEnding
        // The kernel ends it as well when a bundle could have used the last buffer, and does not say which of the two it was.
        guard ending == .completionQueueFull else { return ending }
        return state.availableCount == 0 ? .outOfBuffers : .rearm
    }
}

extension CompletionEntry {
    /// Whether bytes of a bundle came of which the kernel does not say where they are.
    @inlinable
    var hasLostBundle: Bool { result > 0 && !flags.contains(.buffer) }

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
