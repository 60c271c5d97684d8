// SPDX-License-Identifier: Apache-2.0

import CPrograms
import Foundation
import SystemPackage

/// Where completion programs can run on this machine, for this process.
public struct ReactorCapabilities: Sendable, CustomStringConvertible {
    /// A way to run completion programs.
    public enum Reactor: String, Sendable, CaseIterable {
        /// In the kernel, as a BPF program that the ring's wait loop calls: `io_uring_bpf_ops.loop_step` (Linux 7.1).
        case loopStep
        /// In the kernel, as a BPF program at the tracepoint of completions, with the ring's memory in a BPF map.
        case tracepointReactor
        /// In the process, on a thread of its own: what ``MainLoop/start(entries:options:_:)`` does.
        case userSpace
    }

    /// Why a reactor is not available; those that are have no entry.
    public let obstacles: [Reactor: String]

    /// Asks the kernel.
    ///
    /// It loads nothing that stays, attaches nothing, and fails for nothing: what the process may not find out is not available.
    public init() {
        let types = try? Data(contentsOf: URL(fileURLWithPath: "/sys/kernel/btf/vmlinux"))
        let status = programs_try_tracepoint_program()
        self.init(types: types.map { [UInt8]($0) } ?? [], refusal: status < 0 ? Errno(rawValue: -status) : nil)
    }

    /// Concludes from what a kernel says of its types.
    ///
    /// - Parameters:
    ///   - types: What is in `/sys/kernel/btf/vmlinux`.
    ///   - refusal: Why the process may not load BPF programs, if it may not.
    public init(types: [UInt8], refusal: Errno?) {
        var obstacles: [Reactor: String] = [:]
        if let refusal {
            for reactor in [Reactor.loopStep, .tracepointReactor] {
                obstacles[reactor] = "the process may not load BPF programs: \(refusal)"
            }
        }
        let types = TypeInformation(types)
        if types?.hasStructure("io_uring_bpf_ops") != true { obstacles[.loopStep] = "the kernel has no io_uring_bpf_ops" }
        if types == nil {
            obstacles[.tracepointReactor] = "the kernel does not describe its types"
        } else if types?.hasCompletionTracepoint != true {
            obstacles[.tracepointReactor] = "the tracepoint of completions has other arguments"
        }
        self.obstacles = obstacles
    }

    /// What there is, the fastest first; the last is always ``Reactor/userSpace``.
    public var available: [Reactor] {
        Reactor.allCases.filter { obstacles[$0] == nil }
    }

    /// A line for each.
    public var description: String {
        Reactor.allCases.map { "\($0.rawValue): \(obstacles[$0].map { "no, \($0)" } ?? "yes")" }.joined(separator: "\n")
    }
}
