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

/// Something that has operations in the loop's ring: the plain part of it, which lies in a table.
struct Source: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        case free
        case watch
        case operation
        case signalWake
        case epollSet
        case closing
    }

    var kind: Kind
    /// Whether its handler is not to be called any more; its place is its own until nothing refers to that.
    var hasEnded = false
    /// Whether it is in the queue of those that have something to tell the ring.
    var isQueued = false
    /// Whether it is in the queue of those whose handler is to be called.
    var isReady = false
    /// Whether a poll is in flight that counts.
    var isPolled = false
    /// Whether its descriptor has other handlers too.
    var isShared = false
    /// Which of those that had this place it is.
    var generation: UInt32
    /// How many operations of it the ring has.
    var inFlightCount: UInt32 = 0
    /// The number of the next poll.
    var arming: UInt32 = 0
    /// The descriptor.
    var number: Int32 = -1
    /// What a watch's handler is to be called for.
    var wanted: PollEvents = []
    /// What the poll in flight waits for.
    var polled: PollEvents = []
    /// What the descriptor was ready for when the kernel looked.
    var found: PollEvents = []
    /// The poll in flight, or an earlier one.
    var poll: Token<Poll>?

    /// Whether the place is still that of a source that had this number and has not ended.
    func isCurrent(_ generation: UInt32) -> Bool { self.generation == generation && !hasEnded && kind != .free }

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

// Each step of a watch is one access to its place in the table.
extension Source {
    /// What the source is to do next.
    enum Next {
        case nothing
        /// It goes into the queue of those that have something to tell the ring.
        case queue
        /// It goes into the queue of those whose handler is to be called.
        case run
    }

    /// Takes note of how a poll ended.
    mutating func endPoll(arming: UInt32, _ result: Result<PollEvents, Errno>) -> Next {
        inFlightCount -= 1
        guard arming == self.arming && !hasEnded else { return .nothing }
        disarm()
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
        if isReady { return .nothing }
        isReady = true
        return .run
    }

    /// Wants to tell the ring something.
    mutating func queue() -> Next {
        if isQueued { return .nothing }
        isQueued = true
        return .queue
    }

    /// What is needed to call a handler.
    struct Turn {
        let kind: Kind
        let hasEnded: Bool
        let isShared: Bool
        let generation: UInt32
        let events: PollEvents
    }

    /// Has its turn to be called.
    mutating func takeTurn() -> Turn {
        isReady = false
        return Turn(kind: kind, hasEnded: hasEnded, isShared: isShared, generation: generation, events: relevantFound)
    }

    /// What became of a source whose handler was called.
    enum AfterTurn {
        case ended
        case queued(isNew: Bool)
    }

    /// Wants to tell the ring something, unless its handler has ended it, and its place may be another's by now.
    mutating func queue(ifStill generation: UInt32) -> AfterTurn {
        guard isCurrent(generation) else { return .ended }
        if isQueued { return .queued(isNew: false) }
        isQueued = true
        return .queued(isNew: true)
    }

    /// What is still to come of the poll no longer counts.
    private mutating func disarm() {
        isPolled = false
        arming &+= 1
    }

    /// What the ring is to be told.
    enum Change {
        case nothing
        case poll(PollEvents, arming: UInt32)
        case cancel(Token<Poll>)
        case update(Token<Poll>, PollEvents)
    }

    /// Has its turn to tell the ring something.
    mutating func takeChange() -> Change {
        isQueued = false
        // Its turn to be armed comes when the handler has been called.
        if isReady && !hasEnded { return .nothing }
        let wanted = hasEnded ? [] : wanted
        guard isPolled, let poll else { return wanted.isEmpty ? .nothing : .poll(wanted, arming: arming) }
        if wanted.isEmpty {
            disarm()
            return .cancel(poll)
        }
        if wanted == polled { return .nothing }
        // If the poll has ended meanwhile, its completion tells what for, and it is armed again.
        polled = wanted
        return .update(poll, wanted)
    }

    /// Takes note of a new poll.
    mutating func beginPoll(_ token: Token<Poll>, for events: PollEvents) {
        poll = token
        polled = events
        isPolled = true
        inFlightCount += 1
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
