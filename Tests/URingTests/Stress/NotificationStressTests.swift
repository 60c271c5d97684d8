// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

/// Zero-copy sends, alone, merged and in groups, are taken, dropped, cancelled, flushed and left behind at random while their receivers stall,
/// read and go; afterwards nothing may be left, and nothing freed twice.
@Suite(.serialized) struct NotificationStressTests {
    static let operationsPerSeed = 8000

    @Test(arguments: [1, 2, 3] as [UInt64]) func nothingIsLeftOrFreedTwice(seed: UInt64) throws {
        let ledger = Ledger()
        do {
            var stress = try Stress(seed: seed, ledger: ledger)
            // Each way to end is gone more than now and then; on a busy machine that takes longer.
            while stress.preparedCount < Self.operationsPerSeed
                || !stress.hasGoneEachWay && stress.preparedCount < 8 * Self.operationsPerSeed
            { try stress.step() }
            stress.closeConnections()
            let hasGoneEachWay = stress.hasGoneEachWay
            #expect(hasGoneEachWay)
        }
        #expect(ledger.isSettled)
        #expect(ledger.bornCount > Self.operationsPerSeed / 2)
    }
}

/// What an operation of the stress is, in the low bits of its tag.
private enum Kind: Int, CaseIterable {
    case plain, grouped, merged, refused, refusedInGroup, cancel, flush
}

private struct Stress: ~Copyable {
    private typealias Send = SendZeroCopy<CountedMemory>
    private static let heldCount = 12
    private static let groupCount = 3
    private static let connectionCount = 3

    private var random: SeededGenerator
    private let ledger: Ledger
    private var ring: Ring<Int>
    private var connections: InlineArray<3, StalledConnection?>
    private var groups: InlineArray<3, NotificationGroup<Int>?>
    private var held: InlineArray<12, Completion<Int>?>
    private var heldTags: [Int?] = Array(repeating: nil, count: heldCount)
    private var recent: [AnyToken] = []
    private var nextNumber = 0
    /// The last number before the ring's first.
    private var firstNumber = 0
    private(set) var preparedCount = 0
    private var takenCount = 0
    private var rearmedCount = 0
    private var flushedCount = 0
    private var keptCount = 0
    private var ringCount = 1

    var hasGoneEachWay: Bool {
        takenCount > 200 && rearmedCount > 50 && flushedCount > 10 && keptCount > 20 && ringCount > 10
    }

    init(seed: UInt64, ledger: Ledger) throws {
        ring = try Ring<Int>(entries: 16)
        random = SeededGenerator(seed: seed)
        self.ledger = ledger
        connections = InlineArray { _ in nil }
        groups = InlineArray { _ in nil }
        held = InlineArray { _ in nil }
    }

    private mutating func roll(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    mutating func step() throws {
        switch roll(1000) {
        case ..<420 where ring.inFlightCount < 200: try prepare()
        case ..<520: try ring.submit()
        case ..<540: try ring.submit(waitingFor: 1, timeout: .milliseconds(1))
        case ..<720: reap()
        case ..<860: try settle(at: roll(Self.heldCount))
        case ..<940: read()
        case ..<970: try flush()
        case ..<980: try takeEarly()
        case ..<985: groups[roll(Self.groupCount)] = nil
        case ..<992: connections[roll(Self.connectionCount)] = nil
        case ..<996: try renewRing()
        default: try ring.processPending()
        }
    }

    // MARK: Preparing

    private mutating func tag(_ kind: Kind) -> Int {
        nextNumber += 1
        preparedCount += 1
        return nextNumber << 4 | kind.rawValue
    }

    private mutating func prepare() throws {
        guard let kind = Kind.allCases.dropLast().randomElement(using: &random) else { return }
        if kind == .cancel {
            guard let token = recent.randomElement(using: &random) else { return }
            let tag = tag(kind)
            try ring.prepare(CancelOther(token), tag: tag)
            return
        }
        let index = roll(Self.connectionCount)
        if connections[index] == nil { connections[index] = .some(try StalledConnection(sendBufferSize: 65536)) }
        let memory = CountedMemory(ledger, byteCapacity: 1 << roll(18), filledWith: 7)
        let flags: SendFlags = roll(4) == 0 ? .waitAll : []
        // The connection is there: it was just made if it was not.
        guard let connection = connections[index].take() else { return }
        let send = SendZeroCopy(connection.sender, from: memory, flags: flags, pollFirst: roll(8) == 0, reportsUsage: roll(2) == 0)
        connections[index] = .some(connection)
        try prepare(send, kind)
    }

    private mutating func prepare(_ send: consuming SendZeroCopy<CountedMemory>, _ kind: Kind) throws {
        let tag = tag(kind)
        let isGrouped = kind == .grouped || kind == .refusedInGroup
        let group = isGrouped ? takeGroup() : nil
        let refused = kind == .refused || kind == .refusedInGroup
        if let group {
            note(
                refused
                    ? AnyToken(try ring.prepare(RefusedSend(base: send), tag: tag, in: group))
                    : AnyToken(try ring.prepare(send, tag: tag, in: group)))
            groups[roll(Self.groupCount)] = .some(group)
        } else if kind == .merged {
            note(AnyToken(try ring.prepare(MergedNotification(send), tag: tag)))
        } else {
            note(
                refused
                    ? AnyToken(try ring.prepare(RefusedSend(base: send), tag: tag)) : AnyToken(try ring.prepare(send, tag: tag)))
        }
    }

    /// A group, of those that there are or a new one.
    private mutating func takeGroup() -> NotificationGroup<Int>? {
        let index = roll(Self.groupCount)
        if groups[index] == nil { groups[index] = .some(ring.makeNotificationGroup(minimumCapacity: roll(40))) }
        return groups[index].take()
    }

    private mutating func note(_ token: AnyToken) {
        if recent.count < 64 { recent.append(token) } else { recent[roll(64)] = token }
    }

    private mutating func flush() throws {
        guard let group = groups[roll(Self.groupCount)].take() else { return }
        let tag = tag(.flush)
        try ring.flush(group, tag: tag)
    }

    // MARK: Completions

    /// Keeps the next completion for later, in place of another one.
    private mutating func reap() {
        hold(ring.nextCompletion())
    }

    private mutating func hold(_ completion: consuming Completion<Int>?) {
        let index = roll(Self.heldCount)
        heldTags[index] = completion?.tag
        held[index] = completion
    }

    /// Drops a completion that is held, or takes it, or prepares its operation again.
    private mutating func settle(at index: Int) throws {
        guard let tag = heldTags[index] else { return }
        let count = heldTags.count { $0 == tag }
        heldTags[index] = nil
        guard let completion = held[index].take() else { return }
        // The last completion may not be taken while the result is out.
        if roll(3) == 0 || (count > 1 && completion.hasMore == false) { return }
        try take(completion)
    }

    private mutating func take(_ completion: consuming Completion<Int>) throws {
        takenCount += 1
        let tag = completion.tag
        guard let kind = Kind(rawValue: tag & 15) else { return }
        switch kind {
        case .plain, .grouped:
            switch completion.event(Send.self) {
            case .more: break
            case .finished(let completed): try rearm(completed.operation)
            }
        case .merged: try rearm(completion.take(MergedNotification<Send>.self).operation.base)
        case .refused, .refusedInGroup:
            switch completion.event(RefusedSend.self) {
            case .more: Issue.record("it was refused")
            case .finished(let completed): try rearm(completed.operation.base)
            }
        case .cancel: _ = completion.take(CancelOther.self)
        case .flush:
            flushedCount += 1
            try empty(completion.take(FlushNotifications<Int>.self).operation.group, isOfThisRing: tag >> 4 > firstNumber)
        }
    }

    /// Prepares a send that is over once more, as something else perhaps, or drops it.
    private mutating func rearm(_ send: consuming Send) throws {
        guard roll(2) == 0, let kind = [Kind.plain, .grouped, .merged].randomElement(using: &random) else { return }
        rearmedCount += 1
        try prepare(send, kind)
    }

    /// Takes some of what a group has kept, and then drops it or keeps it for more.
    private mutating func empty(_ group: consuming NotificationGroup<Int>, isOfThisRing: Bool = true) throws {
        let limit = roll(30)
        for _ in 0..<limit {
            guard let completion = group.nextCompletion() else { break }
            keptCount += 1
            let tag = completion.tag
            switch roll(3) {
            case 0: break
            case 1 where !heldTags.contains(tag): try take(completion)
            default: hold(.some(completion))
            }
        }
        if isOfThisRing && roll(3) > 0 { groups[roll(Self.groupCount)] = .some(group) }
    }

    private mutating func takeEarly() throws {
        guard let group = groups[roll(Self.groupCount)].take() else { return }
        try empty(group)
    }

    // MARK: The world around

    /// Lets a receiver take a part of what it has.
    private mutating func read() {
        let index = roll(Self.connectionCount)
        guard let connection = connections[index].take() else { return }
        let number = connection.receiver.unowned.fileDescriptor.rawValue
        var room = [UInt8](repeating: 0, count: 16384)
        for _ in 0..<roll(40) { _ = unsafe recv(number, &room, room.count, Int32(MSG_DONTWAIT)) }
        connections[index] = .some(connection)
    }

    /// Closes the receivers, and the senders but for what is in flight: the kernel lets go of all memory.
    mutating func closeConnections() {
        for index in 0..<Self.connectionCount { connections[index] = nil }
    }

    private mutating func renewRing() throws {
        ringCount += 1
        firstNumber = nextNumber
        recent.removeAll()
        closeConnections()
        let groupsGoFirst = roll(2) == 0
        if groupsGoFirst { dropGroups() }
        // Completions that are held outlive their ring.
        ring = try Ring<Int>(entries: 16, options: roll(2) == 0 ? .recommended : RingOptions())
        if !groupsGoFirst { dropGroups() }
    }

    private mutating func dropGroups() {
        for index in 0..<Self.groupCount { groups[index] = nil }
    }
}
