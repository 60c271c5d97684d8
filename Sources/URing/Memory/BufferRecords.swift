// SPDX-License-Identifier: Apache-2.0

/// What one completion has of a buffer of an incremental pool.
struct BufferRecord: BitwiseCopyable {
    /// The buffer.
    let identifier: UInt16
    /// Whether the completion was neither taken nor dropped: the lease that is counted for it is not made yet.
    var isPresent = true
    /// Where in the buffer its bytes begin.
    let start: UInt32
    let byteCount: UInt32
}

/// The records of the completions of an incremental pool that were read from the queue and neither taken nor dropped.
///
/// A completion carries the number of its record where the kernel had put that of a buffer. Numbers are used again, so in
/// steady state nothing is allocated.
struct BufferRecords {
    private var records: [BufferRecord] = []
    private var freeNumbers: [UInt16] = []

    /// As many as the flags of a completion can tell apart.
    static let maximumCount = 1 << 16

    /// Keeps a record, and gives its number.
    mutating func add(_ record: BufferRecord) -> UInt16 {
        if let number = freeNumbers.popLast() {
            records[Int(number)] = record
            return number
        }
        require(
            records.count < BufferRecords.maximumCount,
            "Take or drop completions of an incremental pool before there are more than 65536 of them.")
        records.append(record)
        return UInt16(records.count - 1)
    }

    /// Gives a record out, and its number free.
    mutating func remove(_ number: Int) -> BufferRecord {
        require(
            number < records.count && records[number].isPresent,
            "A completion of an incremental pool comes from the ring that read it, and has its bytes once.")
        let record = records[number]
        records[number].isPresent = false
        freeNumbers.append(UInt16(number))
        return record
    }
}
