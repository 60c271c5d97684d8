// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// What can be tuned.
struct LoopOptions {
    /// How many operations can be prepared between two submissions.
    var entryCount: Int
    /// How many packets a pool has room for.
    var bufferCount: Int
    /// How large a packet may be.
    var packetByteCount: Int
    /// The room for a packet: a byte more than it may have, by which one is known that is too large and was cut off.
    var roomByteCount: Int { packetByteCount + 1 }
    /// How many reads are in flight at the device and at the socket, for the loop with slots.
    var deviceSlotCount: Int
    var socketSlotCount: Int
    /// How many packets may be on their way out while all slots are reading.
    var sparePacketCount: Int
    /// How long the kernel's thread that submits looks for work before it sleeps; without it there is none.
    var pollingIdle: Duration?
    /// How many threads the kernel may start for reads that block.
    var workerLimit: Int?

    func makeRing<Tag>() throws -> Ring<Tag> {
        var options = RingOptions.recommended
        if let pollingIdle { options = .recommended(submissionPolling: RingOptions.SubmissionPolling(idle: pollingIdle)) }
        var ring = try Ring<Tag>(entries: entryCount, options: options)
        if let workerLimit { try ring.setWorkerLimits(WorkerLimits(bounded: workerLimit, unbounded: workerLimit)) }
        return ring
    }
}
