// SPDX-License-Identifier: Apache-2.0

import CompletionPrograms
import Synchronization
import URing

/// Where programs learn of each other that are started on different threads.
public final class Rendezvous: Sendable {
    private let addresses = Mutex<[ProgramAddress]>([])

    /// Makes an empty one.
    public init() {}

    /// Adds an address.
    public func add(_ address: ProgramAddress) {
        addresses.withLock { $0.append(address) }
    }

    /// The address that was added as this one, counted from zero.
    public subscript(index: Int) -> ProgramAddress { addresses.withLock { $0[index] } }
}

/// One of two programs that send each other messages, on one ring or on two.
///
/// The numbers in the messages count up. Whoever gets one that is not the next throws, so that none is lost, doubled, or out of order.
public final class PingPongProgram: CompletionProgram {
    /// The first message, from whoever started the two.
    public static let serve: UInt16 = 1
    /// Each message between them.
    public static let ball: UInt16 = 2
    /// What each posts at the end: how many messages it got from the other.
    public static let ended: UInt16 = 3

    private let messageCount: UInt32
    private let peer: () -> ProgramAddress
    private var received: UInt32 = 0
    /// The number in the message that this one has sent last.
    private var last: UInt32 = 0

    /// Makes a player.
    ///
    /// - Parameters:
    ///   - messageCount: How many messages the two send altogether.
    ///   - peer: Where the other is.
    public init(messageCount: UInt32, peer: @escaping () -> ProgramAddress) {
        self.messageCount = messageCount
        self.peer = peer
    }

    public func start(in context: inout ProgramContext) {}

    /// Has no operations.
    public func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) {}

    public func received(_ message: ProgramMessage, in context: inout ProgramContext) throws {
        if message.kind == PingPongProgram.ball {
            received += 1
            guard message.value == last + 1 else {
                throw PingPongError(expected: last + 1, received: message.value)
            }
        }
        if message.value < messageCount {
            last = message.value + 1
            try context.send(ProgramMessage(kind: PingPongProgram.ball, value: last), to: peer())
        }
        // The one who gets the last message, and the one who sent it.
        if message.value + 1 >= messageCount {
            try context.post(ProgramMessage(kind: PingPongProgram.ended, value: received))
            context.finish()
        }
    }
}

/// A message that is not the one after the last.
public struct PingPongError: Error, CustomStringConvertible {
    let expected: UInt32
    let received: UInt32

    /// The error in words.
    public var description: String { "message \(received) came in the place of message \(expected)" }
}
