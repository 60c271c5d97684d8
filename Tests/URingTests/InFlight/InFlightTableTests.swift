// SPDX-License-Identifier: Apache-2.0

import CTestSupport
import CURing
import SystemPackage
import Testing

@testable import URing

/// The table alone, without a kernel.
@Suite struct InFlightTableTests {
    /// What the model knows of an operation in the table.
    private struct Expected {
        var kind: Int
        var number: Int
        var tag: Int
        var outstanding = 0
        var isReaped = false
    }

    /// The table beside a dictionary that is meant to say the same.
    @safe private struct Modelled: ~Copyable {
        let table: InFlightTable
        let ledger = Ledger()
        var model: [UInt64: Expected] = [:]
        var live: [UInt64] = []
        var past: [UInt64] = []
        let entry = UnsafeMutablePointer<curing_sqe>.allocate(capacity: 1)

        static var payloadOffset: Int { SlotLayout.payloadOffset(Int.self) }

        init(firstGeneration: UInt64) throws {
            table = try InFlightTable(tag: Int.self, identity: 1, firstGeneration: firstGeneration)
            unsafe entry.initialize(to: curing_sqe())
        }

        deinit {
            unsafe entry.deallocate()
        }

        mutating func insert<Op: CountedOperation & ~Copyable>(_: Op.Type, kind: Int, tag: Int) throws {
            let number = ledger.bornCount
            let slot = try table.insert(Op(ledger.life()), tag: tag)
            let payload = unsafe table.payload(
                Op.self, of: slot, offset: Modelled.payloadOffset,
                capacity: SlotLayout.capacity(payloadOffset: Modelled.payloadOffset))
            #expect(UInt(bitPattern: payload) % UInt(MemoryLayout<Op>.alignment) == 0)
            let kernelData = unsafe (payload + PayloadLayout.kernelDataOffset(Op.self)).assumingMemoryBound(to: Op.KernelData.self)
            unsafe payload.assumingMemoryBound(to: Op.self).pointee.encode(
                into: SubmissionEntry(entry, of: table), kernelData: kernelData)
            let userData = unsafe slot.header.pointee.userData
            #expect(model[userData] == nil)
            model[userData] = Expected(kind: kind, number: number, tag: tag)
            live.append(userData)
        }

        mutating func insert(kind: Int, tag: Int) throws {
            switch kind {
            case 0: try insert(InlineNop.self, kind: kind, tag: tag)
            case 1: try insert(BoxedNop.self, kind: kind, tag: tag)
            case 2: try insert(AlignedNop.self, kind: kind, tag: tag)
            default: try insert(DataNop.self, kind: kind, tag: tag)
            }
        }

        func finish<Op: CountedOperation & ~Copyable>(_: Op.Type, slot: Slot, expected: Expected) {
            let entry = CompletionEntry(result: Int32(truncatingIfNeeded: expected.number))
            let completed = table.finish(Op.self, slot: slot, payloadOffset: Modelled.payloadOffset, entry: entry)
            #expect(completed.operation.number == expected.number)
            #expect(completed.result == .success(expected.number))
        }

        /// Takes the last completion.
        mutating func finish(_ userData: UInt64, at position: Int) throws {
            let expected = try #require(model[userData])
            let slot = try #require(table.slot(for: userData))
            switch expected.kind {
            case 0: finish(InlineNop.self, slot: slot, expected: expected)
            case 1: finish(BoxedNop.self, slot: slot, expected: expected)
            case 2: finish(AlignedNop.self, slot: slot, expected: expected)
            default: finish(DataNop.self, slot: slot, expected: expected)
            }
            forget(userData, at: position)
        }

        mutating func forget(_ userData: UInt64, at position: Int) {
            if let expected = model.removeValue(forKey: userData) {
                #expect(ledger.endings[expected.number] == 1)
            }
            live.swapAt(position, live.count - 1)
            live.removeLast()
            past.append(userData)
            #expect(!table.names(userData))
        }

        /// Drops a completion.
        mutating func drop(_ userData: UInt64, at position: Int, isLast: Bool) throws {
            let slot = try #require(table.slot(for: userData))
            table.dispose(of: slot, entry: CompletionEntry(result: 0, flags: isLast ? [] : .more))
            if isLast { model[userData]?.isReaped = true } else { model[userData]?.outstanding -= 1 }
            let expected = try #require(model[userData])
            if expected.isReaped && expected.outstanding == 0 { forget(userData, at: position) }
        }

        /// Takes one of several completions.
        mutating func takeEvent(_ userData: UInt64, at position: Int) throws {
            let slot = try #require(table.slot(for: userData))
            let entry = CompletionEntry(result: 3, flags: .more)
            let kind = try #require(model[userData]?.kind)
            let offset = Modelled.payloadOffset
            let result =
                switch kind {
                case 0: table.continue(InlineNop.self, slot: slot, payloadOffset: offset, entry: entry)
                case 1: table.continue(BoxedNop.self, slot: slot, payloadOffset: offset, entry: entry)
                case 2: table.continue(AlignedNop.self, slot: slot, payloadOffset: offset, entry: entry)
                default: table.continue(DataNop.self, slot: slot, payloadOffset: offset, entry: entry)
                }
            #expect(result == .success(3))
            model[userData]?.outstanding -= 1
            let expected = try #require(model[userData])
            if expected.isReaped && expected.outstanding == 0 { forget(userData, at: position) }
        }

        mutating func checkAll() throws {
            #expect(table.usedCount == model.count)
            for (userData, expected) in model {
                let slot = try #require(table.slot(for: userData))
                let tag = unsafe (slot.base + SlotLayout.tagOffset(Int.self)).load(as: Int.self)
                #expect(tag == expected.tag)
                #expect(unsafe Int(slot.header.pointee.state.outstanding) == expected.outstanding)
                #expect(ledger.endings[expected.number] == 0)
            }
            #expect(ledger.aliveCount == model.count)
        }
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64], [0, UInt64.max - 40])
    func agreesWithADictionary(seed: UInt64, firstGeneration: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var modelled = try Modelled(firstGeneration: firstGeneration)
        for step in 0..<20_000 {
            // The population swings, so that the table grows, drains and is filled again.
            let wanted = step / 2500 % 2 == 0 ? 1200 : 60
            if modelled.live.isEmpty || modelled.live.count < Int.random(in: 0...wanted, using: &random) {
                try modelled.insert(kind: Int.random(in: 0..<4, using: &random), tag: Int.random(in: .min ... .max, using: &random))
                continue
            }
            let position = Int.random(in: 0..<modelled.live.count, using: &random)
            let userData = modelled.live[position]
            let expected = try #require(modelled.model[userData])
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where expected.outstanding == 0, 1 where expected.outstanding == 0: try modelled.finish(userData, at: position)
            case 0 where !expected.isReaped, 2 where !expected.isReaped: try modelled.drop(userData, at: position, isLast: true)
            case 3 where !expected.isReaped && expected.outstanding < 5:
                let slot = try #require(modelled.table.slot(for: userData))
                modelled.table.beginEvent(of: slot)
                modelled.model[userData]?.outstanding += 1
            case 4 where expected.outstanding > 0: try modelled.takeEvent(userData, at: position)
            case 5 where expected.outstanding > 0: try modelled.drop(userData, at: position, isLast: false)
            default: break
            }
            if let stale = modelled.past.randomElement(using: &random) { #expect(!modelled.table.names(stale)) }
            if step % 2000 == 0 { try modelled.checkAll() }
        }
        try modelled.checkAll()
        // The ring goes first; what the caller still has goes one by one.
        modelled.table.orphan()
        while modelled.live.count > 1, let userData = modelled.live.last {
            let expected = try #require(modelled.model[userData])
            for _ in 0..<expected.outstanding { try modelled.drop(userData, at: modelled.live.count - 1, isLast: false) }
            if !expected.isReaped { try modelled.drop(userData, at: modelled.live.count - 1, isLast: true) }
        }
        // The table is freed with the last operation, so it cannot be asked after that.
        if let userData = modelled.live.last {
            let slot = try #require(modelled.table.slot(for: userData))
            let expected = try #require(modelled.model[userData])
            if !expected.isReaped { modelled.table.dispose(of: slot, entry: CompletionEntry(result: 0)) }
            for _ in 0..<expected.outstanding { modelled.table.dispose(of: slot, entry: CompletionEntry(result: 0, flags: .more)) }
        }
        #expect(modelled.ledger.isSettled)
    }

    @Test func generationsWrapWithoutTouchingTheRest() throws {
        #expect(InFlightTable.maximumByteCount <= UserData.generationStep)
        let table = try InFlightTable(tag: Int.self, identity: 1, firstGeneration: .max - 2)
        var seen: Set<UInt64> = []
        for round in 0..<8 {
            let slot = try table.insert(Nop(), tag: 0)
            let userData = unsafe slot.header.pointee.userData
            #expect(UserData.kind(of: userData) == .operation)
            #expect(userData == UserData.operation(byteOffset: 0, generation: .max - 2 &+ UInt64(round)))
            #expect(seen.insert(userData).inserted)
            table.discard(slot)
            for userData in seen { #expect(!table.names(userData)) }
        }
        table.orphan()
    }

    @Test func staleAndForeignUserDataNamesNothing() throws {
        let table = try InFlightTable(tag: Int.self, identity: 1)
        let slot = try table.insert(Nop(), tag: 0)
        let userData = unsafe slot.header.pointee.userData
        #expect(table.names(userData))
        #expect(!table.names(0))
        #expect(!table.names(.max))
        // A place that is free, one that was never used, and one behind the end of the table.
        #expect(!table.names(UserData.operation(byteOffset: 128, generation: 0) &+ UserData.generationStep))
        #expect(!table.names(UserData.operation(byteOffset: InFlightTable.growthByteCount, generation: 0)))
        #expect(!table.names(UserData.operation(byteOffset: InFlightTable.maximumByteCount, generation: 0)))
        #expect(!table.names(UserData.operation(byteOffset: 0, generation: 1)))
        #expect(!table.names(userData & ~(UserData.generationStep - 1)))
        #expect(!table.names(userData + 1))
        table.discard(slot)
        #expect(!table.names(userData))
        table.orphan()
    }

    @Test func growsToAMillionOperationsThatStayWhereTheyAre() throws {
        let table = try InFlightTable(tag: Int.self, identity: 1)
        let ledger = Ledger()
        let count = 1_000_000
        var addresses: [UInt64: UInt] = [:]
        var all: [UInt64] = []
        all.reserveCapacity(count)
        for number in 0..<count {
            let slot = try table.insert(InlineNop(ledger.life()), tag: number)
            let userData = unsafe slot.header.pointee.userData
            if number % 1009 == 0 { addresses[userData] = unsafe UInt(bitPattern: slot.base) }
            all.append(userData)
        }
        #expect(table.usedCount == count)
        for (userData, address) in addresses {
            let slot = try #require(table.slot(for: userData))
            #expect(unsafe UInt(bitPattern: slot.base) == address)
        }
        var wrong = 0
        for (number, userData) in all.enumerated() {
            guard let slot = table.slot(for: userData) else {
                wrong += 1
                continue
            }
            let completed = table.finish(
                InlineNop.self, slot: slot, payloadOffset: SlotLayout.payloadOffset(Int.self), entry: CompletionEntry(result: 0))
            if completed.operation.number != number { wrong += 1 }
        }
        #expect(wrong == 0)
        #expect(table.usedCount == 0)
        #expect(ledger.isSettled)
        table.orphan()
    }

    @Test func aTagThatIsTooLargeTraps() async {
        expectSentence(
            "A tag is the size of a word or two; this one is too large.",
            of: await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                _ = try InFlightTable(tag: InlineArray<70000, UInt8>.self, identity: 1)
            })
    }

    @Test func aBoxIsReused() throws {
        let table = try InFlightTable(tag: Int.self, identity: 1)
        let ledger = Ledger()
        let offset = SlotLayout.payloadOffset(Int.self)
        var boxes: Set<UInt> = []
        for _ in 0..<100 {
            let slot = try table.insert(BoxedNop(ledger.life()), tag: 0)
            boxes.insert(
                unsafe UInt(
                    bitPattern: table.payload(
                        BoxedNop.self, of: slot, offset: offset, capacity: SlotLayout.capacity(payloadOffset: offset))))
            _ = table.finish(BoxedNop.self, slot: slot, payloadOffset: offset, entry: CompletionEntry(result: 0))
        }
        #expect(boxes.count == 1)
        #expect(ledger.isSettled)
        table.orphan()
    }

    @Test func theLastCompletionFreesAnOrphanedTable() async {
        await #expect(processExitsWith: .success) {
            let ledger = Ledger()
            func makeAndOrphan(_ rounds: Int) throws {
                for _ in 0..<rounds {
                    let table = try InFlightTable(tag: Int.self, identity: 1)
                    let inline = try table.insert(InlineNop(ledger.life()), tag: 0)
                    let boxed = try table.insert(BoxedNop(ledger.life()), tag: 0)
                    table.orphan()
                    table.dispose(of: inline, entry: CompletionEntry(result: 0))
                    table.dispose(of: boxed, entry: CompletionEntry(result: 0))
                }
            }
            try makeAndOrphan(10)
            let allocated = test_allocated_byte_count()
            let mapped = try Memory.now().mapped
            try makeAndOrphan(1000)
            precondition(ledger.isSettled)
            let newlyAllocated = test_allocated_byte_count() - allocated
            precondition(newlyAllocated < 50_000, "\(newlyAllocated) bytes were not freed")
            // One table alone reserves a thousand times as much.
            let newlyMapped = try Memory.now().mapped - mapped
            precondition(newlyMapped < 10 << 20, "\(newlyMapped) bytes were not unmapped")
        }
    }

    @Test func tagsOfAnySizeKeepThePayloadAligned() {
        #expect(SlotLayout.slotByteCount(Void.self) == 128)
        #expect(SlotLayout.slotByteCount(Int.self) == 128)
        #expect(SlotLayout.slotByteCount(InlineArray<40, UInt8>.self) == 256)
        #expect(SlotLayout.slotByteCount(InlineArray<1000, UInt8>.self) == 2048)
        #expect(SlotLayout.payloadOffset(UInt8.self) % 16 == 0)
        #expect(SlotLayout.payloadOffset(InlineArray<41, UInt8>.self) % 16 == 0)
        #expect(SlotLayout.capacity(payloadOffset: SlotLayout.payloadOffset(InlineArray<100, UInt8>.self)) >= 80)
    }
}

extension InFlightTable {
    /// Whether user data names an operation in the table.
    fileprivate func names(_ userData: UInt64) -> Bool { slot(for: userData) != nil }
}
