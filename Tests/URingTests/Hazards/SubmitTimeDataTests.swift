// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import Testing

@testable import URing

/// M8: what the kernel reads when it consumes an entry lies in the slot, not on a stack that has gone on meanwhile.
@Suite struct SubmitTimeDataTests {
    @Test func aTimePreparedInADeepCallIsReadMuchLater() throws {
        var ring = try Ring<Int>(entries: 8)
        let start = monotonicTime()
        for tag in 0..<8 { try prepareDeep(&ring, tag: tag, depth: 2) }
        scribble(depth: 200)
        try ring.submit()
        scribble(depth: 200)
        try expectAllExpire(&ring, count: 8, start: start)
    }

    @Test func aTimeIsReadByAPollingThreadAfterSubmitReturned() throws {
        var options = RingOptions()
        options.submissionPolling = .init(idle: .milliseconds(50))
        var ring = try Ring<Int>(entries: 8, options: options)
        for _ in 0..<20 {
            let start = monotonicTime()
            for tag in 0..<8 { try prepareDeep(&ring, tag: tag, depth: 2) }
            try ring.submit()
            scribble(depth: 200)
            try expectAllExpire(&ring, count: 8, start: start)
        }
    }

    @Test func aLinkedTimeIsReadByAPollingThreadAfterSubmitReturned() throws {
        var options = RingOptions()
        options.submissionPolling = .init(idle: .milliseconds(50))
        var ring = try Ring<Int>(entries: 8, options: options)
        let pipe = try DescriptorPair.pipe()
        for _ in 0..<20 {
            let start = monotonicTime()
            for tag in 0..<8 { try prepareDeep(&ring, pollOf: pipe.first, tag: tag, depth: 2) }
            try ring.submit()
            scribble(depth: 200)
            for _ in 0..<8 {
                let completed = try ring.nextCompletionWaiting().take(Poll.self)
                #expect(completed.timedOut == true)
                #expect(monotonicTime() - start >= .milliseconds(5))
            }
        }
    }

    @Test func theEntryPointsIntoTheSlot() {
        unsafe expectEncoding(of: Timeout(after: .seconds(1))) { entry, operation, time in
            unsafe entry.storeBytes(of: Opcode.timeout.rawValue, as: UInt8.self)
            unsafe entry.storeBytes(of: -1, toByteOffset: 4, as: Int32.self)
            unsafe entry.storeBytes(of: UInt64(UInt(bitPattern: time)), toByteOffset: 16, as: UInt64.self)
            unsafe entry.storeBytes(of: 1, toByteOffset: 24, as: UInt32.self)
        }
    }

    private func expectAllExpire(_ ring: inout Ring<Int>, count: Int, start: Duration) throws {
        for _ in 0..<count {
            let outcome = try ring.nextCompletionWaiting().take(Timeout.self).result.get()
            #expect(outcome == .expired)
            // What a stack holds after it was overwritten would be a time in the past, or of years, or no time at all.
            #expect(monotonicTime() - start >= .milliseconds(5))
        }
    }

    @inline(never)
    private func prepareDeep(_ ring: inout Ring<Int>, tag: Int, depth: Int) throws {
        if depth > 0 { return try prepareDeep(&ring, tag: tag, depth: depth - 1) }
        try ring.prepare(Timeout(after: .milliseconds(5)), tag: tag)
    }

    @inline(never)
    private func prepareDeep(_ ring: inout Ring<Int>, pollOf file: borrowing Descriptor, tag: Int, depth: Int) throws {
        if depth > 0 { return try prepareDeep(&ring, pollOf: file, tag: tag, depth: depth - 1) }
        try ring.prepare(Poll(file, for: .input), tag: tag, timeout: .after(.milliseconds(5)))
    }

    /// Overwrites the stack below this call.
    @inline(never) @discardableResult
    private func scribble(depth: Int) -> Int {
        let bytes = InlineArray<512, UInt8>(repeating: 0xff)
        return depth == 0 ? Int(bytes[depth]) : scribble(depth: depth - 1) + Int(bytes[depth])
    }
}
