// SPDX-License-Identifier: Apache-2.0

import CEventLoop
import SystemPackage
import URing

/// An event loop on one ring, with the contract of Samba's tevent: each ``loopOnce(waiting:)`` calls one handler.
///
/// There are handlers for what is to be done at once, at a time, for a signal, when a descriptor is ready, and when an operation of the
/// ring has completed. A handler is lent the loop and may do anything to it: add and cancel handlers, its own and others that are ready
/// already, change what descriptors are watched for, close them, and even call others.
///
/// A loop belongs to the thread that made it. One process may have several, also for the same descriptors.
public struct EventLoop: ~Copyable {
    /// What is called when a descriptor is ready, with what it is ready for.
    public typealias WatchHandler = (inout EventLoop, Watch, PollEvents) -> Void

    /// What a loop waits for descriptors with.
    public enum Backend: Sendable, Hashable {
        /// One poll of the ring for each handler.
        ///
        /// A poll keeps its file open: closing the descriptor elsewhere ends nothing, only ``EventLoop/close(_:)-(Descriptor)`` does. With
        /// registered files the kernel has less to do for each event, and has the file open as long as the handler exists.
        case polls(registeringFiles: Bool)
        /// An epoll set that the ring waits for: closing a descriptor elsewhere takes it out (Linux 6.15).
        case epoll
    }

    /// When the kernel is told that a handler is to be called again.
    public enum Rearming: Sendable, Hashable {
        /// With the next call that has to wait anyway: what is ready is worked off without a system call.
        case lazy
        /// Before the next handler is called.
        case eager
    }

    var ring: Ring<Tag>
    let rearming: Rearming
    let registered: RegisteredFiles?
    let epoll: EpollSet?

    var sources: [Source] = []
    /// What watches have besides their source, by place.
    var files: [WatchedFile?] = []
    var operations: [UInt32: PerformedOperation] = [:]
    /// How many sources are the user's.
    var userSourceCount = 0
    var queues = Queues()
    /// The ended poll of the handler that is being called, to be prepared again where it lies; none when the ring is entered.
    var called: Completion<Tag>?

    /// The descriptors that are watched, by number.
    var descriptors: [Int32: WatchedDescriptor] = [:]
    var immediates = ImmediateQueue()
    var timers = TimerList()
    var signals = SignalTable()
    /// Whether there is something to do or to look at before handlers of descriptors are called.
    var looksFirst: Bool
    private var wakeCounter: EventCounter?
    var closingError: Errno?
    private var isStopped = false

    /// Makes a loop.
    ///
    /// - Parameters:
    ///   - backend: What it waits for descriptors with.
    ///   - rearming: When the kernel is told that a handler is to be called again.
    ///   - entries: How many handlers can be armed with one system call; there can be more.
    ///   - options: How its ring is set up; a full queue is submitted in any case.
    /// - Throws: What making the ring threw or, as an `Errno`, what belongs to it; `ENOSYS` if the kernel lacks what the backend needs.
    public init(
        backend: Backend = .polls(registeringFiles: false), rearming: Rearming = .lazy, entries: Int = 256,
        options: RingOptions = .recommended
    ) throws {
        var options = options
        options.submitsWhenFull = true
        // To close a descriptor takes two entries at once.
        var ring = try Ring<Tag>(entries: entries == 1 ? 2 : entries, options: options)
        var registered: RegisteredFiles?
        var epoll: EpollSet?
        switch backend {
        case .polls(registeringFiles: true): registered = try RegisteredFiles(of: &ring, count: 1024)
        case .polls(registeringFiles: false): break
        case .epoll:
            guard try ring.probe().supports(EpollWait.self) else { throw Errno.noFunction }
            epoll = try EpollSet()
        }
        // It saves the kernel a look-up in each call; the thread's table has room for 16.
        try? ring.registerDescriptor()
        self.ring = ring
        self.rearming = rearming
        self.registered = registered
        self.epoll = epoll
        looksFirst = rearming == .eager
        if epoll != nil { enqueue(add(.epollSet)) }
    }

    /// What the ring was to have and this kernel did not take.
    public var missingOptions: RingOptions.Flags { ring.missingOptions }

    // MARK: Running

    /// Calls one handler, and waits until there is one to call.
    ///
    /// What is to be done at once comes first, then signals, then what its time has come for, then descriptors and operations, in the order
    /// in which they became ready.
    ///
    /// - Parameter waiting: Whether to wait; if not, and nothing is ready, everything is armed when this returns.
    /// - Returns: Whether a handler was called; always, if it may wait, and there is something that could call one: see ``hasWork``.
    /// - Throws: What the kernel says of the ring as a whole.
    @discardableResult
    public mutating func loopOnce(waiting: Bool = true) throws(Errno) -> Bool {
        // This is a handler's call, and others are called in the middle of its turn.
        if called != nil { takeBackPoll() }
        var hasLooked = false
        while true {
            if looksFirst, try lookFirst() { return true }
            if !queues.ready.isEmpty {
                if runReady() { return true }
            } else if let completion = ring.nextReadyCompletion() {
                if run(completion) { return true }
            } else if !hasLooked {
                try enter(waiting ? .wait : .look)
                hasLooked = !waiting || !hasWork
            } else if try !armRest() {
                return runSignal() || runTimer()
            }
        }
    }

    /// Calls handlers until there is nothing left that could call one, or ``stop()`` is called.
    public mutating func run() throws(Errno) {
        isStopped = false
        while !isStopped && hasWork { try loopOnce() }
    }

    /// Ends ``run()`` when the present handler is done.
    public mutating func stop() {
        isStopped = true
    }

    /// Whether there is anything that a handler could be called for.
    public var hasWork: Bool { !immediates.isEmpty || !timers.isEmpty || !signals.isEmpty || userSourceCount > 0 }

    /// Does what comes before the handlers of descriptors and operations; whether that was to call another.
    @inline(never)
    private mutating func lookFirst() throws(Errno) -> Bool {
        if !immediates.isEmpty && runImmediate() || !signals.isEmpty && runSignal() || !timers.isEmpty && runTimer() { return true }
        if rearming == .eager {
            if !queues.ready.isEmpty || ring.readyCount > 0 { try enter(.submit) }
        } else {
            looksFirst = !immediates.isEmpty || !signals.isEmpty || !timers.isEmpty
        }
        return false
    }

    /// Arms what wants it since the last look; whether something has become ready by that.
    @inline(never)
    private mutating func armRest() throws(Errno) -> Bool {
        if !queues.pending.isEmpty { try enter(.submit) }
        return !queues.ready.isEmpty || ring.readyCount > 0
    }

    /// Calls the handler of the first source that was found ready; false if there is nothing to call it for any more.
    @inline(never)
    private mutating func runReady() -> Bool {
        let place = queues.takeReady(of: &sources)
        let events = sources[Int(place)].isShared ? readiness(of: place) : sources[Int(place)].relevantFound
        guard let turn = sources[Int(place)].takeTurn(at: place, for: events) else { return runWithoutHandler(place) }
        return runWatch(turn)
    }

    /// Has the turn of a source that is no watch, or a watch that has none.
    private mutating func runWithoutHandler(_ place: UInt32) -> Bool {
        if sources[Int(place)].hasEnded {
            freeIfDone(place)
            return false
        }
        // A watch's handler that has the loop call others is not called by that itself.
        return sources[Int(place)].kind == .operation && runOperation(place)
    }

    // MARK: The ring

    enum Entering {
        /// Submits, and waits for something to complete or a timer.
        case wait
        /// Submits, and has the kernel give out what has completed.
        case look
        /// Submits.
        case submit
    }

    /// Prepares what sources want, and enters the kernel.
    mutating func enter(_ entering: Entering) throws(Errno) {
        if !queues.pending.isEmpty { try prepareQueued() }
        switch entering {
        // Preparing may have found a watch that cannot be, or ended the last operation.
        case .wait where !queues.ready.isEmpty || !hasWork: try ring.submit()
        case .wait where !timers.isEmpty: try waitUntilDeadline()
        case .wait: try ring.submit(waitingFor: 1)
        case .look:
            // What completes from here on signals the descriptor again.
            clearWakeDescriptor()
            try ring.submit()
            try ring.processPending()
        case .submit:
            try ring.submit()
        }
        // What the set tells of a handler that is being called does not hold any more when it returns.
        if epoll != nil { completeAll() }
    }

    /// Takes note of all that has completed.
    @inline(never)
    mutating func completeAll() {
        while let completion = ring.nextCompletion() { complete(completion) }
    }

    /// Submits, and waits for something to complete until the next timer's time has come.
    @inline(never)
    private mutating func waitUntilDeadline() throws(Errno) {
        let deadline = timers.nextDeadline ?? .zero
        try ring.submit(waitingFor: 1, timeout: max(deadline - TimeoutClock.monotonic.now, .zero))
    }

    /// Prepares what the queued sources want of the ring.
    @inline(never)
    mutating func prepareQueued() throws(Errno) {
        while !queues.pending.isEmpty {
            // First, so that what there is no room for keeps its turn.
            if ring.availableEntries == 0 { try ring.submit() }
            let place = queues.takePending(of: &sources)
            do throws(Errno) {
                try prepare(place)
            } catch {
                // It tells the ring the next time, unless it is an operation that was dropped.
                let isDropped = sources[Int(place)].kind == .operation && !sources[Int(place)].hasEnded
                if isDropped { dropOperation(place) } else { enqueue(place) }
                throw error
            }
            freeIfDone(place)
        }
    }

    private mutating func prepare(_ place: UInt32) throws(Errno) {
        switch sources[Int(place)].kind {
        case .watch where epoll != nil: changeEpollSet(place)
        case .watch: try preparePoll(place)
        case .operation: try prepareOperation(place)
        case .signalWake: try prepareSignalWake(place)
        case .epollSet: try prepareEpollSet(place)
        case .closing, .free: break
        }
    }

    /// Takes note of what an operation came to; the handler is called later, if at all.
    @inline(never)
    mutating func complete(_ completion: consuming Completion<Tag>) {
        let place = completion.tag.index
        guard place < sources.count else { return }
        sources[Int(place)].inFlightCount -= 1
        switch sources[Int(place)].kind {
        case .watch: completePoll(completion, at: place)
        case .operation: completeOperation(completion, at: place)
        case .signalWake: completeSignalWake(completion, at: place)
        case .epollSet: completeEpollSet(completion, at: place)
        case .closing: completeClosing(completion, at: place)
        case .free: break
        }
        freeIfDone(place)
    }

    /// Has a source prepare what it wants before the ring is entered next.
    mutating func enqueue(_ place: UInt32) {
        queues.follow(sources[Int(place)].queue(), place, in: &sources)
    }

    /// Has a source's handler called when its turn comes.
    mutating func makeReady(_ place: UInt32) {
        sources[Int(place)].isReady = true
        queues.follow(.run, place, in: &sources)
    }

    // MARK: Sources

    /// Gives a source a place in the table.
    mutating func add(_ kind: Source.Kind) -> UInt32 {
        let place = queues.add(kind, to: &sources)
        if files.count < sources.count { files.append(nil) }
        return place
    }

    /// Whether a name still names a source.
    func names(_ place: UInt32, generation: UInt32) -> Bool {
        place < sources.count && sources[Int(place)].generation == generation
    }

    /// Takes note that a source's handler is not to be called any more.
    ///
    /// What it has in flight is cancelled before the ring is entered next, and then its place is free.
    mutating func end(_ place: UInt32) {
        sources[Int(place)].end()
        userSourceCount -= 1
        enqueue(place)
    }

    /// Frees the place of a source that has ended, when nothing refers to that any more.
    mutating func freeIfDone(_ place: UInt32) {
        queues.follow(sources[Int(place)].freeIfDone(), place, in: &sources)
    }

    // MARK: In another loop

    /// A descriptor that becomes readable when ``loopOnce(waiting:)`` has something to do, for another loop to wait for.
    ///
    /// The other loop calls `loopOnce(waiting: false)` until that says that nothing was ready, and only then waits: for this descriptor, and
    /// no longer than until ``nextDeadline``. An eventfd is used because the ring's own descriptor does not wake poll(2) when
    /// the kernel defers its work.
    ///
    /// - Returns: The descriptor, which is the loop's.
    /// - Throws: What making or registering it threw.
    public mutating func makeWakeDescriptor() throws(Errno) -> UnownedDescriptor {
        let made = try EventCounter()
        if wakeCounter != nil { try ring.unregisterEvents() }
        try ring.registerEvents(on: made)
        let unowned = made.descriptor.unowned
        wakeCounter = consume made
        return unowned
    }

    private func clearWakeDescriptor() {
        switch wakeCounter {
        case .some(let counter): _ = counter.take()
        case .none: break
        }
    }

    /// When something is due that no descriptor tells, as `TimeoutClock.monotonic.now` counts it.
    public var nextDeadline: Duration? { immediates.isEmpty ? timers.nextDeadline : .zero }
}

/// Turns a negated error number into an error.
@discardableResult
func checked(_ status: Int32) throws(Errno) -> Int32 {
    guard status >= 0 else { throw Errno(rawValue: -status) }
    return status
}
