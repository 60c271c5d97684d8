// SPDX-License-Identifier: Apache-2.0

import CEventLoop
import SystemPackage
import URing

/// Room for events that the kernel writes, outside of Swift's memory.
struct EpollEvents: ~Copyable {
    fileprivate let address: UInt64
    let capacity: Int

    init(capacity: Int) {
        address = event_loop_events_make(Int32(capacity))
        self.capacity = capacity
    }

    deinit {
        event_loop_events_free(address)
    }

    subscript(index: Int) -> event_loop_event {
        precondition(index >= 0 && index < capacity, "There is no such event.")
        return event_loop_events_get(address, Int32(index))
    }
}

/// Waits for events of an epoll set, and takes them: `IORING_OP_EPOLL_WAIT`, which URing has no type for.
///
/// The result is how many events there are in `events`, one at least.
///
/// - Requires: Linux 6.15.
/// - Important: The kernel writes the events until the completion.
struct EpollWait: SingleShotOperation, ~Copyable {
    let set: FileHold
    var events: EpollEvents

    init(_ set: borrowing some FileResource & ~Copyable, into events: consuming EpollEvents) {
        self.set = set.hold()
        self.events = events
    }

    static var opcode: Opcode { .epollWait }

    static var minimumKernel: KernelVersion { KernelVersion(6, 15) }

    // The address is of memory that `events` owns, which the operation owns, and that does not move.
    mutating func encode(into entry: borrowing SubmissionEntry, kernelData: UnsafeMutablePointer<NoKernelData>) {
        entry.opcode = .epollWait
        entry.setFile(set)
        entry.address = events.address
        entry.length = UInt32(events.capacity)
    }

    mutating func complete(_ completion: CompletionEntry, kernelData: borrowing NoKernelData) -> Result<Int, Errno> {
        if let errno = completion.errno { return .failure(errno) }
        return .success(min(Int(completion.result), events.capacity))
    }
}
