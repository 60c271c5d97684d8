// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import EventLoop
import Glibc
import Support
import SystemPackage
import URing

/// Shows each kind of event once.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show each kind of event: at once, at a time, for a signal, for a descriptor, and for an operation of the ring.",
        discussion: "Ctrl-C ends it, as a signal that the loop handles like others.")

    @Option(help: ArgumentHelp("What the loop waits for descriptors with: polls, registered or epoll.", valueName: "name"))
    var backend = BackendName.polls

    @Option(help: ArgumentHelp("How long a tick is.", valueName: "milliseconds"))
    var tick = 100

    func validate() throws {
        try ValidationError.check(tick, in: 1...60_000, "--tick")
    }

    func run() throws {
        var loop = try makeLoop(backend.backend)
        do {
            // A write to a closed pipe is an error here, and not the end.
            try loop.onSignal(SIGPIPE) { _, _ in }
            for signal in [SIGINT, SIGTERM] {
                try loop.onSignal(signal) { loop, _ in
                    say("Asked to end.\n")
                    loop.stop()
                }
            }
            let show = try Show()
            try show.begin(&loop, tick: .milliseconds(tick))
            try loop.run()
            if let failure = show.failure { throw failure }
        } catch let error as Errno {
            throw Failure("The loop failed: \(error)")
        }
    }
}

/// The steps of the demonstration, each of which sets off the next.
private final class Show {
    private let readEnd: UnownedDescriptor
    private let writeEnd: UnownedDescriptor
    private var pipe: DescriptorPair?
    private var readCount = 0
    private(set) var failure: Failure?

    init() throws(Errno) {
        let pipe = try DescriptorPair.pipe()
        readEnd = pipe.first.unowned
        writeEnd = pipe.second.unowned
        self.pipe = consume pipe
    }

    func begin(_ loop: inout EventLoop, tick: Duration) throws(Errno) {
        loop.schedule { _ in say("At once: before anything else.\n") }
        loop.schedule(after: tick) { _ in
            say("A timer, after a tick: it raises a signal.\n")
            raise(SIGUSR1)
        }
        try loop.onSignal(SIGUSR1) { [self] _, count in
            say("The signal was delivered \(count == 1 ? "once" : "\(count) times"): two bytes go into a pipe.\n")
            _ = try? writeEnd.fileDescriptor.writeAll([1, 2])
        }
        loop.watch(readEnd, for: .input) { [self] loop, watch, _ in readOne(&loop, watch) }
    }

    /// Reads less than there is: the handler is called again for the rest.
    private func readOne(_ loop: inout EventLoop, _ watch: Watch) {
        // The handler's own read is an operation of the ring; until it has its byte, there is nothing to be called for.
        loop.change(watch, to: [])
        loop.perform(Read(readEnd, into: Buffer(byteCapacity: 1))) { [self] loop, completed in
            let read = completed.result
            guard case .success(1) = read else { return end(&loop, Failure("Reading the pipe: \(read)")) }
            readCount += 1
            say("The pipe is ready, and a read of the ring got byte \(readCount) of it.\n")
            if readCount == 2 { closeReadEnd(&loop) } else { loop.change(watch, to: .input) }
        }
    }

    /// Closes an end while it is watched, and shows that nothing keeps it open.
    private func closeReadEnd(_ loop: inout EventLoop) {
        guard let pipe = pipe.take() else { return }
        loop.watch(readEnd, for: .input) { _, _, _ in say("Never said: this handler goes with the descriptor.\n") }
        let written = Write(pipe.second, from: Buffer(copying: [3]))
        do {
            try loop.close(pipe.first)
        } catch {
            return end(&loop, Failure("Closing the pipe: \(error)"))
        }
        loop.perform(written) { [self] loop, completed in
            let error = completed.result
            guard case .failure(.brokenPipe) = error else { return end(&loop, Failure("Writing to a closed pipe: \(error)")) }
            say("The other end is closed, and the writer knows: \(Errno.brokenPipe).\n")
            end(&loop, nil)
        }
    }

    private func end(_ loop: inout EventLoop, _ failure: Failure?) {
        self.failure = failure
        loop.stop()
    }
}
