// SPDX-License-Identifier: Apache-2.0

import Testing
import URing

@Suite struct BufferSpanTests {
    @Test func spanShowsTheInitialisedBytesAndNoMore() {
        var buffer = Buffer(copying: [1, 2, 3], byteCapacity: 10)
        let (count, last) = (buffer.span.count, buffer.span[2])
        #expect(count == 3)
        #expect(last == 3)
        buffer.truncate(to: 1)
        let truncatedCount = buffer.span.count
        #expect(truncatedCount == 1)
        let empty = Buffer(byteCapacity: 0)
        let isEmpty = empty.span.isEmpty
        #expect(isEmpty)
    }

    @Test func changesThroughTheMutableSpanAreInTheBuffer() {
        var buffer = Buffer(byteCapacity: 4)
        buffer.append(repeating: 7, count: 4)
        var span = buffer.mutableSpan
        for index in span.indices { span[index] = UInt8(index) }
        #expect(buffer.copyBytes() == [0, 1, 2, 3])
    }
}
