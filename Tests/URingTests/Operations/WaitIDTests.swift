// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CTestSupport
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct WaitIDTests {
    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: WaitID(.any)) { entry, _, info in
            unsafe reference_prep_waitid(entry, 0, 0, info, WEXITED, 0)
        }
        unsafe expectEncoding(of: WaitID(.process(1234), [.exited, .noWait])) { entry, _, info in
            unsafe reference_prep_waitid(entry, 1, 1234, info, WEXITED | WNOWAIT, 0)
        }
        unsafe expectEncoding(of: WaitID(.processGroup(99), [.stopped, .continued, .noHang])) { entry, _, info in
            unsafe reference_prep_waitid(entry, 2, 99, info, WSTOPPED | WCONTINUED | WNOHANG, 0)
        }
        unsafe expectEncoding(of: WaitID(UnownedDescriptor(FileDescriptor(rawValue: 7)))) { entry, _, info in
            unsafe reference_prep_waitid(entry, 3, 7, info, WEXITED, 0)
        }
    }

    @Test(arguments: RingKind.allCases) func waitsForAChildToEnd(kind: RingKind) throws {
        try withRing(kind) { ring in
            let child = try Child()
            let token = try ring.prepare(WaitID(.process(child.number)), tag: 3)
            try ring.submit()
            try ring.expectNoCompletion()
            try child.exit(status: 42)
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == 3)
            let status = try completion.take(token).result.get()
            #expect(status?.process == child.number && status?.user == getuid() && status?.change == .exited(status: 42))
            #expect(child.isGone)
        }
    }

    @Test func tellsHowAChildStopsGoesOnAndIsKilled() throws {
        var ring = try Ring<Int>(entries: 8)
        let child = try Child()
        let all: WaitIDFlags = [.exited, .stopped, .continued]
        kill(child.number, SIGSTOP)
        #expect(try ring.run(WaitID(.process(child.number), all)).result.get()?.change == .stopped(signal: SIGSTOP))
        kill(child.number, SIGCONT)
        #expect(try ring.run(WaitID(.process(child.number), all)).result.get()?.change == .continued)
        kill(child.number, SIGKILL)
        let change = try ring.run(WaitID(.process(child.number), all)).result.get()?.change
        #expect(change == .killed(signal: SIGKILL, dumpedCore: false))
    }

    @Test func readsEveryCodeOfTheKernel() {
        func change(_ code: Int) -> ChildStatus.Change {
            var info = curing_siginfo()
            info.code = Int32(code)
            info.status = 11
            return ChildStatus(info).change
        }
        #expect(change(CLD_EXITED) == .exited(status: 11))
        #expect(change(CLD_KILLED) == .killed(signal: 11, dumpedCore: false))
        #expect(change(CLD_DUMPED) == .killed(signal: 11, dumpedCore: true))
        #expect(change(CLD_TRAPPED) == .other(code: Int32(CLD_TRAPPED), status: 11))
        #expect(change(CLD_STOPPED) == .stopped(signal: 11))
        #expect(change(CLD_CONTINUED) == .continued)
    }

    @Test func waitsForTheChildOfADescriptorWhichItKeepsOpen() throws {
        var ring = try Ring<Int>(entries: 8)
        let child = try Child()
        let descriptor = try child.descriptor()
        let number = descriptor.unowned.fileDescriptor.rawValue
        try ring.prepare(WaitID(descriptor), tag: 0)
        drop(descriptor)
        // The number is this file's still, so that no other gets it before the kernel has looked.
        #expect(target(of: number)?.contains("pidfd") == true)
        try ring.submit()
        try ring.expectNoCompletion()
        try child.exit(status: 1)
        #expect(try ring.nextCompletionWaiting().take(WaitID.self).result.get()?.change == .exited(status: 1))
    }

    @Test func waitsForAProcessGroup() throws {
        var ring = try Ring<Int>(entries: 8)
        let child = try Child()
        try #require(setpgid(child.number, child.number) == 0)
        try ring.prepare(WaitID(.processGroup(child.number)), tag: 0)
        try ring.submit()
        try ring.expectNoCompletion()
        try child.exit(status: 2)
        let status = try ring.nextCompletionWaiting().take(WaitID.self).result.get()
        #expect(status?.process == child.number && status?.change == .exited(status: 2))
    }

    /// In a process of its own, which has no other children.
    @Test func waitsForAnyChild() async {
        await #expect(processExitsWith: .success) {
            var ring = try Ring<Int>(entries: 8)
            let first = try Child()
            let second = try Child()
            try second.exit(status: 3)
            var status = try ring.run(WaitID(.any)).result.get()
            #expect(status?.process == second.number && status?.change == .exited(status: 3))
            try first.exit(status: 4)
            status = try ring.run(WaitID(.any)).result.get()
            #expect(status?.process == first.number && status?.change == .exited(status: 4))
            let errno = try ring.run(WaitID(.any)).entry.errno
            #expect(errno == .noChildProcess)
        }
    }

    @Test func tellsNothingWhenThereIsNothingToTellAndItIsNotToWait() throws {
        var ring = try Ring<Int>(entries: 8)
        let child = try Child()
        let now = try ring.run(WaitID(.process(child.number), [.exited, .noHang])).result.get()
        #expect(now?.process == nil)
        let nonBlocking = try ring.run(WaitID(child.descriptor(isNonBlocking: true))).result.get()
        #expect(nonBlocking?.process == nil)
    }

    @Test func leavesTheChildToBeWaitedForAgainWhenAsked() throws {
        var ring = try Ring<Int>(entries: 8)
        let child = try Child()
        try child.exit(status: 5)
        let first = try ring.run(WaitID(.process(child.number), [.exited, .noWait])).result.get()
        #expect(first?.change == .exited(status: 5))
        #expect(!child.isGone)
        #expect(try ring.run(WaitID(.process(child.number))).result.get()?.change == .exited(status: 5))
        #expect(child.isGone)
    }

    @Test func reportsTheKernelsErrors() throws {
        var ring = try Ring<Int>(entries: 8)
        // The process is not its own child.
        #expect(throws: Errno.noChildProcess) { try ring.run(WaitID(.process(getpid()))).result.get() }
        #expect(throws: Errno.invalidArgument) { try ring.run(WaitID(.process(getpid()), .noHang)).result.get() }
        let pipe = try DescriptorPair.pipe()
        #expect(throws: Errno.badFileDescriptor) { try ring.run(WaitID(pipe.first)).result.get() }
    }

    @Test func aCancelledWaitLeavesTheChild() throws {
        var ring = try Ring<Int>(entries: 8)
        let child = try Child()
        let token = try ring.prepare(WaitID(.process(child.number)), tag: 1)
        try ring.submit()
        try ring.expectNoCompletion()
        try ring.prepare(Cancel(token), tag: 2)
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            if completion.tag == 1 {
                let errno = completion.take(token).entry.errno
                #expect(errno == .canceled)
            } else {
                let outcome = try completion.take(Cancel.self).result.get()
                #expect(outcome == .found)
            }
        }
        #expect(ring.inFlightCount == 0)
        try child.exit(status: 6)
        #expect(try ring.run(WaitID(.process(child.number))).result.get()?.change == .exited(status: 6))
    }

    @Test(arguments: [RingOptions.recommended, RingOptions()])
    func droppingTheRingLetsGoOfTheDescriptorAndLeavesTheChild(options: RingOptions) throws {
        let child = try Child()
        let descriptor = try child.descriptor()
        do {
            var ring = try Ring<Int>(entries: 8, options: options)
            try ring.prepare(WaitID(descriptor), tag: 1)
            try ring.submit()
            expectHeld(descriptor)
            let leftovers = ring.close()
            #expect(leftovers.isEmpty)
        }
        expectHeld(descriptor, false)
        #expect(!child.isGone)
    }

    /// The kernel writes what it has to tell long after the entry is consumed, and never after the completion.
    @Test func theKernelsAnswersGoToTheirOwnOperations() throws {
        var ring = try Ring<Int>(entries: 32)
        var children: [Child] = []
        for tag in 0..<16 {
            let child = try Child()
            try ring.prepare(WaitID(.process(child.number)), tag: tag)
            children.append(child)
        }
        try ring.submit()
        for tag in (0..<16).reversed() { try children[tag].exit(status: UInt8(tag)) }
        for _ in 0..<16 {
            let completion = try ring.nextCompletionWaiting()
            let tag = completion.tag
            let status = try completion.take(WaitID.self).result.get()
            #expect(status?.process == children[tag].number && status?.change == .exited(status: Int32(tag)))
        }
    }

    @Test func aDirectDescriptorTraps() async {
        expectSentence(
            "A direct descriptor has no number in the process",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let table = try ring.makeFileTable(count: 1)
                let pipe = try DescriptorPair.pipe()
                let direct = try ring.run(RegisterDescriptor(pipe.first, into: table.anySlot)).result.get()
                try ring.prepare(WaitID(.descriptor(direct.hold())), tag: 0)
            })
    }

    /// The timeout has cancelled it, which the kernel says with another number than of other operations.
    @Test(arguments: RingKind.allCases) func aWaitWhoseTimeIsUpSaysSo(kind: RingKind) throws {
        let child = try Child()
        try withRing(kind) { ring in
            try ring.prepare(WaitID(.process(child.number)), tag: 1, timeout: .after(.milliseconds(5)))
            let entry = try ring.nextCompletionWaiting().entry
            #expect(entry.errno == .canceled && entry.flags == .timedOut)
            #expect(ring.inFlightCount == 0)
        }
    }
}

/// A child process that exits when it is told to, and goes with this value.
private final class Child {
    let number: Int32
    private let control: Descriptor

    init() throws {
        let pipe = try DescriptorPair.pipe()
        let child = test_start_child(pipe.first.unowned.fileDescriptor.rawValue)
        guard child > 0 else { throw Errno(rawValue: -child) }
        number = child
        control = pipe.second
    }

    deinit {
        guard !isGone else { return }
        kill(number, SIGKILL)
        _ = waitpid(number, nil, 0)
    }

    func exit(status: UInt8) throws {
        try write(status, to: control)
    }

    /// Whether it has been waited for.
    var isGone: Bool { kill(number, 0) != 0 }

    func descriptor(isNonBlocking: Bool = false) throws -> Descriptor {
        try Descriptor.process(number, isNonBlocking: isNonBlocking)
    }
}
