// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import URing

/// Names a handler that waits for a descriptor; one that was cancelled names nothing.
public struct Watch: BitwiseCopyable, Sendable, Hashable {
    let index: UInt32
    let generation: UInt32
}

/// What the loop's operations are told apart by.
struct Tag: BitwiseCopyable {
    /// The place in the loop's table of sources.
    var index: UInt32
    /// The source's number of the operation: it may have an older one in flight that no longer counts.
    var arming: UInt32

    /// Of operations whose outcome does not matter: what they act on says itself what became of it.
    static let control = Tag(index: .max, arming: 0)
}

/// Something that has operations in the loop's ring: the part of it that each event needs, which lies in a table.
struct Source {
    enum Kind: UInt8, BitwiseCopyable {
        case free
        case watch
        case operation
        case signalWake
        case epollSet
        case closing
    }

    var kind: Kind
    /// Whether its descriptor has other handlers too.
    var isShared = false
    /// Whether its handler is not to be called any more; its place is its own until nothing refers to that.
    var hasEnded = false
    /// Whether it is in the queue of those that have something to tell the ring.
    var isQueued = false
    /// Whether it is in the queue of those whose handler is to be called.
    var isReady = false
    /// Which of those that had this place it is, until it ends: it then has no name any more.
    var generation: UInt32
    /// What its poll has that counts: others are being cancelled.
    var arming: UInt32 = 0
    /// What a watch's handler is to be called for.
    var wanted: PollEvents = []
    /// What the poll in flight waits for.
    var polled: PollEvents = []
    /// A watch's handler; nil also while it is being called.
    var handler: HandlerBox?
    /// The poll in flight that counts; it is still told here while the handler is called for it.
    var poll: Token<Poll>?
    /// How many operations of it the ring has.
    var inFlightCount: UInt32 = 0
    /// The descriptor.
    var number: Int32 = -1
    /// What the descriptor was ready for when the kernel looked.
    var found: PollEvents = []
    /// The places of those behind it in the queues that it is in, by the queues' links.
    var next: InlineArray<2, UInt32> = [0, 0]

    /// What a poll has to wait for: of urgent data that comes later the kernel tells it only if it waits for data of a band as well.
    var toPoll: PollEvents { wanted.contains(.priority) ? wanted.union(.bandInput) : wanted }

    /// What the descriptor was found ready for, as far as the handler is still to be called for it.
    var relevantFound: PollEvents { relevant(found) }

    /// What of some events the handler is called for: errors and hang-ups are reported unasked.
    func relevant(_ events: PollEvents) -> PollEvents {
        wanted.isEmpty ? [] : events.intersection(wanted.union([.error, .hangUp, .readHangUp, .invalid]))
    }
}

/// A watch's handler as it is: in an optional of its own, it would be called by way of another.
struct HandlerBox {
    let call: EventLoop.WatchHandler
}

extension Source {
    /// What the source is to do next.
    enum Next {
        case nothing
        /// It goes into the queue of those that have something to tell the ring.
        case queue
        /// It goes into the queue of those whose handler is to be called.
        case run
        /// Its place is free.
        case free
    }

    /// Takes note of how a poll ended.
    mutating func endPoll(arming: UInt32, _ result: Result<PollEvents, Errno>) -> Next {
        guard arming == self.arming else { return .nothing }
        poll = nil
        switch result {
        case .success(let events): return report(events)
        case .failure(.canceled): return queue()
        case .failure: return report(.invalid)
        }
    }

    /// Takes note of what the descriptor was ready for when the kernel looked.
    mutating func report(_ events: PollEvents) -> Next {
        found = relevant(events)
        if found.isEmpty { return queue() }
        // A handler that is being called has the loop call others; it is armed again when it returns.
        if isReady || handler == nil { return .nothing }
        isReady = true
        return .run
    }

    /// Wants to tell the ring something.
    mutating func queue() -> Next {
        if isQueued { return .nothing }
        isQueued = true
        return .queue
    }

    /// Takes note that its handler is not to be called any more.
    mutating func end() {
        hasEnded = true
        wanted = []
        generation &+= 1
    }

    /// Gives up its place, if it has ended and nothing refers to that any more.
    mutating func freeIfDone() -> Next {
        guard hasEnded && inFlightCount == 0 && !isQueued && !isReady else { return .nothing }
        kind = .free
        return .free
    }

    /// What is needed to call a handler.
    struct Turn {
        let watch: Watch
        let events: PollEvents
        let handler: HandlerBox
    }

    /// Has its turn to be called, if it has a handler and that is not being called.
    @inline(__always)
    mutating func takeTurn(at place: UInt32, for events: PollEvents) -> Turn? {
        guard let handler = handler.take() else { return nil }
        return Turn(watch: Watch(index: place, generation: generation), events: events, handler: handler)
    }

    /// Has its turn to be called for what its poll has found, if it has found something and that is certain to be there still.
    @inline(__always)
    mutating func takeTurn(_ tag: Tag, _ entry: CompletionEntry) -> Turn? {
        let events = relevant(PollEvents(rawValue: UInt32(bitPattern: entry.result)))
        guard kind == .watch, !isShared, arming == tag.arming, entry.result >= 0, !events.isEmpty, !events.contains(.invalid)
        else { return nil }
        return takeTurn(at: tag.index, for: events)
    }

    /// Gets its handler back, which has been called, and its poll that was prepared again.
    @inline(__always)
    mutating func endTurn(_ handler: consuming HandlerBox, _ token: Token<Poll>) {
        self.handler = consume handler
        poll = token
        polled = toPoll
    }

    /// Gets its handler back, which has been called, and wants to be armed again.
    ///
    /// The handler may have ended the source, and its place may be another's by now.
    mutating func endTurn(_ generation: UInt32, _ handler: consuming HandlerBox) -> Next {
        guard generation == self.generation else { return .nothing }
        self.handler = consume handler
        return queue()
    }

    /// Takes note of a new poll.
    mutating func beginPoll(_ token: Token<Poll>) {
        poll = token
        polled = toPoll
        inFlightCount += 1
    }

    /// Takes note that its poll has ended while its handler is being called, and is not prepared again.
    mutating func losePoll() {
        poll = nil
        inFlightCount -= 1
    }

    /// What is still to come of the poll, which is being cancelled, no longer counts.
    mutating func disarm() {
        poll = nil
        arming &+= 1
    }

    /// What the ring is to be told.
    enum Change {
        case nothing
        case arm(PollEvents)
        case cancel(Token<Poll>)
        case update(Token<Poll>, PollEvents)
    }

    /// What the ring is to be told of a watch's poll.
    var change: Change {
        guard let poll else {
            // While its handler is to be called, or is being called, its turn to be armed comes afterwards.
            return wanted.isEmpty || isReady || handler == nil ? .nothing : .arm(toPoll)
        }
        if wanted.isEmpty { return .cancel(poll) }
        return toPoll == polled ? .nothing : .update(poll, toPoll)
    }
}

/// A descriptor with the handlers that watch it.
final class WatchedDescriptor {
    let number: Int32
    /// The places of its watches.
    var watches: [UInt32] = []
    /// What the loop's epoll set watches it for; nothing if that is not known, and nil if it is not in the set.
    var epollEvents: PollEvents?
    /// What the set gives back with its events; zero before it is in the set.
    var epollData: UInt64 = 0

    init(number: Int32) {
        self.number = number
    }
}

/// A watch's file, as what is polled.
final class WatchedFile {
    let hold: FileHold
    let descriptor: WatchedDescriptor

    init(_ hold: consuming FileHold, _ descriptor: WatchedDescriptor) {
        self.hold = hold
        self.descriptor = descriptor
    }
}
