// SPDX-License-Identifier: Apache-2.0

/// Ends the program with a sentence that says what to do, when the caller did not keep a condition.
///
/// Unlike `precondition` it says so in optimised builds too. The sentence is put together off the hot path.
@inlinable @inline(__always)
func require(_ condition: Bool, _ sentence: @autoclosure () -> StaticString, file: StaticString = #fileID, line: UInt = #line) {
    if !condition { trap(sentence(), file: file, line: line) }
}

/// Whether an offset lies within so many bytes, or right behind them.
///
/// One comparison does, because without its sign a number below zero is larger than any count.
@inlinable @inline(__always)
func isOffset(_ offset: Int, within byteCount: Int) -> Bool {
    UInt(bitPattern: offset) <= UInt(bitPattern: byteCount)
}

/// Ends the program with a sentence.
@usableFromInline @inline(never)
func trap(_ sentence: StaticString, file: StaticString = #fileID, line: UInt = #line) -> Never {
    fatalError("\(sentence)", file: file, line: line)
}
