// SPDX-License-Identifier: Apache-2.0

import Support

/// A line on standard error that says how far the work is, a few times a second.
struct ProgressLine {
    private let isShown: Bool
    private let isTerminal: Bool
    private let byteCount: Int64
    private let start = ContinuousClock.now
    private var next = ContinuousClock.now
    private var last: Int64 = 0

    init(isShown: Bool, isTerminal: Bool, byteCount: Int64) {
        self.isShown = isShown
        self.isTerminal = isTerminal
        self.byteCount = byteCount
    }

    mutating func update(_ done: Int64) {
        last = done
        guard isShown, ContinuousClock.now >= next else { return }
        next = .now + .milliseconds(isTerminal ? 100 : 1000)
        show()
    }

    /// Shows the final state, and leaves the line.
    mutating func end() {
        guard isShown else { return }
        show()
        if isTerminal { complain("\n") }
    }

    private func show() {
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let rate = seconds > 0 ? decimal(Double(last) / seconds / 1e6, places: 0) : "-"
        var text = "\(decimal(Double(last) / 1e6, places: 1)) MB, \(rate) MB/s"
        if byteCount > 0 { text = "\(last * 100 / byteCount) %, " + text }
        // "Erase to the end of the line" takes away what a longer text left.
        complain(isTerminal ? "\r\(text)\u{1b}[K" : "\(text)\n")
    }
}
