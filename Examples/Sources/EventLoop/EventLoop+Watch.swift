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
        // With it go the handler, unless it is that which is being called, and the loop's holds on the file.
        if called != nil && sources[Int(place)].handler == nil { takeBackPoll() }
        files[Int(place)] = nil
        sources[Int(place)].handler = nil
        end(place)
    }

    /// What one handler does may concern another of the same descriptor.
    private mutating func noteSharing(of descriptor: WatchedDescriptor) {
        for place in descriptor.watches { sources[Int(place)].isShared = descriptor.watches.count > 1 }
    }

    // MARK: Polls

    /// Prepares a watch's poll, or what changes the one in flight.
    mutating func preparePoll(_ place: UInt32) throws(Errno) {
        switch sources[Int(place)].change {
        case .nothing:
            break
        case .arm(let events):
            guard let file = files[Int(place)] else { break }
            let tag = Tag(index: place, arming: sources[Int(place)].arming)
            sources[Int(place)].beginPoll(try ring.prepare(Poll(file.hold, for: events), tag: tag))
        case .cancel(let poll):
            try ring.prepare(Cancel(poll), tag: .control)
            sources[Int(place)].disarm()
        case .update(let poll, let events):
            try ring.prepare(PollUpdate(poll, events: events), tag: .control)
            // If the poll has ended meanwhile, its completion tells what for, and it is armed again.
            sources[Int(place)].polled = events
        }
    }

    /// Takes note of what a watch's poll came to.
    mutating func completePoll(_ completion: consuming Completion<Tag>, at place: UInt32) {
        let arming = completion.tag.arming
        let completed = completion.take(Poll.self)
        queues.follow(sources[Int(place)].endPoll(arming: arming, completed.result), place, in: &sources)
    }

    /// Gives up the poll of the handler that is being called, which is armed anew when it returns.
    @inline(never)
    mutating func takeBackPoll() {
        guard let completion = called.take() else { return }
        sources[Int(completion.tag.index)].losePoll()
        _ = completion.take(Poll.self)
    }

    // MARK: The handler

    /// Calls the handler of the watch whose poll has completed; false if it is not to be called for that, or not yet.
    @inline(__always)
    mutating func run(_ completion: consuming Completion<Tag>) -> Bool {
        guard let turn = queues.takeTurn(completion.tag, completion.entry, of: &sources) else {
            complete(completion)
            return false
        }
        called = consume completion
        // Taken apart and put together again, the closure is moved, and its references are not counted.
        let (watch, events) = (turn.watch, turn.events)
        let call = (consume turn).handler.call
        call(&self, watch, events)
        endTurn(of: watch, HandlerBox(call: consume call))
        return true
    }

    /// Gives a watch its handler back, which has been called, and prepares its poll again.
    @inline(__always)
    private mutating func endTurn(of watch: Watch, _ handler: consuming HandlerBox) {
        // If it is still there, the watch has not ended.
        guard let completion = called.take() else { return queues.endTurn(of: watch, handler, in: &sources) }
        let events = sources[Int(watch.index)].toPoll
        if !events.isEmpty {
            do {
                let token = try ring.prepareAgain(completion, as: Poll.self) { poll, _ in poll.events = events }
                return queues.endTurn(of: watch, handler, token, in: &sources)
            } catch {
                // The queue is full, and could not be submitted: the next call says why, if it is still so.
            }
        }
        sources[Int(watch.index)].losePoll()
        queues.endTurn(of: watch, handler, in: &sources)
    }

    /// Calls a watch's handler; false if there is nothing to call it for any more.
    mutating func runWatch(_ turn: consuming Source.Turn) -> Bool {
        let (watch, events) = (turn.watch, turn.events)
        let call = (consume turn).handler.call
        if events.contains(.invalid) { sources[Int(watch.index)].wanted = [] }
        if !events.isEmpty { call(&self, watch, events) }
        queues.endTurn(of: watch, HandlerBox(call: consume call), in: &sources)
        if events.contains(.invalid) { cancel(watch) }
        return !events.isEmpty
    }

    /// What a descriptor is ready for at this moment: another of its handlers may have taken what was there.
    func readiness(of place: UInt32) -> PollEvents {
        let source = sources[Int(place)]
        if source.found.contains(.invalid) { return source.relevantFound }
        return source.relevant(PollEvents(rawValue: event_loop_readiness(source.number, source.wanted.rawValue)))
    }
}
