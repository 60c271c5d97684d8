// SPDX-License-Identifier: Apache-2.0

import CEventLoop
import SystemPackage
import URing

extension EventLoop {
    /// Has a handler called as long as a descriptor is ready.
    ///
    /// It is level-triggered: a handler that leaves something unread is called again, after all others that are ready. Errors and hang-ups
    /// are reported besides what was asked for, unless that is nothing. A descriptor may have any number of handlers, each for reading,
    /// writing or both. It stays open as long as it has one.
    ///
    /// - Parameters:
    ///   - descriptor: The descriptor.
    ///   - interests: What to call the handler for; nothing at all pauses it.
    ///   - handler: What is called. ``PollEvents/invalid`` means that the descriptor cannot be watched; it is then called for the last time.
    /// - Returns: The handler's name.
    @discardableResult
    public mutating func watch(
        _ descriptor: borrowing Descriptor, for interests: PollEvents, _ handler: @escaping WatchHandler
    ) -> Watch {
        watch(descriptor, descriptor.unowned.fileDescriptor.rawValue, for: interests, handler)
    }

    /// Has a handler called as long as a descriptor is ready that belongs to somebody else; see ``watch(_:for:_:)-(Descriptor,_,_)``.
    @discardableResult
    public mutating func watch(
        _ descriptor: UnownedDescriptor, for interests: PollEvents, _ handler: @escaping WatchHandler
    ) -> Watch {
        watch(descriptor, descriptor.fileDescriptor.rawValue, for: interests, handler)
    }

    private mutating func watch(
        _ file: borrowing some NumberedFileResource & ~Copyable, _ number: Int32, for interests: PollEvents,
        _ handler: @escaping WatchHandler
    ) -> Watch {
        let descriptor = descriptors[number] ?? WatchedDescriptor(number: number)
        descriptors[number] = descriptor
        let place = add(.watch)
        files[Int(place)] = WatchedFile(registered?.register(file) ?? file.hold(), descriptor)
        sources[Int(place)].handler = HandlerBox(call: handler)
        sources[Int(place)].number = number
        sources[Int(place)].wanted = interests
        descriptor.watches.append(place)
        // Whether the number still means the file that was watched before, only the set can tell.
        descriptor.epollEvents = []
        noteSharing(of: descriptor)
        userSourceCount += 1
        enqueue(place)
        return Watch(index: place, generation: sources[Int(place)].generation)
    }

    /// Sees to it that a handler is not called any more, not even for what is ready already.
    public mutating func cancel(_ watch: Watch) {
        if names(watch.index, generation: watch.generation) { endWatch(watch.index) }
    }

    /// Changes what a handler is called for, from the next call of any handler on; nothing at all pauses it.
    ///
    /// It may be done at any time, also while the kernel waits for the descriptor.
    public mutating func change(_ watch: Watch, to interests: PollEvents) {
        guard names(watch.index, generation: watch.generation) else { return }
        sources[Int(watch.index)].wanted = interests
        enqueue(watch.index)
    }

    /// What a handler is called for; nothing once it is cancelled.
    public func interests(of watch: Watch) -> PollEvents {
        names(watch.index, generation: watch.generation) ? sources[Int(watch.index)].wanted : []
    }

    private mutating func endWatch(_ place: UInt32) {
        guard let descriptor = files[Int(place)]?.descriptor else { return }
        descriptor.watches.removeAll { $0 == place }
        if descriptor.watches.isEmpty && descriptors[descriptor.number] === descriptor { descriptors[descriptor.number] = nil }
        noteSharing(of: descriptor)
        if epoll != nil { updateEpollSet(for: descriptor) }
        // With it go the handler, and the loop's own hold on the file.
        files[Int(place)] = nil
        sources[Int(place)].handler = nil
        end(place)
    }

    /// What one handler does may concern another of the same descriptor.
    private mutating func noteSharing(of descriptor: WatchedDescriptor) {
        for place in descriptor.watches { sources[Int(place)].isShared = descriptor.watches.count > 1 }
    }

    // MARK: Polls

    /// Prepares new polls of watches, up to the first source in the queue that wants something else.
    ///
    /// It is lent the parts of the loop that it needs: a span of the table is an access to whatever the table is a part of.
    @inline(__always)
    static func preparePolls(
        _ sources: inout [Source], _ queues: inout Queues, _ files: borrowing [WatchedFile?], _ ring: inout Ring<Tag>
    ) throws(Errno) {
        var table = sources.mutableSpan
        while !queues.pending.isEmpty {
            let place = Int(queues.pending.first)
            // If its handler is to be called, its turn to be armed comes afterwards.
            guard table[place].kind == .watch, !table[place].isReady, table[place].poll == nil, !table[place].wanted.isEmpty,
                let poll = poll(files, place, for: table[place].wanted)
            else { return }
            let token = try ring.prepare(poll, tag: Tag(index: queues.pending.first, arming: table[place].arming))
            table[place].beginPoll(token)
            queues.takePending(in: &table)
        }
    }

    /// Prepares what changes a watch's poll in flight.
    mutating func changePoll(_ place: UInt32) throws(Errno) {
        switch sources[Int(place)].change {
        case .nothing:
            break
        case .cancel(let poll):
            try ring.prepare(Cancel(poll), tag: .control)
            sources[Int(place)].disarm()
        case .update(let poll, let events):
            try ring.prepare(PollUpdate(poll, events: events), tag: .control)
            // If the poll has ended meanwhile, its completion tells what for, and it is armed again.
            sources[Int(place)].polled = events
        }
    }

    /// Makes a poll of a watch's file, which the table keeps meanwhile, so that it is not counted as used once more.
    @inline(__always)
    private static func poll(_ files: borrowing [WatchedFile?], _ place: Int, for events: PollEvents) -> Poll? {
        guard let file = files[place] else { return nil }
        return Poll(file.hold, for: events)
    }

    /// Takes note of what the polls of watches came to.
    ///
    /// - Returns: The first completion of something else; nil if there are no more.
    @inline(__always)
    static func completePolls(_ sources: inout [Source], _ queues: inout Queues, _ ring: inout Ring<Tag>) -> Completion<Tag>? {
        var table = sources.mutableSpan
        while let completion = ring.nextCompletion() {
            let (place, arming) = (completion.tag.index, completion.tag.arming)
            guard place < table.count, table[Int(place)].kind == .watch else { return completion }
            let completed = completion.take(Poll.self)
            queues.follow(table[Int(place)].endPoll(arming: arming, completed.result), place, in: &table)
        }
        return nil
    }

    // MARK: The handler

    /// Calls a watch's handler; false if there is nothing to call it for any more.
    @inline(__always)
    mutating func runWatch(_ watch: Watch, _ handler: consuming HandlerBox, _ events: PollEvents) -> Bool {
        if events.isEmpty {
            queues.endTurn(of: watch, handler, in: &sources)
            return false
        }
        if events.contains(.invalid) { sources[Int(watch.index)].wanted = [] }
        // Taken apart and put together again, the closure is moved, and its references are not counted.
        let call = (consume handler).call
        call(&self, watch, events)
        queues.endTurn(of: watch, HandlerBox(call: consume call), in: &sources)
        if events.contains(.invalid) { cancel(watch) }
        return true
    }

    /// What a descriptor is ready for at this moment: another of its handlers may have taken what was there.
    func readiness(of place: UInt32) -> PollEvents {
        let source = sources[Int(place)]
        if source.found.contains(.invalid) { return source.relevantFound }
        return source.relevant(PollEvents(rawValue: event_loop_readiness(source.number, source.wanted.rawValue)))
    }
}
