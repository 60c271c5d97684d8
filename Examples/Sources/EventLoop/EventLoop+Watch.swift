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
        handlers[Int(place)] = HandlerBox(call: handler)
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
        handlers[Int(place)] = nil
        end(place)
    }

    /// What one handler does may concern another of the same descriptor.
    private mutating func noteSharing(of descriptor: WatchedDescriptor) {
        for place in descriptor.watches { sources[Int(place)].isShared = descriptor.watches.count > 1 }
    }

    // MARK: Polls

    @inline(__always)
    mutating func prepareWatch(_ place: UInt32) throws(Errno) {
        let change = sources[Int(place)].takeChange()
        if epoll != nil {
            if let descriptor = files[Int(place)]?.descriptor { updateEpollSet(for: descriptor) }
            return
        }
        switch change {
        case .nothing:
            break
        case .poll(let events, let arming):
            guard let poll = EventLoop.poll(files, place, for: events) else { break }
            let token = try ring.prepare(poll, tag: Tag(index: place, arming: arming))
            sources[Int(place)].beginPoll(token, for: events)
        case .cancel(let poll):
            try ring.prepare(Cancel(poll), tag: .control)
        case .update(let poll, let events):
            try ring.prepare(PollUpdate(poll, events: events), tag: .control)
        }
    }

    /// Makes a poll of a watch's file, which the table keeps meanwhile, so that it is not counted as used once more.
    @inline(__always)
    private static func poll(_ files: borrowing [WatchedFile?], _ place: UInt32, for events: PollEvents) -> Poll? {
        guard let file = files[Int(place)] else { return nil }
        return Poll(file.hold, for: events)
    }

    @inline(__always)
    mutating func completeWatch(_ completion: consuming Completion<Tag>, at place: UInt32) {
        let arming = completion.tag.arming
        let completed = completion.take(Poll.self)
        follow(sources[Int(place)].endPoll(arming: arming, completed.result), place)
    }

    /// Takes note of what a descriptor was ready for when the kernel looked.
    mutating func report(_ events: PollEvents, to place: UInt32) {
        follow(sources[Int(place)].report(events), place)
    }

    // MARK: The handler

    @inline(__always)
    mutating func runWatch(_ place: UInt32, _ turn: Source.Turn) -> Bool {
        let events = turn.isShared ? readiness(of: place) : turn.events
        if events.isEmpty {
            enqueue(place)
            return false
        }
        let generation = turn.generation
        if events.contains(.invalid) { sources[Int(place)].wanted = [] }
        // A handler that has the loop call others is not called by that itself.
        guard let handler = handlers[Int(place)].take() else { return false }
        // Taken apart and put together again, the closure is moved, and its references are not counted.
        let call = (consume handler).call
        call(&self, Watch(index: place, generation: generation), events)
        // The handler may have cancelled itself, and its place may be another's by now.
        switch sources[Int(place)].queue(ifStill: generation) {
        case .ended: break
        case .queued(let isNew):
            handlers[Int(place)] = HandlerBox(call: consume call)
            if isNew { pending.append(place) }
            if events.contains(.invalid) { endWatch(place) }
        }
        return true
    }

    /// What a descriptor is ready for at this moment: another of its handlers may have taken what was there.
    private func readiness(of place: UInt32) -> PollEvents {
        let source = sources[Int(place)]
        if source.found.contains(.invalid) { return source.relevantFound }
        return source.relevant(PollEvents(rawValue: event_loop_readiness(source.number, source.wanted.rawValue)))
    }
}
