// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import URing

@Suite struct PollingThreadCountTests {
    @Test func countsEachEntryOnceThoughTheThreadHasNotTakenItYet() throws {
        var options = RingOptions()
        options.submissionPolling = .init(idle: .milliseconds(50))
        var ring = try Ring<Int>(entries: 256, options: options)
        var shown = 0
        for round in 1...200 {
            try ring.prepare(Nop(), tag: round)
            shown += try ring.submit().submitted
            let nothing = try ring.submit().submitted
            #expect(nothing == 0)
        }
        #expect(shown == 200)
        try ring.submit(waitingFor: 200, timeout: .seconds(10))
        #expect(ring.readyCount == 200)
    }
}
