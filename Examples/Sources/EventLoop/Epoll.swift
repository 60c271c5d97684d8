// SPDX-License-Identifier: Apache-2.0

import CEventLoop
import SystemPackage
import URing

/// The epoll set of a loop, which the ring waits for.
///
/// epoll takes a file out when its last descriptor is closed, whoever does that, which no poll of a ring does.
final class EpollSet {
    /// How many events the kernel gives at a time; the others have their turn next.
    private static let eventCount = 64

    let set: Descriptor
    /// Where the kernel writes events, while it does not.
    var events: EpollEvents?
    /// The descriptors in the set, by place; their events come back with the place, and with a number that tells those apart that had it.
    private var descriptors: [WatchedDescriptor?] = []
    private var freePlaces: [Int] = []
    private var generation: UInt64 = 0

    init() throws(Errno) {
        set = try .epollSet()
        makeEvents()
    }

    func makeEvents() {
        events = EpollEvents(capacity: EpollSet.eventCount)
    }

    private var number: Int32 { self.set.unowned.fileDescriptor.rawValue }

    /// The descriptor that an event is of, if it is still watched.
    func descriptor(of event: EpollEvent) -> WatchedDescriptor? {
        let place = Int(UInt32(truncatingIfNeeded: event.data))
        guard place < descriptors.count, let descriptor = descriptors[place], descriptor.epollData == event.data else { return nil }
        return descriptor
    }

    /// Has the set watch a descriptor for some events, or take it out if there are none; false if it cannot be watched.
    func set(_ descriptor: WatchedDescriptor, to wanted: PollEvents) -> Bool {
        guard descriptor.epollEvents != (wanted.isEmpty ? nil : wanted) else { return true }
        if wanted.isEmpty {
            // It fails if somebody has closed the descriptor, and then it is out already.
            _ = event_loop_epoll_remove(number, descriptor.number)
            remove(descriptor)
            return true
        }
        if descriptor.epollData == 0 { descriptor.epollData = makeData(for: descriptor) }
        // The highest bits say how the set is to tell, and not what.
        let events = wanted.rawValue & 0x0fff_ffff
        var status = event_loop_epoll_change(number, descriptor.number, events, descriptor.epollData)
        if status == -Errno.noSuchFileOrDirectory.rawValue {
            // It is new, or somebody has closed the descriptor and its number means another file now.
            status = event_loop_epoll_add(number, descriptor.number, events, descriptor.epollData)
        }
        guard status == 0 else {
            remove(descriptor)
            return false
        }
        descriptor.epollEvents = wanted
        return true
    }

    private func makeData(for descriptor: WatchedDescriptor) -> UInt64 {
        generation += 1
        let place: Int
        if let free = freePlaces.popLast() {
            place = free
            descriptors[place] = descriptor
        } else {
            place = descriptors.count
            descriptors.append(descriptor)
        }
        return generation << 32 | UInt64(place)
    }

    private func remove(_ descriptor: WatchedDescriptor) {
        descriptor.epollEvents = nil
        guard descriptor.epollData != 0 else { return }
        let place = Int(UInt32(truncatingIfNeeded: descriptor.epollData))
        descriptors[place] = nil
        freePlaces.append(place)
        descriptor.epollData = 0
    }
}

extension EventLoop {
    /// Has the epoll set watch a descriptor for what its handlers want now.
    mutating func updateEpollSet(for descriptor: WatchedDescriptor) {
        // With nothing wanted it is taken out: errors would be reported even so.
        var wanted: PollEvents = []
        for place in descriptor.watches { wanted.formUnion(sources[Int(place)].wanted) }
        guard let epoll, !epoll.set(descriptor, to: wanted) else { return }
        for place in descriptor.watches { report(.invalid, to: place) }
    }

    /// Has the epoll set watch a watch's descriptor for what is wanted now.
    mutating func changeEpollSet(_ place: UInt32) {
        if let descriptor = files[Int(place)]?.descriptor { updateEpollSet(for: descriptor) }
    }

    /// Takes note of what a descriptor was ready for when the kernel looked.
    private mutating func report(_ events: PollEvents, to place: UInt32) {
        queues.follow(sources[Int(place)].report(events), place, in: &sources)
    }

    mutating func prepareEpollSet(_ place: UInt32) throws(Errno) {
        guard let epoll, let events = epoll.events.take() else { return }
        do throws(Errno) {
            try ring.prepare(EpollWait(epoll.set.unowned, into: events), tag: Tag(index: place, arming: 0))
        } catch {
            // They were dropped with the operation.
            epoll.makeEvents()
            throw error
        }
        sources[Int(place)].inFlightCount += 1
    }

    mutating func completeEpollSet(_ completion: consuming Completion<Tag>, at place: UInt32) {
        guard let epoll else { return }
        let completed = completion.take(EpollWait.self)
        let result = completed.result
        let operation = completed.operation
        if case .success(let count) = result {
            for index in 0..<count {
                let event = operation.events[index]
                guard let descriptor = epoll.descriptor(of: event) else { continue }
                for place in descriptor.watches { report(event.events, to: place) }
            }
        }
        let events = operation.events
        epoll.events = consume events
        // Waiting again comes with the next call that has to wait: until then the level-triggered set would tell the same once more.
        enqueue(place)
    }
}
