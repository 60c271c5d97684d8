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

    @Test func noTypeLiesAtTheAddressOfANumber() {
        // The kernel keeps the first page from being mapped.
        #expect(OperationNumber.allCases.allSatisfy { $0.rawValue > 0 && $0.rawValue < 4096 })
    }

    /// The number that the compiler finds for a type that it does not know.
    private static func number<Op: Operation & ~Copyable>(of _: Op.Type) -> OperationNumber? {
        OperationNumber(of: Op.self)
    }
}
