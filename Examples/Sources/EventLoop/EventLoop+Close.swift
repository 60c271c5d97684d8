// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

extension EventLoop {
    /// Ends everything that watches a descriptor, and closes it: when this returns, the other side has seen the end.
    ///
    /// One system call cancels what the ring has on the file and closes the descriptor. Operations that were begun with
    /// ``perform(_:beforeSubmission:then:)`` end with `ECANCELED`, and the file is closed when their handlers have been called.
    ///
    /// - Throws: What closing reports of data that could not be written; the descriptor is closed all the same.
    public mutating func close(_ descriptor: consuming Descriptor) throws(Errno) {
        if called != nil { takeBackPoll() }
        let number = descriptor.unowned.fileDescriptor.rawValue
        endWatches(of: number)
        // What was begun and is not in the ring's queue yet would not be found, and begin afterwards.
        try prepareQueued()
        let place = add(.closing)
        defer { endClosing(place) }
        try ring.close(cancelling: descriptor, tag: Tag(index: place, arming: 0))
        try completeClosing(at: place, of: number)
        if let closingError { throw closingError }
    }

    /// Ends everything that watches a descriptor, and closes it by its number; see ``close(_:)-(Descriptor)``.
    ///
    /// Nobody else may close it too.
    ///
    /// - Throws: As above; the descriptor stays open when the kernel could not be told to end what was begun on it.
    public mutating func close(_ descriptor: UnownedDescriptor) throws(Errno) {
        if called != nil { takeBackPoll() }
        let number = descriptor.fileDescriptor.rawValue
        endWatches(of: number)
        // A number is looked up when the kernel sees the operation; afterwards it may be another file's. What stands behind the others in the
        // queue completes when it has seen them, also where a thread of its own takes them.
        try prepareQueued()
        let place = add(.closing)
        defer { endClosing(place) }
        try ring.prepare(CancelAll(on: descriptor), tag: Tag(index: place, arming: 0))
        try completeClosing(at: place, of: number)
        // This finds also what was between two tries.
        try ring.cancelAll(on: descriptor)
        do {
            try descriptor.fileDescriptor.close()
        } catch {
            throw error as? Errno ?? .ioError
        }
    }

    /// Waits until a closing that was prepared is done, and the polls of the descriptor are.
    private mutating func completeClosing(at place: UInt32, of number: Int32) throws(Errno) {
        sources[Int(place)].inFlightCount = 1
        closingError = nil
        while sources[Int(place)].inFlightCount > 0 || hasPolls(of: number) { try completeMore() }
    }

    private mutating func endClosing(_ place: UInt32) {
        sources[Int(place)].hasEnded = true
        freeIfDone(place)
    }

    mutating func completeClosing(_ completion: consuming Completion<Tag>, at place: UInt32) {
        // By its number the descriptor is closed afterwards, and this was the cancelling.
        guard completion.is(Close<Descriptor>.self) else { return }
        let completed = completion.take(Close<Descriptor>.self)
        if case .failure(let errno) = completed.result { closingError = errno }
    }

    /// Waits for something to complete that is certain to come, and takes note of it and of all that was there.
    private mutating func completeMore() throws(Errno) {
        try prepareQueued()
        try ring.submit(waitingFor: 1)
        completeAll()
    }

    private mutating func endWatches(of number: Int32) {
        guard let descriptor = descriptors[number] else { return }
        for place in descriptor.watches {
            cancel(Watch(index: place, generation: sources[Int(place)].generation))
        }
    }

    /// Whether the ring has a poll of a descriptor, be it of a handler that was cancelled.
    private func hasPolls(of number: Int32) -> Bool {
        sources.contains { $0.kind == .watch && $0.number == number && $0.inFlightCount > 0 }
    }
}
