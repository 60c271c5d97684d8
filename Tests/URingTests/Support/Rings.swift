// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import Testing

@testable import URing

/// The ways in which the kernel comes to a ring's entries.
enum RingKind: CaseIterable, Sendable {
    /// It takes them when it is asked to.
    case plain
    /// The same, and work is done when the thread waits.
    case deferred
    /// A thread of the kernel's takes them.
    case polled
    /// A thread of the kernel's takes them that belongs to another ring.
    case attached
    /// A thread of the kernel's takes them that another ring is attached to.
    case attachedTo

    var isShared: Bool { self == .attached || self == .attachedTo }

    var options: RingOptions {
        var options = self == .deferred ? RingOptions.recommended : RingOptions()
        if self != .plain && self != .deferred { options.submissionPolling = .init(idle: .milliseconds(200)) }
        return options
    }
}

/// Makes a ring of a kind, and for those that share a thread another one.
func withRing(_ kind: RingKind, entries: Int = 64, _ body: (inout Ring<Int>) throws -> Void) throws {
    var ring = try Ring<Int>(entries: entries, options: kind.options)
    guard kind.isShared else { return try body(&ring) }
    var options = kind.options
    options.sharedWorkers = ring.descriptor
    var other = try Ring<Int>(entries: entries, options: options)
    if kind == .attached { try body(&other) } else { try body(&ring) }
}

extension Ring {
    /// Waits until the kernel has deferred something to when this thread enters it.
    func waitForDeferredWork() throws {
        let end = monotonicTime() + .seconds(10)
        while core.submissions.flags & CURING_SQ_TASKRUN == 0 {
            if monotonicTime() > end { throw NoCompletion() }
            sched_yield()
        }
    }
}
