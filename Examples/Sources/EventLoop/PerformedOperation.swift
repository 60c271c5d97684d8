// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// Whether an operation goes to the kernel after all.
public enum SubmissionDecision: Sendable, Hashable {
    /// It does.
    case submit
    /// It does not: it is dropped, and its handler is not called.
    case withdraw
}

/// Names an operation with a handler that is called when it has completed.
public struct OperationName: BitwiseCopyable, Sendable, Hashable {
    let index: UInt32
    let generation: UInt32
}

/// An operation with its handler, whatever its type.
class PerformedOperation {
    /// Gives the operation to the ring; false if it was withdrawn.
    func prepare(on ring: inout Ring<Tag>, tag: Tag) throws(Errno) -> Bool { false }

    /// Keeps the operation that has completed.
    func complete(_ completion: consuming Completion<Tag>) {}

    /// Calls the handler.
    func run(in loop: inout EventLoop) {}

    /// The operation, if the ring has it.
    var token: AnyToken? { nil }
}

/// An operation with its handler.
private final class PerformedOperationOf<Op: SingleShotOperation & ~Copyable>: PerformedOperation {
    private var operation: Op?
    private var completed: Completed<Op>?
    private var prepared: AnyToken?
    private let hook: (() -> SubmissionDecision)?
    private let handler: (inout EventLoop, consuming Completed<Op>) -> Void

    init(
        _ operation: consuming Op, _ hook: (() -> SubmissionDecision)?,
        _ handler: @escaping (inout EventLoop, consuming Completed<Op>) -> Void
    ) {
        self.operation = consume operation
        self.hook = hook
        self.handler = handler
    }

    override func prepare(on ring: inout Ring<Tag>, tag: Tag) throws(Errno) -> Bool {
        if let hook, hook() == .withdraw { return false }
        guard let operation = operation.take() else { return false }
        prepared = AnyToken(try ring.prepare(operation, tag: tag))
        return true
    }

    override func complete(_ completion: consuming Completion<Tag>) {
        completed = completion.take(Op.self)
    }

    override func run(in loop: inout EventLoop) {
        if let completed = completed.take() { handler(&loop, completed) }
    }

    override var token: AnyToken? { prepared }
}

extension EventLoop {
    /// Performs an operation of the ring, besides everything else that the loop waits for.
    ///
    /// - Parameters:
    ///   - operation: The operation. It goes to the kernel when the loop enters it next.
    ///   - hook: What is called immediately before that; it may take a time, or decide otherwise.
    ///   - handler: What is called with the operation and its result, by a ``loopOnce(waiting:)`` of its own.
    /// - Returns: Its name.
    @discardableResult
    public mutating func perform<Op: SingleShotOperation & ~Copyable>(
        _ operation: consuming Op, beforeSubmission hook: (() -> SubmissionDecision)? = nil,
        then handler: @escaping (inout EventLoop, consuming Completed<Op>) -> Void
    ) -> OperationName {
        let place = add(.operation)
        operations[place] = PerformedOperationOf(operation, hook, handler)
        userSourceCount += 1
        enqueue(place)
        return OperationName(index: place, generation: sources[Int(place)].generation)
    }

    /// Ends an operation, whose handler is not called any more.
    public mutating func cancel(_ operation: OperationName) {
        if names(operation.index, generation: operation.generation) { end(operation.index) }
    }

    mutating func prepareOperation(_ place: UInt32) throws(Errno) {
        guard let operation = operations[place] else { return }
        if sources[Int(place)].hasEnded {
            if let token = operation.token, sources[Int(place)].inFlightCount > 0 { try ring.prepare(Cancel(token), tag: .control) }
            operations[place] = nil
        } else if try operation.prepare(on: &ring, tag: Tag(index: place, arming: 0)) {
            sources[Int(place)].inFlightCount += 1
        } else {
            dropOperation(place)
        }
    }

    /// Takes note that an operation could not be prepared.
    mutating func dropOperation(_ place: UInt32) {
        operations[place] = nil
        end(place)
    }

    mutating func completeOperation(_ completion: consuming Completion<Tag>, at place: UInt32) {
        guard !sources[Int(place)].hasEnded, let operation = operations[place] else { return }
        operation.complete(completion)
        makeReady(place)
    }

    mutating func runOperation(_ place: UInt32) -> Bool {
        guard let operation = operations.removeValue(forKey: place) else { return false }
        end(place)
        operation.run(in: &self)
        return true
    }

    // MARK: Reading all

    /// Reads until a buffer is full or the file ends, with as many operations as that takes.
    ///
    /// - Parameters:
    ///   - file: The file.
    ///   - buffer: Where the bytes go.
    ///   - position: Where in the file they begin.
    ///   - handler: What is called at the end, with the buffer, and what kept it from being filled, if that was not the end of the file.
    public mutating func readFully(
        _ file: borrowing some FileResource & ~Copyable, into buffer: consuming Buffer, at position: FilePosition = .current,
        then handler: @escaping (inout EventLoop, consuming Buffer, Errno?) -> Void
    ) {
        readRest(Read(file, into: buffer, at: position), then: handler)
    }

    private mutating func readRest(
        _ read: consuming Read<Buffer>, then handler: @escaping (inout EventLoop, consuming Buffer, Errno?) -> Void
    ) {
        perform(read) { loop, completed in
            let result = completed.result
            var read = completed.operation
            switch result {
            case .failure(.interrupted), .failure(.wouldBlock):
                loop.readRest(read, then: handler)
            case .failure(let errno):
                handler(&loop, read.memory, errno)
            case .success(let count) where count > 0 && read.memory.count < read.memory.byteCapacity:
                read.start = read.memory.count
                if read.position != .current { read.position = FilePosition(rawValue: read.position.rawValue + UInt64(count)) }
                loop.readRest(read, then: handler)
            case .success:
                handler(&loop, read.memory, nil)
            }
        }
    }
}
