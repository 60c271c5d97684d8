// SPDX-License-Identifier: Apache-2.0

import CPrograms
import CompletionPrograms
import Foundation
import Testing

@Suite struct CapabilityTests {
    @Test func s1_11_programsInTheProcessAreAlwaysAvailable() {
        let capabilities = ReactorCapabilities()
        #expect(capabilities.available.last == .userSpace)
        #expect(capabilities.obstacles[.userSpace] == nil)
    }

    @Test func s1_11_theKernelHasLoopStepsFromLinux7_1On() throws {
        let release = try String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)
        let version = release.split(whereSeparator: { !$0.isNumber }).prefix(2).compactMap { Int($0) }
        try #require(version.count == 2)
        let isOld = (version[0], version[1]) < (7, 1)
        let capabilities = ReactorCapabilities()
        if isOld { #expect(capabilities.obstacles[.loopStep] == "the kernel has no io_uring_bpf_ops") }
    }

    /// Whoever runs the test, the thread that asks has no rights.
    @Test func s1_11_whoHasNotTheRightToLoadProgramsHasThoseInTheProcessOnly() throws {
        try onThread {
            try #require(programs_give_up_rights() == 0)
            try #require(programs_try_tracepoint_program() < 0)
            let capabilities = ReactorCapabilities()
            #expect(capabilities.available == [.userSpace])
            #expect(Set(capabilities.obstacles.keys) == [.loopStep, .tracepointReactor])
        }
    }

    @Test func s1_11_whatTheKernelSaysOfItsTypesDecides() {
        let arguments = ["io_ring_ctx", nil, "io_uring_cqe"]
        let both = ReactorCapabilities(types: typeInformation(structures: ["io_uring_bpf_ops"], arguments: arguments), refusal: nil)
        #expect(both.available == [.loopStep, .tracepointReactor, .userSpace])
        let older = ReactorCapabilities(types: typeInformation(structures: ["io_uring_bpf"], arguments: arguments), refusal: nil)
        #expect(older.available == [.tracepointReactor, .userSpace])
        // As before Linux 6.6: the user data, the result and the flags in the place of the completion.
        let other = ReactorCapabilities(
            types: typeInformation(structures: ["io_uring_bpf_ops"], arguments: ["io_ring_ctx", nil, "io_kiocb"]), refusal: nil)
        #expect(other.available == [.loopStep, .userSpace])
        #expect(other.obstacles[.tracepointReactor] == "the tracepoint of completions has other arguments")
        let refused = ReactorCapabilities(
            types: typeInformation(structures: ["io_uring_bpf_ops"], arguments: arguments), refusal: .notPermitted)
        #expect(refused.available == [.userSpace])
    }

    @Test func s1_11_whatIsCutOffOrGarbledIsNotAvailableAndTrapsNowhere() {
        let whole = typeInformation(structures: ["io_uring_bpf_ops"], arguments: ["io_ring_ctx", nil, "io_uring_cqe"])
        for count in 0..<whole.count {
            #expect(ReactorCapabilities(types: Array(whole[..<count]), refusal: nil).available == [.userSpace])
        }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var garbled = whole
            for _ in 0..<4 { garbled[.random(in: 0..<whole.count, using: &generator)] = .random(in: 0...255, using: &generator) }
            #expect(ReactorCapabilities(types: garbled, refusal: nil).available.last == .userSpace)
        }
    }

    /// Type information with structures and a tracepoint, whose arguments are pointers to structures, or to nothing.
    private func typeInformation(structures: [String], arguments: [String?]) -> [UInt8] {
        var names: [UInt8] = [0]
        var types: [UInt32] = []
        var count: UInt32 = 0
        func add(_ name: String?, kind: UInt32, count members: Int = 0, _ rest: UInt32...) -> UInt32 {
            var offset: UInt32 = 0
            if let name {
                offset = UInt32(names.count)
                names += Array(name.utf8) + [0]
            }
            types += [offset, kind << 24 | UInt32(members)] + rest
            count += 1
            return count
        }
        for structure in structures { _ = add(structure, kind: 4, count: 1, 8, 0, 0, 0) }
        let pointers = [nil] + arguments
        let parameters = pointers.map { name in add(nil, kind: 2, name.map { add($0, kind: 4, 0) } ?? 0) }
        let prototype = add(nil, kind: 13, count: parameters.count, 0)
        for parameter in parameters { types += [0, parameter] }
        _ = add("btf_trace_io_uring_complete", kind: 8, add(nil, kind: 2, prototype))
        let header = [0x0001_eb9f, 24, 0, UInt32(types.count * 4), UInt32(types.count * 4), UInt32(names.count)] as [UInt32]
        return (header + types).flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } } + names
    }
}
