// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import SystemPackage
import Testing

@testable import URing

@Suite struct NopTests {
    @Test func encodesLikeLiburing() {
        unsafe expectEncoding(of: Nop()) { entry, _, _ in unsafe reference_prep_nop(entry) }
    }

    @Test func goesRoundWithItsTag() throws {
        var ring = try Ring<Int>(entries: 8)
        for tag in 0..<100 {
            let token = try ring.prepare(Nop(), tag: tag)
            let submission = try ring.submit(waitingFor: 1)
            #expect(submission.submitted == 1)
            let completion = try ring.nextCompletionWaiting()
            #expect(completion.tag == tag)
            let completed = completion.take(token)
            #expect(try completed.result.get() == 0)
        }
    }

    @Test func answersWithTheInjectedResult() throws {
        var ring = try Ring<Int>(entries: 8)
        let number = try ring.run(InjectedNop(result: 17)).result.get()
        #expect(number == 17)
        let failed = try ring.run(InjectedNop(result: -Errno.outOfRange.rawValue)).entry.errno
        #expect(failed == .outOfRange)
    }
}
