// SPDX-License-Identifier: Apache-2.0

import Support

/// How a sender gets its memory back.
enum Way: String, CaseIterable {
    case lazy
    case waiting
    case copying
}

/// What sending in one way took.
struct Measurement {
    let way: Way
    private var recordCount = 0
    private var elapsed = Duration.zero
    private var processorTime = Duration.zero
    private var switchCount = 0
    private var copiedCount = 0
    private var mostOutstanding = 0

    init(way: Way) {
        self.way = way
    }

    mutating func add(_ run: Sender.Run) {
        recordCount += run.recordCount
        elapsed += run.elapsed
        processorTime += run.processorTime
        switchCount += run.switchCount
        copiedCount += run.copiedCount
        mostOutstanding = max(mostOutstanding, run.mostOutstanding)
    }

    var recordsPerSecond: Double { Double(recordCount) / (elapsed / .seconds(1)) }

    var microsecondsPerRecord: Double { processorTime / .microseconds(1) / Double(recordCount) }

    /// How many of a hundred sends the kernel copied the bytes of.
    var copiedPercentage: Double { 100 * Double(copiedCount) / Double(recordCount) }

    /// Voluntary context switches; one at least, to be divided by.
    var switchesPerThousand: Double { Double(max(switchCount, 1)) * 1000 / Double(recordCount) }

    static let header = "way       sends/s   CPU µs/send   voluntary switches/1000 sends   copied   most buffers out\n"

    var row: String {
        tableRow([
            (way.rawValue, 7), (decimal(recordsPerSecond, places: 0), 10), (decimal(microsecondsPerRecord, places: 2), 14),
            (decimal(switchesPerThousand, places: 2), 32), (decimal(copiedPercentage, places: 0) + " %", 9), (String(mostOutstanding), 19),
        ])
    }
}

/// A line of columns, each with its width; the first begins at the left, the others end at the right.
func tableRow(_ columns: [(text: String, width: Int)]) -> String {
    let padded = columns.enumerated().map { index, column in
        let padding = String(repeating: " ", count: max(column.width - column.text.count, 0))
        return index == 0 ? column.text + padding : padding + column.text
    }
    return padded.joined() + "\n"
}
