// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// What programs, also of different rings, and the main loop tell each other.
public struct ProgramMessage: Sendable, Hashable {
    /// What the number is about, as sender and receiver agree.
    public var kind: UInt16
    /// A number.
    public var value: UInt32

    /// Makes a message.
    public init(kind: UInt16, value: UInt32 = 0) {
        self.kind = kind
        self.value = value
    }

    /// The bits of a message with the name of who sends it, or of whom it is for.
    func bits(with name: ProgramName) -> UInt64 {
        UInt64(name.rawValue) << 32 | UInt64(value)
    }

    init(bits: UInt64, label: UInt16) {
        self.init(kind: label, value: UInt32(truncatingIfNeeded: bits))
    }
}

extension ProgramName {
    init(bits: UInt64) {
        self.init(rawValue: UInt32(truncatingIfNeeded: bits >> 32))
    }
}

/// What a program had to tell the main loop: one completion in its queue.
public struct ProgramEvent: Sendable, Hashable {
    /// The program.
    public let program: ProgramName
    /// What it says.
    public let message: ProgramMessage
}

/// Where a program can be reached, from any thread.
public struct ProgramAddress: Sendable {
    let mailbox: RingHandle
    let program: ProgramName

    /// Sends a message from outside of any ring, with a system call; nobody gets it if the program has finished.
    ///
    /// Programs use ``ProgramContext/send(_:to:)``.
    ///
    /// - Throws: `EBADFD` if the ring has ended.
    public func send(_ message: ProgramMessage) throws(Errno) {
        try mailbox.send(message.bits(with: program), label: message.kind)
    }
}
