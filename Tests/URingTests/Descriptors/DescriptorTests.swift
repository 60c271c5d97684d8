// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

@Suite struct DescriptorTests {
    @Test func closesNowWhenNothingHoldsIt() throws {
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        let isClosed = try first.close()
        #expect(isClosed && peerGoes(second))
    }

    @Test func closesWithTheLastHold() throws {
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        var one: FileHold? = first.hold()
        var two: FileHold? = one?.hold()
        #expect(first.isHeld == true)
        let isClosed = try first.close()
        #expect(!isClosed && !isPeerGone(second))
        one = nil
        #expect(one == nil && !isPeerGone(second))
        two = nil
        #expect(two == nil && peerGoes(second))
    }

    @Test func goesToAnotherThread() throws {
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        var transferred: TransferableDescriptor? = first.transfer()
        var count: Int?
        send([1, 2, 3], to: second)
        onAnotherThread {
            guard let transferred = transferred.take(), var ring = try? Ring<Int>(entries: 8) else { return }
            let descriptor = Descriptor(transferred)
            count = try? ring.run(Read(descriptor, into: Buffer(byteCapacity: 8))).entry.count.get()
        }
        #expect(count == 3 && peerGoes(second))
    }

    @Test func aTransferThatIsDroppedCloses() throws {
        let pair = try DescriptorPair.sockets()
        let first = pair.first
        let second = pair.second
        let transferred = first.transfer()
        #expect(isPeerGone(second) == false)
        _ = consume transferred
        #expect(peerGoes(second) == true)
    }

    @Test func transferringWhatIsHeldTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            let descriptor = try Descriptor(opening: "/dev/null")
            let hold = descriptor.hold()
            _ = descriptor.transfer()
            _ = hold
        }
        expectSentence(
            "An operation still has this descriptor; cancel it, take its completion, and drop what came back first.", of: result)
    }

    @Test func aProcessThatIsNotThereCannotBeOpened() throws {
        for (number, error) in [(Int32.max, Errno.noSuchProcess), (0, .invalidArgument), (-1, .invalidArgument)] {
            do throws(Errno) {
                _ = try Descriptor.process(number)
                Issue.record("There is no process \(number).")
            } catch let caught {
                #expect(caught == error)
            }
        }
    }

    @Test func setsAndProcessesAreClosedOnExec() throws {
        let set = try Descriptor.epollSet()
        let process = try Descriptor.process(getpid())
        for number in [set.unowned.fileDescriptor.rawValue, process.unowned.fileDescriptor.rawValue] {
            #expect(fcntl(number, F_GETFD) == FD_CLOEXEC)
        }
    }
}
