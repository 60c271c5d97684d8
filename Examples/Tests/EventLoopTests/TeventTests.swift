// SPDX-License-Identifier: Apache-2.0

import CEventLoop
import EventLoop
import Foundation
import Glibc
import SystemPackage
import Testing
import URing

/// Row S0-1: what tevent's own tests of descriptors ask for, beside those in ``LoopOnceTests``.
@Suite(.timeLimit(.minutes(2))) struct TeventTests {
    /// The shape of `event_fd1`: the interest of one handler goes from writing to reading to nothing, three times, in which each call is for
    /// just what it was interested in; then the peer is closed, and it is called for what there is to read, up to the end and no further.
    @Test(arguments: backends, [EventLoop.Rearming.lazy, .eager])
    func s01AnInterestThatChangesWithEachCallIsTheOnlyOneCalledFor(_ backend: EventLoop.Backend, _ rearming: EventLoop.Rearming) throws {
        var loop = try EventLoop(backend: backend, rearming: rearming)
        let sockets = try DescriptorPair.sockets()
        let (own, peer) = (sockets.first.unowned, sockets.second.unowned)
        let log = Log<String>()
        var isDraining = false
        let watch = loop.watch(own, for: .output) { loop, watch, events in
            if isDraining {
                #expect(events.contains(.input))
                let byte = readByte(from: own)
                log.append(byte.map { "byte \($0)" } ?? "end")
                if byte == nil { loop.change(watch, to: []) }
            } else if events == .output {
                log.append("writable")
                try? write([7], to: peer)
                loop.change(watch, to: .input)
            } else {
                log.append(events == .input ? "readable" : "\(events)")
                loop.change(watch, to: [])
            }
        }
        // It is watched, and never called, since nothing is asked for.
        loop.watch(peer, for: []) { _, _, _ in log.append("peer") }

        for round in 1...3 {
            #expect(try loop.runReady() == 2)
            #expect(log.entries == ["writable", "readable"])
            log.entries = []
            // A time without interest, which the next timer ends.
            var isOver = false
            loop.schedule(after: .milliseconds(2)) { _ in isOver = true }
            #expect(try loop.loopOnce())
            #expect(isOver && log.entries.isEmpty)
            if round < 3 { loop.change(watch, to: .output) }
        }

        isDraining = true
        try loop.close(sockets.second)
        // A program that another test starts has the other end, too, for the moment between fork and exec.
        while !PollEvents(rawValue: event_loop_readiness(own.fileDescriptor.rawValue, 0)).contains(.hangUp) { usleep(100) }
        loop.change(watch, to: [.input, .output])
        #expect(try loop.runReady() == 4)
        #expect(log.entries == ["byte 7", "byte 7", "byte 7", "end"])
        #expect(try loop.runReady() == 0)
    }

    /// The shape of `event_fd2`: both ends of a connection are written to, byte by byte, until neither takes more, and then read byte by
    /// byte, by one handler each that is interested in both all the while.
    @Test(arguments: backends, [EventLoop.Rearming.lazy, .eager])
    func s01OneHandlerForBothDirectionsFillsAndEmptiesAConnection(_ backend: EventLoop.Backend, _ rearming: EventLoop.Rearming) throws {
        var loop = try EventLoop(backend: backend, rearming: rearming)
        let sockets = try DescriptorPair.sockets()
        let ends = [sockets.first.unowned, sockets.second.unowned]
        // Each has a byte to read from the beginning.
        var (written, read, isFull) = ([1, 1], [0, 0], [false, false])
        var watches: [Watch] = []
        for end in ends { try write([0], to: end) }
        for (own, peer) in [(0, 1), (1, 0)] {
            let handler = { (loop: inout EventLoop, watch: Watch, events: PollEvents) in
                #expect(events.contains(.input))
                if written[own] == 1 || read[peer] > written[own] * 9 / 10 { #expect(events == [.input, .output]) }
                if !isFull[own] {
                    if events.contains(.output) {
                        try? write([UInt8(truncatingIfNeeded: written[own])], to: ends[own])
                        written[own] += 1
                        return
                    }
                    isFull[own] = true
                    // The first that is full waits for the other.
                    loop.change(isFull[peer] ? watches[peer] : watch, to: isFull[peer] ? [.input, .output] : [])
                    if !isFull[peer] { return }
                }
                #expect(readByte(from: ends[own]) == UInt8(truncatingIfNeeded: read[own]))
                read[own] += 1
                if read[own] == written[peer] { loop.change(watch, to: .input) }
            }
            watches.append(loop.watch(ends[own], for: [.input, .output], handler))
        }
        while !isFull.contains(true) || read[0] < written[1] || read[1] < written[0] { try loop.loopOnce() }
        #expect(isFull == [true, true] && written.allSatisfy { $0 > 20 })
        #expect(try loop.runReady() == 0)
    }

    /// The shape of the `fd_speed` tests: bytes go through so many pipes, each with a handler that writes and one that reads.
    @Test(arguments: backends, [(EventLoop.Rearming.lazy, 1), (.lazy, 8), (.lazy, 64), (.eager, 1), (.eager, 8), (.eager, 64)])
    func s01BytesGoThroughPipesOneCallAtATime(_ backend: EventLoop.Backend, _ shape: (EventLoop.Rearming, pipeCount: Int)) throws {
        var loop = try EventLoop(backend: backend, rearming: shape.0)
        let pipes = try (0..<shape.pipeCount).map { _ in try Pipes.Pair() }
        defer { withExtendedLifetime(pipes) {} }
        var (written, read) = (0, 0)
        for pipe in pipes {
            loop.watch(pipe.writeEnd, for: .output) { _, _, _ in
                written += 1
                try? write([UInt8(truncatingIfNeeded: written)], to: pipe.writeEnd)
            }
            loop.watch(pipe.readEnd, for: .input) { _, _, events in
                #expect(events.contains(.input))
                if readByte(from: pipe.readEnd) != nil { read += 1 }
            }
        }
        for calls in 1...2000 {
            try loop.loopOnce()
            #expect(written + read == calls)
        }
        #expect(read > 500 && read <= written)
    }

    /// The same with one byte, which each of two handlers sends back, so that never more than one of them is ready; others are watched
    /// beside them, and are not called.
    @Test(arguments: backends, [(EventLoop.Rearming.lazy, 0), (.lazy, 64), (.eager, 0), (.eager, 64)])
    func s01AByteGoesToAndFroBesideIdleDescriptors(_ backend: EventLoop.Backend, _ shape: (EventLoop.Rearming, idleCount: Int)) throws {
        var loop = try EventLoop(backend: backend, rearming: shape.0)
        let sockets = try DescriptorPair.sockets()
        let idle = try (0..<shape.idleCount).map { _ in try Pipes.Pair() }
        defer { withExtendedLifetime(idle) {} }
        let log = Log<String>()
        for pipe in idle { loop.watch(pipe.readEnd, for: .input) { _, _, _ in log.append("idle") } }
        for (name, end) in [("fro", sockets.first.unowned), ("to", sockets.second.unowned)] {
            loop.watch(end, for: .input) { _, _, events in
                #expect(events == .input)
                log.append(name)
                if let byte = readByte(from: end) { try? write([byte], to: end) }
            }
        }
        try write([1], to: sockets.first.unowned)
        for calls in 1...1000 {
            try loop.loopOnce()
            #expect(log.entries.count == calls)
        }
        #expect(log.entries == (0..<500).flatMap { _ in ["to", "fro"] })
    }
}
