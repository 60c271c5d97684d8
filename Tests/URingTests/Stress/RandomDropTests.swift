// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import Testing

@testable import URing

/// Everything is dropped, taken, cancelled and armed again at random; afterwards nothing may be left, and nothing freed twice.
@Suite(.serialized) struct RandomDropTests {
    static let operationsPerSeed = 30_000

    @Test(arguments: [1, 2, 3, 4] as [UInt64]) func nothingIsLeftOrFreedTwice(seed: UInt64) throws {
        // Writing to a pipe or socket whose other end is gone raises it, through a ring as through write(2).
        signal(SIGPIPE, SIG_IGN)
        let ledger = Ledger()
        let directory = try TemporaryDirectory()
        let path = try directory.file("data", containing: pattern(65536))
        var tracked: Set<String> = [path.string]
        do {
            var stress = try Stress(seed: seed, ledger: ledger, path: path)
            while stress.preparedCount < Self.operationsPerSeed { try stress.step() }
            tracked.formUnion(stress.tracked)
            #expect(stress.takenCount > 1000)
            #expect(stress.rearmedCount > 500)
            #expect(stress.ringCount > 10)
        }
        #expect(ledger.isSettled)
        #expect(ledger.bornCount > Self.operationsPerSeed / 2)
        let open = Set(try openDescriptors().map { String($0.drop { $0 != " " }.dropFirst()) })
        let left = open.intersection(tracked)
        #expect(left.isEmpty)
    }
}

/// What an operation of the stress is, in the low bits of its tag.
private enum Kind: Int, CaseIterable {
    case fileRead, pipeRead, socketRead, fileWrite, pipeWrite, socketWrite, boxed, watch, open, cancel
}

private struct Stress: ~Copyable {
    private static let heldCount = 12

    private var random: SeededGenerator
    private let ledger: Ledger
    private let path: FilePath
    private var ring: Ring<Int>
    private var file: Descriptor
    private var pipe: DescriptorPair
    private var sockets: DescriptorPair
    private var events: EventCounter
    private var held: InlineArray<12, Completion<Int>?>
    private var heldTags: [Int?] = Array(repeating: nil, count: heldCount)
    private var recent: [AnyToken] = []
    private var nextNumber = 0
    private(set) var tracked: Set<String> = []
    private(set) var preparedCount = 0
    private(set) var takenCount = 0
    private(set) var rearmedCount = 0
    private(set) var ringCount = 1

    init(seed: UInt64, ledger: Ledger, path: FilePath) throws {
        let ring = try Ring<Int>(entries: 16)
        let file = try Descriptor(opening: path, .readWrite)
        let pipe = try DescriptorPair.pipe()
        let sockets = try DescriptorPair.sockets()
        let events = try EventCounter()
        random = SeededGenerator(seed: seed)
        self.ledger = ledger
        self.path = path
        self.ring = ring
        self.file = file
        self.pipe = pipe
        self.sockets = sockets
        self.events = events
        held = InlineArray { _ in nil }
        track()
    }

    /// Remembers which files are open, to look for them afterwards.
    private mutating func track() {
        let numbers = [
            pipe.first.unowned.fileDescriptor.rawValue, pipe.second.unowned.fileDescriptor.rawValue,
            sockets.first.unowned.fileDescriptor.rawValue, sockets.second.unowned.fileDescriptor.rawValue,
        ]
        for number in numbers {
            if let target = target(of: number) { tracked.insert(target) }
        }
    }

    private mutating func roll(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

    mutating func step() throws {
        switch roll(1000) {
        case ..<520 where ring.inFlightCount < 400: try prepare()
        case ..<620: try ring.submit()
        case ..<640: try ring.submit(waitingFor: 1, timeout: .milliseconds(1))
        case ..<800: reap()
        case ..<940: try settle(at: roll(Self.heldCount))
        case ..<960: try feed()
        case ..<980: try renewDescriptor()
        case ..<984: try renewRing()
        default: drain()
        }
    }

    // MARK: Preparing

    private mutating func tag(_ kind: Kind) -> Int {
        nextNumber += 1
        preparedCount += 1
        return nextNumber << 4 | kind.rawValue
    }

    private mutating func prepare() throws {
        guard let kind = Kind.allCases.randomElement(using: &random) else { return }
        let tag = tag(kind)
        let memory = CountedMemory(ledger, byteCapacity: 1 << roll(12), filledWith: kind.rawValue < 3 ? nil : 7)
        let position = FilePosition.offset(roll(65536))
        switch kind {
        case .fileRead: note(try ring.prepare(Read(file, into: memory, at: position), tag: tag).any)
        case .pipeRead: note(try ring.prepare(Read(pipe.first, into: memory), tag: tag).any)
        case .socketRead: note(try ring.prepare(Read(sockets.first, into: memory), tag: tag).any)
        case .fileWrite: note(try ring.prepare(Write(file, from: memory, at: position), tag: tag).any)
        case .pipeWrite: note(try ring.prepare(Write(pipe.second, from: memory), tag: tag).any)
        case .socketWrite: note(try ring.prepare(Write(sockets.second, from: memory), tag: tag).any)
        case .boxed: note(try ring.prepare(BoxedNop(ledger.life()), tag: tag).any)
        case .watch: note(try ring.prepare(WatchEvents(events, ledger.life()), tag: tag).any)
        case .open: note(try ring.prepare(OpenAt(path), tag: tag).any)
        case .cancel:
            guard let token = recent.randomElement(using: &random) else { return }
            try ring.prepare(CancelOther(token), tag: tag)
        }
    }

    private mutating func note(_ token: AnyToken) {
        if recent.count < 64 { recent.append(token) } else { recent[roll(64)] = token }
    }

    // MARK: Completions

    /// Keeps the next completion for later, in place of another one.
    private mutating func reap() {
        let index = roll(Self.heldCount)
        if let completion = ring.nextCompletion() {
            heldTags[index] = completion.tag
            held[index] = .some(completion)
        } else {
            heldTags[index] = nil
            held[index] = nil
        }
    }

    private mutating func drain() {
        while ring.nextCompletion() != nil {}
    }

    /// Drops a completion that is held, or takes it, or arms its operation again.
    private mutating func settle(at index: Int) throws {
        guard let tag = heldTags[index], let kind = Kind(rawValue: tag & 15) else { return }
        let heldCount = heldTags.count { $0 == tag }
        heldTags[index] = nil
        // The last completion of a multishot may not be taken while others are out.
        if roll(3) == 0 || (kind == .watch && heldCount > 1) {
            held[index] = nil
            return
        }
        guard let completion = held[index].take() else { return }
        takenCount += 1
        let isArmedAgain = roll(2) == 0
        switch kind {
        case .fileRead, .pipeRead, .socketRead:
            let completed = completion.take(Read<CountedMemory>.self)
            if isArmedAgain { try rearm(completed.operation, kind) }
        case .fileWrite, .pipeWrite, .socketWrite:
            let completed = completion.take(Write<CountedMemory>.self)
            if isArmedAgain { try rearm(completed.operation, kind) }
        case .boxed:
            let completed = completion.take(BoxedNop.self)
            if completed.operation.number < 0 { Issue.record("the operation changed in flight") }
            if isArmedAgain { try rearm(completed.operation, kind) }
        case .watch:
            switch completion.event(WatchEvents.self) {
            case .more: break
            case .finished(let completed): if isArmedAgain { try rearm(completed.operation, kind) }
            }
        case .open: _ = completion.take(OpenAt<Descriptor>.self)
        case .cancel: _ = completion.take(CancelOther.self)
        }
    }

    private mutating func rearm<Op: Operation & ~Copyable>(_ operation: consuming Op, _ kind: Kind) throws {
        rearmedCount += 1
        let tag = tag(kind)
        note(try ring.prepare(operation, tag: tag).any)
    }

    // MARK: The world around

    /// Lets pending reads end.
    private mutating func feed() throws {
        try events.add()
        send(pattern(1 + roll(200)), to: sockets.second)
    }

    private mutating func renewDescriptor() throws {
        switch roll(4) {
        case 0: file = try Descriptor(opening: path, .readWrite)
        case 1: pipe = try DescriptorPair.pipe()
        case 2: sockets = try DescriptorPair.sockets()
        default: events = try EventCounter()
        }
        track()
    }

    private mutating func renewRing() throws {
        ringCount += 1
        recent.removeAll()
        var options = roll(2) == 0 ? RingOptions.recommended : RingOptions()
        if roll(3) == 0 { options.completionQueueEntries = 16 }
        var other = try Ring<Int>(entries: 16, options: options)
        if roll(2) == 0 {
            swap(&ring, &other)
            let leftovers = other.close()
            if !leftovers.isEmpty { Issue.record("\(leftovers.leakedOperations) operations did not end") }
        } else {
            ring = other
        }
    }
}
