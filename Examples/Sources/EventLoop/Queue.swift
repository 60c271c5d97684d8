// SPDX-License-Identifier: Apache-2.0

import URing

/// Sources by their places, first in, first out, linked through the table that they lie in.
///
/// A source is in it once at the most. With another link it can be in another queue at the same time.
struct Queue<let link: Int> {
    private static var none: UInt32 { .max }

    /// The place of the first, if there is one.
    private(set) var first: UInt32 = none
    private var last: UInt32 = none

    var isEmpty: Bool { first == Queue.none }

    @inline(__always)
    mutating func append(_ place: UInt32, in sources: inout MutableSpan<Source>) {
        if isEmpty { first = place } else { sources[Int(last)].next[link] = place }
        last = place
    }

    /// - Precondition: It is not empty.
    @inline(__always)
    mutating func removeFirst(in sources: borrowing MutableSpan<Source>) -> UInt32 {
        let place = first
        first = place == last ? Queue.none : sources[Int(place)].next[link]
        return place
    }
}

/// What stands where a loop's sources wait.
///
/// Each step here is one access to the table of sources: whenever an array is changed, it is looked whether it has other owners, and with a
/// span of it once for all that is done meanwhile.
struct Queues {
    /// Those that have something to tell the ring.
    var pending = Queue<0>()
    /// Those whose handler is to be called.
    var ready = Queue<1>()
    /// Places without a source, which are in no other queue.
    private var free = Queue<0>()

    /// Gives a source a place in the table.
    mutating func add(_ kind: Source.Kind, to sources: inout [Source]) -> UInt32 {
        if free.isEmpty {
            sources.append(Source(kind: kind, generation: 0))
            return UInt32(sources.count - 1)
        }
        var table = sources.mutableSpan
        let place = free.removeFirst(in: table)
        table[Int(place)] = Source(kind: kind, generation: table[Int(place)].generation)
        return place
    }

    /// Does with a source what it says is next.
    @inline(__always)
    mutating func follow(_ next: Source.Next, _ place: UInt32, in sources: inout MutableSpan<Source>) {
        switch next {
        case .nothing: break
        case .queue: pending.append(place, in: &sources)
        case .run: ready.append(place, in: &sources)
        case .free: free.append(place, in: &sources)
        }
    }

    mutating func follow(_ next: Source.Next, _ place: UInt32, in sources: inout [Source]) {
        var table = sources.mutableSpan
        follow(next, place, in: &table)
    }

    /// Takes the first source from those that have something to tell the ring.
    mutating func takePending(of sources: inout [Source]) -> UInt32 {
        var table = sources.mutableSpan
        let place = pending.removeFirst(in: table)
        table[Int(place)].isQueued = false
        return place
    }

    /// Takes the first source from those whose handler is to be called.
    mutating func takeReady(of sources: inout [Source]) -> UInt32 {
        var table = sources.mutableSpan
        let place = ready.removeFirst(in: table)
        table[Int(place)].isReady = false
        return place
    }

    /// Has a watch's turn to be called, if its poll has ended in a way that needs no further look.
    @inline(__always)
    func takeTurn(_ tag: Tag, _ entry: CompletionEntry, of sources: inout [Source]) -> Source.Turn? {
        var table = sources.mutableSpan
        guard tag.index < table.count else { return nil }
        return table[Int(tag.index)].takeTurn(tag, entry)
    }

    /// Gives a watch its handler back, which has been called, and its poll that was prepared again.
    @inline(__always)
    func endTurn(of watch: Watch, _ handler: consuming HandlerBox, _ token: Token<Poll>, in sources: inout [Source]) {
        var table = sources.mutableSpan
        table[Int(watch.index)].endTurn(handler, token)
    }

    /// Gives a watch its handler back, which has been called, and queues it to be armed again.
    mutating func endTurn(of watch: Watch, _ handler: consuming HandlerBox, in sources: inout [Source]) {
        var table = sources.mutableSpan
        follow(table[Int(watch.index)].endTurn(watch.generation, handler), watch.index, in: &table)
    }
}
