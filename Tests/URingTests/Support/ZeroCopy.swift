// SPDX-License-Identifier: Apache-2.0

import CURing
import SystemPackage
import Testing

@testable import URing

/// A TCP connection whose receiver has room for 16 KiB and reads only when it is told to: most of what is sent stays in the
/// sender's queue, which refers to the sent memory.
struct StalledConnection: ~Copyable {
    let sender: Descriptor
    let receiver: Descriptor

    /// Makes a connection, of which the sender has room for a few hundred kilobytes unless told otherwise.
    init(sendBufferSize: Int32? = nil) throws {
        let listener = try Listener()
        // With half of it, each window would open only with TCP's timer.
        try listener.descriptor.setOption(.receiveBufferSize, to: 16384)
        let connecting = try listener.connect()
        if let sendBufferSize { try connecting.setOption(.sendBufferSize, to: sendBufferSize) }
        var ring = try Ring<Int>(entries: 2)
        receiver = try ring.run(Accept(listener.descriptor)).result.get().descriptor
        sender = connecting
    }

    /// Receives exactly so many bytes.
    borrowing func drain(_ byteCount: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < byteCount {
            guard let part = receiver.receiveBounded(byteCount - bytes.count), !part.isEmpty else { throw NoCompletion() }
            bytes += part
        }
        return bytes
    }

    /// Lets go of the sender; the receiver stays.
    consuming func dropSender() -> Descriptor { receiver }

    /// Closes the receiver with all that it has not read; the sender stays.
    consuming func closeReceiver() -> Descriptor { sender }
}

extension Ring where Tag: BitwiseCopyable {
    /// Runs a zero-copy send to its end on a ring with nothing else in flight, and expects a result and a notification.
    mutating func runToNotification<Op: ZeroCopyOperation & ~Copyable>(
        _ operation: consuming Op, tag: Tag, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Completed<Op> {
        try prepare(operation, tag: tag)
        let sent: Result<Int, Errno>
        switch try nextCompletionWaiting().event(Op.self) {
        case .more(let result): sent = result
        case .finished: throw UnexpectedEvent()
        }
        let completed = try nextCompletionWaiting().event(Op.self).expectFinished()
        #expect(completed.entry.flags.contains(.notification), sourceLocation: sourceLocation)
        let repeated = completed.result
        #expect(repeated == sent, sourceLocation: sourceLocation)
        return completed
    }
}

/// A zero-copy send that the kernel refuses before it makes a notification for it.
struct RefusedSend: ZeroCopyOperation, ~Copyable {
    /// What the kernel does not take.
    enum Reason: CaseIterable {
        /// A second user data, for the notification, which Linux 6.18 does not know.
        case notificationUserData
        /// That the completion of a success be left out.
        case skippedCompletion
    }

    var base: SendZeroCopy<CountedMemory>
    var reason = Reason.skippedCompletion

    var record: ZeroCopyRecord { base.record }

    static var opcode: Opcode { .sendZeroCopy }

    static var minimumKernel: KernelVersion { KernelVersion(6, 0) }

    @unsafe mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        unsafe base.encode(into: entry, kernelData: kernelData)
        switch reason {
        case .notificationUserData: unsafe entry.address3 = 77
        case .skippedCompletion: entry.flags |= CURING_SQE_CQE_SKIP_SUCCESS
        }
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        unsafe base.complete(completion, kernelData: kernelData)
    }
}
