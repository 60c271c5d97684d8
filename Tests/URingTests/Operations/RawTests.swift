// SPDX-License-Identifier: Apache-2.0

import CLiburingReference
import CURing
import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct RawTests {
    @Test func anEntryReachesTheKernelFieldByField() {
        var fields = RawEntry(Opcode(rawValue: 0xa1))
        fields.flags = 0x12
        fields.ioPriority = 0x1314
        fields.fileDescriptor = 0x1516_1718
        fields.offset = 0x2122_2324_2526_2728
        fields.address = 0x3132_3334_3536_3738
        fields.length = 0x4142_4344
        fields.operationFlags = 0x5152_5354
        fields.bufferIndex = 0x6162
        fields.personality = 0x7172
        fields.fileIndex = 0x8182_8384
        fields.address3 = 0x9192_9394_9596_9798
        fields.lastWord = 0xa1a2_a3a4_a5a6_a7a8
        let expected = curing_sqe(
            opcode: 0xa1, flags: 0x12, ioprio: 0x1314, fd: 0x1516_1718, off: 0x2122_2324_2526_2728, addr: 0x3132_3334_3536_3738,
            len: 0x4142_4344, op_flags: 0x5152_5354, user_data: 0, buf_index: 0x6162, personality: 0x7172, file_index: 0x8182_8384,
            addr3: 0x9192_9394_9596_9798, pad2: 0xa1a2_a3a4_a5a6_a7a8)
        unsafe expectEncoding(of: RawOperation(fields)) { entry, _, _ in
            unsafe entry.storeBytes(of: expected, as: curing_sqe.self)
        }
        unsafe expectEncoding(of: RawMultishot(fields)) { entry, _, _ in
            unsafe entry.storeBytes(of: expected, as: curing_sqe.self)
        }
    }

    @Test func encodeLikeLiburing() {
        unsafe expectEncoding(of: RawOperation(RawEntry(.nop))) { entry, _, _ in unsafe reference_prep_nop(entry) }
        var poll = RawEntry(.pollAdd)
        poll.length = CURING_POLL_ADD_MULTI
        poll.operationFlags = PollEvents.input.rawValue
        let file = UnownedDescriptor(FileDescriptor(rawValue: 7))
        unsafe expectEncoding(of: RawMultishot(poll, on: file, owning: ())) { entry, _, _ in
            unsafe reference_prep_poll_multishot(entry, 7, PollEvents.input.rawValue)
        }
    }

    @Test func readsIntoMemoryThatItOwns() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        try ring.prepare(unsafe rawRead(from: pipe.first, into: Buffer(byteCapacity: 64)), tag: 1)
        try ring.submit()
        expectHeld(pipe.first)
        try write(9, to: pipe.second)
        let completed = try ring.nextCompletionWaiting().take(RawOperation<Buffer>.self)
        #expect(try completed.result.get().result == 1)
        var buffer = completed.operation.owned
        unsafe buffer.didInitialize(byteCount: 1)
        #expect(buffer.copyBytes() == [9])
    }

    @Test func anErrorIsAResult() throws {
        var ring = try Ring<Int>(entries: 8)
        let completed = try ring.run(unsafe RawOperation(RawEntry(Opcode(rawValue: 200))))
        #expect(try completed.result.get().errno == .invalidArgument)
    }

    @Test func asksASocketWithACommand() throws {
        // URING_CMD with SOCKET_URING_OP_GETSOCKOPT, which writes the socket's type to memory that the operation owns.
        let sockets = try DescriptorPair.sockets(.sequencedPacket)
        var ring = try Ring<Int>(entries: 8)
        var buffer = Buffer(byteCapacity: 4)
        var command = RawEntry(.uringCmd)
        command.offset = UInt64(CURING_SOCKET_OP_GETSOCKOPT)
        command.address = UInt64(SOL_SOCKET) | UInt64(SO_TYPE) << 32
        command.fileIndex = 4
        // SAFETY: the address is in the buffer's allocation, which the operation owns.
        command.address3 = unsafe UInt64(UInt(bitPattern: buffer.kernelRoom.baseAddress))
        let completed = try ring.run(unsafe RawOperation(command, on: sockets.first, owning: buffer))
        #expect(try completed.result.get().result == 4)
        var answer = completed.operation.owned
        unsafe answer.didInitialize(byteCount: 4)
        #expect(answer.copyBytes() == [UInt8(SocketType.sequencedPacket.rawValue), 0, 0, 0])
    }

    @Test func aMultishotGoesOnAndEnds() throws {
        let counter = try EventCounter()
        var ring = try Ring<Int>(entries: 8)
        var poll = RawEntry(.pollAdd)
        poll.length = CURING_POLL_ADD_MULTI
        poll.operationFlags = PollEvents.input.rawValue
        let token = try ring.prepare(unsafe RawMultishot(poll, on: counter, owning: Watched()), tag: 1)
        for _ in 0..<3 {
            try counter.add()
            guard case .more(let result) = try ring.nextCompletionWaiting().event(RawMultishot<Watched>.self) else {
                Issue.record("the poll ended")
                return
            }
            #expect(try result.get().result == Int32(PollEvents.input.rawValue))
        }
        try ring.prepare(Cancel(token), tag: 2)
        var seen: Set<Int> = []
        for _ in 0..<2 {
            let completion = try ring.nextCompletionWaiting()
            seen.insert(completion.tag)
            if completion.tag == 1 {
                guard case .finished(let completed) = completion.event(RawMultishot<Watched>.self) else {
                    Issue.record("the poll goes on")
                    return
                }
                #expect(completed.ending == .cancelled)
            }
        }
        #expect(seen == [1, 2])
        expectHeld(counter.descriptor, false)
    }

    @Test func whatItOwnsLivesUntilTheRingLetsGo() throws {
        let pipe = try DescriptorPair.pipe()
        var ring = try Ring<Int>(entries: 8)
        weak var watched: Watched?
        do {
            let owner = Watched()
            watched = owner
            var poll = RawEntry(.pollAdd)
            poll.operationFlags = PollEvents.input.rawValue
            try ring.prepare(unsafe RawOperation(poll, on: pipe.first, owning: owner), tag: 1)
            try ring.submit()
        }
        #expect(watched != nil)
        expectHeld(pipe.first)
        let leftovers = ring.close()
        #expect(leftovers.isEmpty)
        #expect(watched == nil)
        expectHeld(pipe.first, false)
    }

    @Test func skippingTheCompletionTraps() async {
        for way in 0..<4 {
            expectSentence(
                "A raw operation ends with its completion; leave IOSQE_CQE_SKIP_SUCCESS out of its flags.",
                of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [way = way as Int] in
                    var entry = RawEntry(.nop)
                    entry.flags = CURING_SQE_CQE_SKIP_SUCCESS
                    let file = UnownedDescriptor(FileDescriptor(rawValue: 0))
                    switch way {
                    case 0: _ = unsafe RawOperation(entry)
                    case 1: _ = unsafe RawOperation(entry, on: file, owning: ())
                    case 2: _ = unsafe RawMultishot(entry)
                    default: _ = unsafe RawMultishot(entry, on: file, owning: ())
                    }
                })
        }
    }

    @Test func sendingTheNotificationElsewhereTraps() async {
        for opcode in [Opcode.sendZeroCopy, .sendMessageZeroCopy] {
            expectSentence(
                "A zero-copy send ends with its notification, which needs the operation's own user data; leave address3 at zero.",
                of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { [opcode = opcode.rawValue as UInt8] in
                    var entry = RawEntry(Opcode(rawValue: opcode))
                    entry.address3 = 1
                    _ = unsafe RawMultishot(entry)
                })
        }
    }

    /// A poll that goes on, as nobody would say of a `RawOperation`.
    private static var repeatingPoll: RawEntry {
        var poll = RawEntry(.pollAdd)
        poll.length = CURING_POLL_ADD_MULTI
        poll.operationFlags = PollEvents.input.rawValue
        return poll
    }

    @Test func completingMoreThanOnceTraps() async {
        expectSentence(
            "More completions of this operation are to come; it has to be a multishot operation.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let counter = try EventCounter()
                try counter.add()
                var ring = try Ring<Int>(entries: 8)
                _ = try ring.run(unsafe RawOperation(RawTests.repeatingPoll, on: counter, owning: ()))
            })
    }

    @Test func takingTheLastCompletionBeforeAnEarlierOneTraps() async {
        expectSentence(
            "Take or drop the earlier completions of a multishot operation before its last one.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let counter = try EventCounter()
                try counter.add()
                var ring = try Ring<Int>(entries: 8)
                try ring.prepare(unsafe RawOperation(RawTests.repeatingPoll, on: counter, owning: ()), tag: 0)
                let first = try ring.nextCompletionWaiting()
                _ = try ring.cancelAll()
                _ = try ring.nextCompletionWaiting().take(RawOperation<Void>.self)
                drop(first)
            })
    }

    @Test func droppingACompletionWithMoreToComeTraps() async {
        expectSentence(
            "This raw operation completes more than once; prepare it as a RawMultishot.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let counter = try EventCounter()
                try counter.add()
                var ring = try Ring<Int>(entries: 8)
                try ring.prepare(unsafe RawOperation(RawTests.repeatingPoll, on: counter, owning: ()), tag: 0)
                drop(try ring.nextCompletionWaiting())
            })
    }

    /// A read as URing would encode it, by hand.
    @unsafe private func rawRead(from file: borrowing Descriptor, into buffer: consuming Buffer) -> RawOperation<Buffer> {
        var entry = RawEntry(.read)
        let room = unsafe buffer.kernelRoom
        entry.address = UInt64(UInt(bitPattern: room.baseAddress))
        entry.length = UInt32(room.count)
        entry.offset = .max
        // SAFETY: the address is in the buffer's allocation, which the operation owns.
        return unsafe RawOperation(entry, on: file, owning: buffer)
    }
}

/// Something whose end can be seen.
private final class Watched {}
