// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import URing

/// The numbers that stand for types in slots.
@Suite struct OperationNumberTests {
    @Test func eachIsOfItsTypeAlone() {
        for number in OperationNumber.allCases {
            #expect(OperationNumberTests.number(of: number.type) == number)
            #expect(OperationNumber.allCases.filter { $0.type == number.type } == [number])
        }
    }

    @Test func otherTypesHaveNone() {
        #expect(OperationNumber(of: Read<CountedMemory>.self) == nil)
        #expect(OperationNumber(of: Send<CountedMemory>.self) == nil)
        #expect(OperationNumber(of: Cancel.self) == nil)
        #expect(OperationNumber(of: InlineNop.self) == nil)
    }

    @Test func numbersLeaveRoomForWhatElseIsKnown() {
        for number in OperationNumber.allCases {
            #expect(number.rawValue > 0 && number.rawValue < 0x80)
            var state = SlotState(number)
            state.beginEvent()
            state.beginEvent()
            state.isAbandoned = true
            #expect(state.number == number && state.isAbandoned && state.outstanding == 2)
            state.isAbandoned = false
            state.endEvent()
            #expect(state.number == number && state != SlotState(number))
            state.endEvent()
            #expect(state == SlotState(number))
        }
    }

    /// The number that the compiler finds for a type that it does not know.
    private static func number<Op: Operation & ~Copyable>(of _: Op.Type) -> OperationNumber? {
        OperationNumber(of: Op.self)
    }
}
