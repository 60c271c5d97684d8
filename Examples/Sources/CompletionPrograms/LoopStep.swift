// SPDX-License-Identifier: Apache-2.0

import URing

/// What a step of a ring's loop decides.
public enum LoopDecision: Sendable, Hashable {
    /// Submit, wait until the wait index is reached, and call the step again.
    case `continue`
    /// Leave the loop.
    case stop
}

/// The body of a ring's loop, in the shape of the kernel's `io_uring_bpf_ops.loop_step` (Linux 7.1).
///
/// There the kernel calls a BPF program between its waits; here ``ProgramRing/run(_:)`` calls this. Either way the step looks at the
/// completions, queues entries, and says how far the completions have to get before it is called again.
public protocol LoopStep: ~Copyable {
    /// Runs once.
    ///
    /// It may be called before the index is reached, because the kernel ends a wait for a signal and for every timeout that completes. So it
    /// has to look at what is there.
    ///
    /// - Parameters:
    ///   - ring: The ring. ``ProgramRing/context`` queues operations; they belong to no program.
    ///   - waitIndex: Which completion to wait for, counted as ``ProgramRing/completionIndex`` counts them; one that was taken already stands
    ///     for no wait.
    /// - Returns: Whether the loop goes on.
    /// - Throws: What ends the loop; ``ProgramRing/run(_:)`` throws it on.
    mutating func loopStep(_ ring: inout ProgramRing, waitIndex: inout UInt32) throws -> LoopDecision
}

/// The step that calls programs: each completion goes to the program that it is of.
///
/// It stops when the last program has finished and nothing is in flight any more.
public struct ProgramStep: LoopStep {
    private var isEnding = false

    /// Makes the step.
    public init() {}

    /// Calls programs until no completion is left.
    public mutating func loopStep(_ ring: inout ProgramRing, waitIndex: inout UInt32) throws -> LoopDecision {
        try ring.startPrograms()
        while let completion = ring.nextCompletion() {
            try ring.dispatch(completion)
            try ring.startPrograms()
        }
        if ring.context.programCount == 0 {
            if ring.context.inFlightCount == 0 { return .stop }
            if !isEnding {
                isEnding = true
                try ring.cancelAll()
            }
        }
        waitIndex = ring.completionIndex &+ 1
        return .continue
    }
}
