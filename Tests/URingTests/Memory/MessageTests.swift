// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct MessageTests {
    private let type = ControlMessageType(level: 100, number: 200)

    @Test func holdsBuffers() {
        var message = Message(segmentCapacity: 2)
        #expect(message.segmentCount == 0 && message.segmentCapacity == 2 && message.byteCount == 0 && message.address == nil)
        message.append(Buffer(copying: [1, 2]))
        message.append(Buffer(byteCapacity: 4))
        message.withSegment(1) { $0.append(repeating: 9, count: 3) }
        #expect(message.byteCount == 5)
        #expect(message.bytes(ofSegment: 1).byteCount == 3)
        message.address = .unixUnnamed
        #expect(message.address == .unixUnnamed)
        message.address = nil
        #expect(message.address == nil)
        let last = message.removeLast()?.copyBytes()
        #expect(last == [9, 9, 9])
        let first = message.removeLast()?.copyBytes()
        #expect(first == [1, 2])
        let none = message.removeLast()?.copyBytes()
        #expect(none == nil && message.segmentCount == 0)
        message.append(Buffer(copying: [3]))
        #expect(message.byteCount == 1)
    }

    @Test func countsControlDataAsTheSystemDoes() {
        // CMSG_SPACE on a 64-bit machine.
        #expect(Message.controlByteCount(forPayload: 0) == 16)
        #expect(Message.controlByteCount(forPayload: 1) == 24)
        #expect(Message.controlByteCount(forPayload: 8) == 24)
        #expect(Message.controlByteCount(forDescriptors: 3) == 32)
    }

    @Test func readsBackTheControlMessagesItWasGiven() {
        var message = Message(controlByteCapacity: 1000)
        for count in [0, 1, 7, 8, 9, 100] { message.appendControlMessage(type, Buffer(copying: pattern(count)).bytes) }
        var counts: [Int] = []
        message.forEachControlMessage { type, payload in
            #expect(type == self.type)
            counts.append(payload.byteCount)
        }
        #expect(counts == [0, 1, 7, 8, 9, 100])
        message.removeControlMessages()
        #expect(message.controlByteCount == 0)
        message.forEachControlMessage { _, _ in Issue.record("There should be none.") }
    }

    @Test func stopsAtControlDataThatIsNotWellFormed() {
        let message = Message(controlByteCapacity: 48)
        // The counts that a header may claim in 40 bytes of data: less than a header, more than is left, absurd ones.
        for (claimed, seen) in [(0, 0), (15, 0), (16, 2), (24, 2), (25, 1), (40, 1), (41, 0), (Int.max, 0), (-1, 0), (Int.min, 0)] {
            unsafe message.state.pointee.controlCount = 40
            unsafe message.state.pointee.isReceived = true
            unsafe message.control.initializeMemory(as: UInt8.self, repeating: 0, count: 48)
            unsafe message.control.storeBytes(of: claimed, as: Int.self)
            // A second header follows where the first one says that it ends.
            for next in [16, 24] { unsafe (message.control + next).storeBytes(of: 16, as: Int.self) }
            var count = 0
            message.forEachControlMessage { _, payload in
                #expect(payload.byteCount <= 24)
                count += 1
            }
            #expect(count >= seen && (seen > 0 || count == 0), "claimed \(claimed)")
        }
    }

    @Test func holdsDescriptorsUntilItIsDropped() throws {
        let pair = try DescriptorPair.pipe()
        do {
            var message = Message(controlByteCapacity: 72)
            message.appendDescriptor(pair.first)
            message.appendControlMessage(type, Buffer(copying: [1]).bytes)
            message.appendDescriptor(pair.first)
            #expect(message.controlByteCount == 72)
            #expect(pair.first.isHeld == true)
            message.removeControlMessages()
            #expect(pair.first.isHeld == false)
            message.appendDescriptor(pair.first)
            // What it holds to be sent is not for taking, and not for looking at.
            let isEmpty = message.takeDescriptor() == nil
            #expect(isEmpty)
            message.forEachControlMessage { _, _ in Issue.record("Descriptors are not shown.") }
        }
        #expect(pair.first.isHeld == false)
    }

    @Test func trapsOnMisuse() async {
        expectSentence(
            "A message can carry no more than 253 descriptors.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var message = Message(controlByteCapacity: 1 << 14)
                for _ in 0...253 { message.appendDescriptor(UnownedDescriptor.standardInput) }
            })
        expectSentence(
            "A direct descriptor has no number in the process; install it as a normal one first.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var ring = try Ring<Int>(entries: 8)
                let table = try ring.makeFileTable(count: 4)
                var message = Message(controlByteCapacity: 100)
                message.appendDescriptor(FileInDisguise(file: DirectDescriptor(received: 3, in: table.state).hold()))
            })
        expectSentence(
            "The payload of a control message can have from 0 bytes to 1 MiB.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Message.controlByteCount(forPayload: -1)
            })
        expectSentence(
            "A message can have from 1 to 1024 buffers.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Message(segmentCapacity: 0) })
        expectSentence(
            "A message can have from 1 to 1024 buffers.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Message(segmentCapacity: 1025) })
        expectSentence(
            "Room for control data can be from 0 to 1 MiB.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) { _ = Message(controlByteCapacity: -1) })
        expectSentence(
            "The message has as many buffers as it can; make it with a larger segmentCapacity.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var message = Message(Buffer(byteCapacity: 1))
                message.append(Buffer(byteCapacity: 1))
            })
        expectSentence(
            "The message does not have so many buffers.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = Message().bytes(ofSegment: 0).byteCount
            })
        expectSentence(
            "The control data does not fit; make the message with more controlByteCapacity.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var message = Message(controlByteCapacity: 23)
                message.appendControlMessage(ControlMessageType(level: 1, number: 99), Buffer(copying: [1]).bytes)
            })
        expectSentence(
            "Send descriptors with appendDescriptor(_:), which keeps them open until they are sent.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var message = Message(controlByteCapacity: 100)
                message.appendControlMessage(.descriptors, Buffer(copying: [1, 0, 0, 0]).bytes)
            })
        expectSentence(
            "The descriptor does not fit; make the message with more controlByteCapacity.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                var message = Message(controlByteCapacity: 24)
                for _ in 0..<3 { message.appendDescriptor(UnownedDescriptor.standardInput) }
            })
    }
}

/// A client's own kind of file that claims to have a number.
private struct FileInDisguise: NumberedFileResource, ~Copyable {
    let file: FileHold

    func hold() -> FileHold { file.hold() }
}
