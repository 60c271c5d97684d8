// SPDX-License-Identifier: Apache-2.0

import CBaseline
import Support
import SystemPackage
import URing

/// How every engine sets its ring up.
///
/// These are the options that URing recommends, without the one for which swift-system's IORing and older versions of liburing are not ready.
let ringOptions = RingOptions([.singleIssuer, .deferredTaskRun, .showsPendingTaskRun, .submitsAll, .clampsSizes])

extension Ring {
    /// Submits what is prepared, and calls once more to wait only if not so many completions are there at once.
    ///
    /// Where they always are, a call that need not look for more is the cheaper one.
    @inline(__always)
    mutating func submit(thenWaitingFor count: Int) throws(Errno) {
        try submit()
        if readyCount < count { try submit(waitingFor: count) }
    }
}

extension IORing {
    /// Makes a ring that is set up as the others are.
    static func make(entries: Int) throws -> IORing {
        try IORing(queueDepth: UInt32(entries), flags: SetupFlags(rawValue: ringOptions.flags.rawValue))
    }

    /// Takes the next completion, and waits for it if there is none.
    func awaitCompletion() throws -> Completion {
        if let completion = tryConsumeCompletion() { return completion }
        return try blockingConsumeCompletion()
    }
}

/// A ring of liburing's.
@safe
struct BaselineRing: ~Copyable {
    private let pointer: OpaquePointer

    /// Makes a ring that is set up as the others are.
    init(entries: Int, isEnabled: Bool = true) throws {
        let flags: RingOptions.Flags = isEnabled ? ringOptions.flags : ringOptions.flags.union(.startsDisabled)
        var made: OpaquePointer?
        // SAFETY: the ring is written to a variable that is there until the call returns.
        let status = unsafe baseline_ring_open(UInt32(entries), flags.rawValue, &made)
        try check(status, "io_uring_queue_init")
        guard let made = unsafe made else { throw Failure("io_uring_queue_init made nothing.") }
        unsafe pointer = made
    }

    /// Calls a function of the baseline, and keeps the ring until it returns.
    func with<Value>(_ body: (OpaquePointer) throws -> Value) rethrows -> Value {
        try unsafe body(pointer)
    }

    deinit {
        // SAFETY: nobody else closes it, and the functions of the baseline leave nothing in flight when they return.
        unsafe baseline_ring_close(pointer)
    }
}

/// Throws what a function of the baseline says.
func check(_ status: Int32, _ what: String) throws {
    if status < 0 { throw Failure("\(what): \(Errno(rawValue: -status))") }
}
