// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// What runs when an operation completes that it has queued.
///
/// A program is attached to a ring with ``ProgramContext/attach(_:)``. From then on it is called for what happens to it, and each call
/// runs to its end before the ring calls this or another program: what programs of one ring share needs no lock. A call queues operations
/// and sends messages, and returns; it cannot wait, because nothing it is given can. When there is nothing more to do, the program
/// says so with ``ProgramContext/finish()``.
///
/// The state of a program is its own stored properties. A server has one program for each connection, with one operation pending.
public protocol CompletionProgram: AnyObject {
    /// Queues the first operations, once.
    func start(in context: inout ProgramContext) throws

    /// Takes an operation of the program's back, and goes on.
    ///
    /// The label that the operation was prepared with is `completion.tag.label`. What the program leaves in the completion is released.
    /// An error ends the run of the ring, and ``MainLoop/nextEvent()`` throws it.
    func completed(_ completion: consuming ProgramCompletion, in context: inout ProgramContext) throws

    /// Gets what another program or the main loop has sent; unless implemented, that is an error.
    func received(_ message: ProgramMessage, in context: inout ProgramContext) throws
}

extension CompletionProgram {
    /// Throws, because nothing was expected.
    public func received(_ message: ProgramMessage, in context: inout ProgramContext) throws {
        throw ProgramError.unexpectedMessage(kind: message.kind)
    }
}

/// The completion of an operation that a program has prepared.
public typealias ProgramCompletion = Completion<ProgramTag>

/// The name of a program on its ring.
///
/// The name of one that has finished names nobody, until 4096 others have had its place in the ring's table.
public struct ProgramName: BitwiseCopyable, Sendable, Hashable {
    /// The place in the table in the lower 20 bits, and above them how often that was used.
    let rawValue: UInt32

    /// Nobody: what is prepared outside of programs, by a ``LoopStep`` itself.
    static var ring: ProgramName { ProgramName(rawValue: 0) }
}

/// What a completion says of where it belongs.
public struct ProgramTag: BitwiseCopyable, Sendable {
    /// What the program has called the operation.
    public let label: UInt64
    /// The program that prepared it.
    let program: ProgramName
    let route: Route

    /// What happens when the operation has completed, besides that its program is called.
    struct Route: BitwiseCopyable, Equatable, Sendable {
        /// The number of a ``SyncGroup`` that goes on, or one of the following.
        let rawValue: UInt32

        /// Nothing.
        static var plain: Route { Route(rawValue: 0) }
        /// It is a message that came in.
        static var mailbox: Route { Route(rawValue: .max) }
        /// It is a message that went out: nobody but the ring hears of that.
        static var message: Route { Route(rawValue: .max - 1) }
        /// It is the cancellation at the end.
        static var ending: Route { Route(rawValue: .max - 2) }
    }

    @usableFromInline
    init(program: ProgramName, label: UInt64) {
        self.init(program: program, label: label, route: .plain)
    }

    init(program: ProgramName, label: UInt64, route: Route) {
        self.label = label
        self.program = program
        self.route = route
    }
}

/// Why a ring of programs did not start or stopped, other than by an error number.
public enum ProgramError: Error, Hashable, Sendable {
    /// A program was sent a message and has no ``CompletionProgram/received(_:in:)``.
    case unexpectedMessage(kind: UInt16)
    /// A message has reached nobody, because the other ring has ended or failed.
    case undelivered
    /// A program has something for the main loop on a ring that has none.
    case noMainLoop
    /// The application is to stop: the descriptor that its ``MainLoop`` was given for that can be read.
    case stopped
    /// The kernel makes no thread for programs.
    case noThread(Errno)
    /// The kernel does not let threads send messages to a ring.
    case noMessages(Errno)
}

extension ProgramError: CustomStringConvertible {
    /// The error in words.
    public var description: String {
        switch self {
        case .unexpectedMessage(let kind): "a program does not know messages of kind \(kind)"
        case .undelivered: "a message was for a ring that has ended"
        case .noMainLoop: "a program has something for the main loop, and its ring has none"
        case .stopped: "the application is to stop"
        case .noMessages(let errno): "threads cannot send messages to a ring here (\(errno)); that takes Linux 6.13, and the right to do it"
        case .noThread(let errno): "cannot start a thread: \(errno)"
        }
    }
}
