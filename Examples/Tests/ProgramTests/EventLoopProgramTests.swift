// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite struct EventLoopProgramTests {
    @Test(arguments: ["polls", "registered", "epoll"]) func theDemonstrationShowsEachKindOfEvent(backend: String) throws {
        let outcome = try run("event-loop", "--backend", backend, "--tick", "1")
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        #expect(
            String(decoding: outcome.output, as: UTF8.self) == """
                At once: before anything else.
                A timer, after a tick: it raises a signal.
                The signal was delivered once: two bytes go into a pipe.
                The pipe is ready, and a read of the ring got byte 1 of it.
                The pipe is ready, and a read of the ring got byte 2 of it.
                The other end is closed, and the writer knows: Broken pipe.

                """)
    }

    @Test func loopsAreComparedOnPipes() throws {
        let outcome = try run("event-loop", "pipes", "--pipes", "1,3", "--calls", "500", "--rounds", "1")
        #expect(outcome.status == 0)
        #expect(outcome.errors == "")
        let output = String(decoding: outcome.output, as: UTF8.self)
        for line in ["1 pipe, 500 calls", "3 pipes, 500 calls", "C, epoll, one event at a time", "Swift, registered files, lazy"] {
            #expect(output.contains(line))
        }
        let refused = try run("event-loop", "pipes", "--pipes", "1,x")
        #expect(refused.status != 0)
        #expect(refused.errors.contains("--pipes must be numbers between 1 and 500"))
        let unknown = try run("event-loop", "pipes", "--loop", "Rust")
        #expect(unknown.status != 0)
        #expect(unknown.errors.contains("--loop must be a part of one of these names: \"C, poll\"; "))
    }
}
