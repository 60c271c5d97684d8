// SPDX-License-Identifier: Apache-2.0

import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

/// What the kernel does behind a member of a soft chain that has failed: of some it takes no notice.
@Suite struct ChainFailureTests {
    /// What becomes of a member, and of a poll behind it that would wait for ever.
    private struct Outcome: Equatable {
        let errno: Errno?
        /// Whether the poll started, and only a cancellation ended it.
        let goesOn: Bool
        let isCutOff: Bool
    }

    private func outcome<Op: SingleShotOperation & ~Copyable>(
        _ options: PrepareOptions, _ make: () throws -> Op
    ) throws -> Outcome {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let waiting = try ring.link { chain in
            try chain.prepare(make(), tag: 0, options: options)
            return try chain.prepare(Poll(pipe.first, for: .input), tag: 1)
        }
        let errno = try ring.nextCompletionWaiting().entry.errno
        // It has started by the time that there is nothing to be done any more.
        try ring.processPending()
        try ring.prepareSkippingSuccess(Cancel(waiting))
        try ring.submit()
        let poll = try ring.nextCompletionWaiting().take(Poll.self)
        #expect(poll.entry.errno == .canceled)
        try ring.expectNoCompletion()
        return Outcome(errno: errno, goesOn: ring.unreportedFailureCount == 0, isCutOff: poll.cancelledByLink)
    }

    @Test(arguments: [PrepareOptions(), PrepareOptions(isAsynchronous: true)])
    func theKernelGoesOnBehindSomeThatFailAndNobodyIsSaidToBeCutOff(options: PrepareOptions) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("file", containing: [1])
        let file = try Descriptor(opening: path)
        let none = directory.path.appending("none")
        let other = directory.path.appending("other")
        let pipe = try DescriptorPair.pipe()
        var maker = try Ring<Int>(entries: 1)
        let unconnected = try maker.run(Socket(.ipv4, .stream)).result.get()
        var advice = RawEntry(.madvise)
        advice.address = 4096
        advice.length = 4096
        let outcomes: [(String, Outcome, Errno)] = [
            ("Fallocate", try outcome(options) { Fallocate(pipe.second, at: 0, byteCount: 1) }, .illegalSeek),
            ("SyncFileRange", try outcome(options) { SyncFileRange(pipe.second, flags: .write) }, .illegalSeek),
            ("madvise", try outcome(options) { unsafe RawOperation(advice) }, .noMemory),
            ("Statx", try outcome(options) { Statx(none) }, .noSuchFileOrDirectory),
            ("RenameAt", try outcome(options) { RenameAt(none, to: other) }, .noSuchFileOrDirectory),
            ("UnlinkAt", try outcome(options) { UnlinkAt(none) }, .noSuchFileOrDirectory),
            ("MkdirAt", try outcome(options) { MkdirAt(path) }, .fileExists),
            ("SymlinkAt", try outcome(options) { SymlinkAt(to: "a", at: path) }, .fileExists),
            ("LinkAt", try outcome(options) { LinkAt(none, to: other) }, .noSuchFileOrDirectory),
            ("SetXattr", try outcome(options) { SetXattr("user.none", of: none, to: Buffer(copying: [1])) }, .noSuchFileOrDirectory),
            ("FSetXattr", try outcome(options) { FSetXattr("user.none", of: file, to: Buffer(copying: [1]), flags: .replace) }, .noData),
            ("GetXattr", try outcome(options) { GetXattr("user.none", of: path, into: Buffer(byteCapacity: 8)) }, .noData),
            ("Shutdown", try outcome(options) { Shutdown(unconnected, .both) }, .socketNotConnected),
            ("FGetXattr", try outcome(options) { FGetXattr("user.none", of: file, into: Buffer(byteCapacity: 8)) }, .noData),
        ]
        for (name, outcome, errno) in outcomes {
            #expect(outcome == Outcome(errno: errno, goesOn: true, isCutOff: false), "\(name)")
        }
    }

    /// What the kernel refuses before it is carried out ends the chain, and what finds the same itself does not.
    @Test func whatIsRefusedEndsTheChain() throws {
        let nothing = UnownedDescriptor(FileDescriptor(rawValue: -1))
        let refused = try outcome(PrepareOptions()) { Fsync(nothing) }
        #expect(refused == Outcome(errno: .badFileDescriptor, goesOn: false, isCutOff: true))
        let events = try EventCounter()
        let failed = try outcome(PrepareOptions()) { Fsync(events) }
        #expect(failed.errno == .invalidArgument && failed.goesOn)
    }

    @Test func aWaitForAFutexThatIsCancelledCutsNobodyOff() throws {
        var ring = try Ring<Int>(entries: 8)
        let pipe = try DescriptorPair.pipe()
        let (futex, poll) = try ring.link { chain in
            let futex = try chain.prepare(FutexWait(FutexWord(1), while: 1), tag: 0)
            return (futex, try chain.prepare(Poll(pipe.first, for: .input), tag: 1))
        }
        try ring.submit()
        try ring.processPending()
        try ring.prepareSkippingSuccess(Cancel(futex))
        let cancelled = try ring.nextCompletionWaiting().take(futex)
        #expect(cancelled.entry.errno == .canceled && !cancelled.cancelledByLink)
        try ring.expectNoCompletion()
        try ring.prepareSkippingSuccess(Cancel(poll))
        let next = try ring.nextCompletionWaiting().take(poll)
        #expect(next.entry.errno == .canceled && !next.cancelledByLink)
    }

    @Test func aDatagramThatIsCutEndsTheChainOfAReceiveThatWaitsForAll() throws {
        var maker = try Ring<Int>(entries: 1)
        let receiver = try maker.run(Socket(.ipv4, .datagram)).result.get()
        try maker.run(Bind(receiver, to: .ipv4Loopback(port: 0))).result.get()
        let sender = try maker.run(Socket(.ipv4, .datagram)).result.get()
        let sent = try maker.run(SendTo(sender, from: Buffer(copying: [1, 2, 3, 4, 5, 6]), to: receiver.localAddress())).result.get()
        #expect(sent == 6)
        let cut = try outcome(PrepareOptions()) { Receive(receiver, into: Buffer(byteCapacity: 4), flags: .waitAll) }
        #expect(cut == Outcome(errno: nil, goesOn: false, isCutOff: true))
    }

    /// What fails by itself without ending the chain ends it all the same when it is cut off.
    @Test func whatIsCutOffCutsOffWhatIsBehindIt() throws {
        let sockets = try DescriptorPair.sockets()
        var ring = try Ring<Int>(entries: 8)
        #expect(shutdown(sockets.second.unowned.fileDescriptor.rawValue, Int32(SHUT_WR)) == 0)
        try ring.link { chain in
            try chain.prepare(Receive(sockets.first, into: Buffer(byteCapacity: 16), flags: .waitAll), tag: 0)
            try chain.prepare(FutexWait(FutexWord(1), while: 1), tag: 1)
            try chain.prepare(Statx("/"), tag: 2)
            try chain.prepare(Nop(), tag: 3)
        }
        let first = try ring.nextCompletionWaiting().entry
        #expect(first.result == 0 && first.flags.isDisjoint(with: .cancelledByLink))
        for _ in 1..<4 {
            let entry = try ring.nextCompletionWaiting().entry
            #expect(entry.errno == .canceled && entry.flags.contains(.cancelledByLink))
        }
    }
}
