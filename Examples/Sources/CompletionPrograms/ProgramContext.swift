// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// What a program can do while it is called: queue operations, send messages, attach other programs, finish.
///
/// What is queued is submitted when the ring's programs have run, with the system call that also waits for the next completion.
public struct ProgramContext: ~Copyable {
    @usableFromInline var ring: Ring<ProgramTag>
    var programs = ProgramTable()
    var groups = SyncGroups()
    /// The program that is being called.
    @usableFromInline var current = ProgramName.ring
    /// Where messages to programs of this ring arrive.
    let mailbox: RingHandle
    /// Where the main loop hears from programs.
    let mainLoop: RingHandle?

    init(entries: Int, options: RingOptions, mainLoop: RingHandle?) throws {
        var ring = try Ring<ProgramTag>(entries: entries, options: options)
        mailbox = try ring.makeHandle(messageTag: ProgramTag(program: .ring, label: 0, route: .mailbox))
        self.ring = ring
        self.mainLoop = mainLoop
    }

    // MARK: Operations

    /// Queues an operation; the program is called when it completes, for each completion if it has several.
    ///
    /// - Parameters:
    ///   - operation: The operation.
    ///   - label: What to call it.
    /// - Returns: Its name, to cancel or update it.
    /// - Throws: What submitting a full queue threw.
    @inlinable @discardableResult
    public mutating func prepare<Op: Operation & ~Copyable>(
        _ operation: consuming Op, label: UInt64 = 0
    ) throws(Errno) -> Token<Op> {
        try ring.prepare(operation, tag: ProgramTag(program: current, label: label))
    }

    /// Queues operations of which each starts when the one before it has succeeded.
    ///
    /// ```swift
    /// try context.link { chain, tag in
    ///     try chain.prepare(FutexWait(gate, while: 0), tag: tag(1))
    ///     try chain.prepare(Write(file, from: buffer), tag: tag(2))
    /// }
    /// ```
    ///
    /// - Parameter build: Prepares the members, with tags that it makes of labels. When it throws, nothing is queued.
    /// - Throws: What the closure throws: ``ChainError/tooLong(limit:)`` if the kernel could not be given the chain as a whole.
    @inlinable
    public mutating func link(
        _ build: (inout Chain<ProgramTag>, (_ label: UInt64) -> ProgramTag) throws -> Void
    ) throws {
        let current = current
        try ring.link { chain in try build(&chain) { ProgramTag(program: current, label: $0) } }
    }

    /// Queues operations of which each starts when the one before it is done, whatever became of it.
    ///
    /// - Parameter build: As for ``link(_:)``.
    /// - Throws: As ``link(_:)``.
    @inlinable
    public mutating func hardLink(
        _ build: (inout Chain<ProgramTag>, (_ label: UInt64) -> ProgramTag) throws -> Void
    ) throws {
        let current = current
        try ring.hardLink { chain in try build(&chain) { ProgramTag(program: current, label: $0) } }
    }

    /// Queues an operation that starts when those before it in a group are done, whatever became of them.
    ///
    /// - Parameters:
    ///   - operation: The operation.
    ///   - label: What to call it.
    ///   - group: The group.
    /// - Throws: What submitting a full queue threw.
    public mutating func prepare<Op: SingleShotOperation & ~Copyable>(
        _ operation: consuming Op, label: UInt64 = 0, in group: SyncGroup
    ) throws(Errno) {
        let tag = ProgramTag(program: current, label: label, route: .init(rawValue: group.number))
        if groups.enter(group) {
            try ring.prepare(operation, tag: tag)
        } else {
            groups.append(Queued(operation, tag: tag), to: group)
        }
    }

    /// Makes a group; it exists as long as the ring.
    public mutating func makeSyncGroup() -> SyncGroup {
        groups.makeGroup()
    }

    // MARK: Messages

    /// Queues a message to the main loop: one completion in its queue, with the name of this program.
    ///
    /// - Throws: What submitting a full queue threw, or ``ProgramError/noMainLoop``.
    public mutating func post(_ message: ProgramMessage) throws {
        guard let mainLoop else { throw ProgramError.noMainLoop }
        try send(message.bits(with: current), label: message.kind, to: mainLoop)
    }

    /// Queues a message to a program of this or another ring; nobody gets it if the program has finished.
    ///
    /// - Throws: What submitting a full queue threw. A ring that has ended is an error of the run: ``ProgramError/undelivered``.
    public mutating func send(_ message: ProgramMessage, to address: ProgramAddress) throws(Errno) {
        try send(message.bits(with: address.program), label: message.kind, to: address.mailbox)
    }

    private mutating func send(_ bits: UInt64, label: UInt16, to target: RingHandle) throws(Errno) {
        try ring.prepare(
            SendRingMessage(bits, to: target, label: label), tag: ProgramTag(program: current, label: 0, route: .message))
    }

    // MARK: Programs

    /// Attaches a program to the ring; it is started when the program that is being called has returned.
    @discardableResult
    public mutating func attach(_ program: some CompletionProgram) -> ProgramName {
        programs.insert(program)
    }

    /// Where a program of this ring can be reached.
    public func address(of name: ProgramName) -> ProgramAddress {
        ProgramAddress(mailbox: mailbox, program: name)
    }

    /// Where the program that is being called can be reached.
    public var ownAddress: ProgramAddress { address(of: current) }

    /// Ends the program that is being called.
    ///
    /// It is not called again. What it still has in flight runs on, and is released when it completes; when no program is left, that is
    /// cancelled, and the run of the ring ends.
    public mutating func finish() {
        programs.remove(current)
    }

    /// How many programs have been attached and have not finished.
    public var programCount: Int { programs.count }

    /// How many operations of all programs the kernel has not finished, or been shown, yet.
    public var inFlightCount: Int { ring.inFlightCount }

    /// The flags that the ring was made with.
    public var flags: RingOptions.Flags { ring.flags }
}
